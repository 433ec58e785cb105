package config

import (
	"net/url"
	"slices"
)

// limit is a key whose behaviour is still to come.
type limit struct {
	path    string
	set     bool   // to something else than its default
	instead string // what to write today
}

// notYet is the one list of what the contract has and this version has not. A key that
// would be ignored is refused; a row goes when its behaviour comes.
func notYet(c *Config) []limit {
	const leaveOut = "leave it out"
	p := &c.Provider
	limits := []limit{
		{"telemetry.otlp_endpoint", c.Telemetry.OTLPEndpoint != "", leaveOut},
		{"provider.client_auth", p.ClientAuth != "" && !slices.Contains([]ClientAuth{SecretBasic, SecretPost, NoClientAuth}, p.ClientAuth), "write client_secret_basic or client_secret_post"},
		{"provider.client_key_file", p.ClientKeyFile != "", "leave it out and write client_secret"},
	}
	for i := range c.Routes {
		limits = append(limits, c.Routes[i].notYet(element("routes", i))...)
	}
	return limits
}

func (rt *Route) notYet(path string) []limit {
	const leaveOut = "leave it out"
	h2c := slices.ContainsFunc(rt.Upstream, func(u *url.URL) bool { return u != nil && u.Scheme == "h2c" })
	return []limit{
		{path + ".upstream", len(rt.Upstream) > 1, "write one URL"},
		{path + ".upstream", h2c, "write http:// or https://"},
		{path + ".upstream_tls.ca_file", rt.UpstreamTLS.CAFile != "", leaveOut},
		{path + ".upstream_tls.cert_file", rt.UpstreamTLS.CertFile != "", leaveOut},
		{path + ".upstream_tls.key_file", rt.UpstreamTLS.KeyFile != "", leaveOut},
		{path + ".upstream_tls.server_name", rt.UpstreamTLS.ServerName != "", leaveOut},
	}
}
