package config

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	mostUpstreams  = 64 // on one route
	healthInterval = 10 * time.Second
)

// checkUpstreams looks at a route's upstreams together, and at how they are reached.
func (r *reader) checkUpstreams(path string, rt *Route) {
	up := path + ".upstream"
	if !r.sound(up) || slices.Contains(rt.Upstream, nil) {
		return
	}
	if len(rt.Upstream) > mostUpstreams {
		r.problem(up, "has more than %d upstreams: write fewer, or one that balances itself", mostUpstreams)
		return
	}
	for i, u := range rt.Upstream {
		first := rt.Upstream[0]
		switch at := element(up, i); {
		case u.Scheme != first.Scheme:
			r.problem(at, "has another scheme than the first one: a list is of servers that do the same")
		case strings.TrimSuffix(u.Path, "/") != strings.TrimSuffix(first.Path, "/"):
			r.problem(at, "has another path than the first one: a list is of servers that do the same")
		case slices.ContainsFunc(rt.Upstream[:i], func(before *url.URL) bool { return before.Host == u.Host }):
			r.problem(at, "is there twice: keep one")
		}
	}
	r.checkBalance(path+".balance.", rt)
	r.checkUpstreamTLS(path+".upstream_tls.", rt)
}

func (r *reader) checkBalance(path string, rt *Route) {
	for _, key := range []struct {
		name string
		set  bool
	}{{"sticky", rt.Balance.Sticky}, {"health_path", rt.Balance.HealthPath != ""}} {
		if len(rt.Upstream) < 2 && key.set && r.sound(path+key.name) {
			r.problem(path+key.name, "is for a list of upstreams: write upstream: [http://one:9000, http://two:9000], or leave it out")
		}
	}
	if rt.Balance.HealthPath == "" && rt.Balance.HealthInterval != healthInterval && r.sound(path+"health_path", path+"health_interval") {
		r.problem(path+"health_interval", "has nothing to ask for: write health_path, too, or leave it out")
	}
	if len(rt.Upstream) > 1 && rt.Balance.Sticky && rt.Access == Public && rt.Token != UserOrClientToken && r.sound(path+"sticky") {
		r.problem(path+"sticky", "goes by the session, and access public asks for none: write access: optional, or leave it out")
	}
}

func (r *reader) checkUpstreamTLS(path string, rt *Route) {
	t := rt.UpstreamTLS
	ca, cert, key := path+"ca_file", path+"cert_file", path+"key_file"
	switch {
	case t == UpstreamTLS{}:
		return
	case len(rt.Upstream) == 0 || rt.Upstream[0].Scheme != "https":
		r.problem(strings.TrimSuffix(path, "."), "is for https upstreams: write upstream: https://…, or leave it out")
		return
	}
	switch {
	case !r.sound(cert, key):
	case t.CertFile != "" && t.KeyFile == "":
		r.problem(cert, "has no key: write upstream_tls.key_file, too, or neither")
	case t.KeyFile != "" && t.CertFile == "":
		r.problem(key, "has no certificate: write upstream_tls.cert_file, too, or neither")
	case t.CertFile != "":
		if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
			r.problem(cert, "is no pair with key_file (%v): write a certificate in PEM and its own private key", err)
		}
	}
	if t.CAFile != "" && r.sound(ca) {
		pem, err := os.ReadFile(t.CAFile)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
			r.problem(ca, "holds no certificate: write the path of a file with roots in PEM")
		}
	}
}
