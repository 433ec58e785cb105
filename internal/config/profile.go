package config

import (
	"fmt"
	"net/url"
	"slices"
)

// profileName is the name of a profile, or nothing.
func profileName(p *Profile) field {
	f := oneOf(p, FAPI2).(scalar[Profile])
	f.shape = object{"type": "string", "enum": []any{string(NoProfile), string(FAPI2)}}
	known := f.parse
	f.parse = func(v string) (Profile, error) {
		if v == "" {
			return NoProfile, nil
		}
		return known(v)
	}
	return f
}

// profile finds out which profile is asked for, as preset does. What it fills in goes before
// what a preset does: that a provider is used to less is no reason.
func (r *reader) profile(root *node) initials {
	if name, ok := r.early(root, "profile"); !ok || Profile(name) != FAPI2 {
		return nil
	}
	return initials{
		"provider.client_auth":               string(PrivateKeyJWT),
		"provider.client_assertion.audience": string(ForIssuer),
		"provider.sender_constrained":        string(DPoP),
		"provider.par":                       string(UseAlways),
		"provider.issuers":                   []string{},
	}
}

// profileAlgorithms are what FAPI 2.0 signs with (§5.4.1).
var profileAlgorithms = []string{"PS256", "ES256", "EdDSA"}

// checkProfile names what is written against the rules of the profile.
func (r *reader) checkProfile(c *Config) {
	if c.Provider.Profile != FAPI2 || !r.sound("provider.profile") {
		return
	}
	r.checkProfileClient(&c.Provider)
	r.checkProfileIssuer(&c.Provider)
	for i := range c.Routes {
		r.checkProfileRoute(element("routes", i)+".upstream", &c.Routes[i])
	}
}

// weakens reports a key that is written against the profile, with what to write instead.
func (r *reader) weakens(key, format string, args ...any) {
	if path := "provider." + key; r.sound(path) {
		r.problem(path, "%s", fmt.Sprintf(format, args...))
	}
}

// checkProfileClient looks at how the client shows who it is, and what its tokens are worth.
func (r *reader) checkProfileClient(p *Provider) {
	if !slices.Contains([]ClientAuth{PrivateKeyJWT, MutualTLS, SelfSignedTLS}, p.ClientAuth) {
		r.weakens("client_auth", "%s is less than provider.profile: fapi2 asks for: write private_key_jwt, tls_client_auth or self_signed_tls_client_auth", p.ClientAuth)
	}
	if p.ClientAssertion.Audience != ForIssuer {
		r.weakens("client_assertion.audience", "provider.profile: fapi2 makes assertions for the issuer alone, so that nobody else can use them: write issuer, or leave it out")
	}
	if p.SenderConstrained == NotConstrained {
		r.weakens("sender_constrained", "leaves tokens that whoever has them may use, which provider.profile: fapi2 rules out: write dpop or mtls")
	}
	if p.PAR != UseAlways {
		r.weakens("par", "provider.profile: fapi2 pushes each authorization request: write always, or leave it out")
	}
	for i, alg := range p.ClientKeys.Algorithms(profileAlgorithms) {
		if !slices.Contains(profileAlgorithms, alg) {
			r.weakens("client_key_file", "its key %d signs with %s, and provider.profile: fapi2 with PS256, ES256 or EdDSA: write PS256 into its alg, or make another key with `cloakroom keys client`", i+1, alg)
		}
	}
}

// checkProfileIssuer looks at where metadata and endpoints come from: the issuer, which has
// one spelling. Whoever could name another place could have the code sent there.
func (r *reader) checkProfileIssuer(p *Provider) {
	const single = "provider.profile: fapi2 knows one issuer with one spelling: take it out"
	if len(p.Issuers) > 0 {
		r.weakens("issuers", single)
	}
	if len(p.AllowedTenants) > 0 {
		r.weakens("allowed_tenants", "provider.profile: fapi2 knows one issuer: write that of the tenant into provider.issuer, and take this out")
	}
	if p.DiscoveryURL != "" && r.sound("provider.issuer") && originAt(p.DiscoveryURL) != originAt(p.Issuer) {
		r.weakens("discovery_url", "is not at the issuer's own host, where provider.profile: fapi2 takes metadata from: take it out")
	}
	e := &p.Endpoints
	for _, end := range []struct{ name, address string }{
		{"authorization", e.Authorization},
		{"token", e.Token},
		{"jwks", e.JWKS},
		{"revocation", e.Revocation},
		{"end_session", e.EndSession},
		{"userinfo", e.UserInfo},
		{"pushed_authorization_request", e.PushedAuthorizationRequest},
	} {
		if end.address != "" {
			r.weakens("endpoints."+end.name, "provider.profile: fapi2 takes endpoints from the provider's metadata only: take it out")
		}
	}
}

// checkProfileRoute refuses to send tokens in the clear, of which others only warn.
func (r *reader) checkProfileRoute(path string, rt *Route) {
	if !rt.SendsToken() || !r.sound(path) {
		return
	}
	for _, u := range rt.Upstream {
		if u != nil && u.Scheme != "https" && !loopback(u.Hostname()) {
			r.problem(path, "gets tokens in the clear, which provider.profile: fapi2 rules out: write https://…, or token: none")
			return
		}
	}
}

// originAt is the scheme, host and port of an address, "" if it is none.
func originAt(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return originOf(u)
}
