package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// check looks at what single values cannot tell: contradictions, what is missing because
// of something else, and what weakens.
func (r *reader) check(c *Config) {
	r.checkListeners(c)
	r.checkOrigins(c)
	r.checkProvider(&c.Provider)
	r.checkClient(&c.Provider)
	r.checkIssuers(&c.Provider)
	r.checkPreset(c)
	r.checkProfile(c)
	r.checkSession(c)
	r.checkSignals(&c.Signals)
	r.checkRoutes(c)
	r.checkBound(c)
}

func (r *reader) checkListeners(c *Config) {
	if c.TLS.CertFile != "" && c.TLS.KeyFile == "" && r.sound("tls.cert_file", "tls.key_file") {
		r.problem("tls.cert_file", "has no key: write tls.key_file, too, or neither")
	}
	if c.TLS.KeyFile != "" && c.TLS.CertFile == "" && r.sound("tls.cert_file", "tls.key_file") {
		r.problem("tls.key_file", "has no certificate: write tls.cert_file, too, or neither")
	}
	if host, _, err := net.SplitHostPort(c.Admin.Listen); err == nil && !loopback(host) && c.Admin.Token.IsZero() && r.sound("admin.token") {
		r.problem("admin.listen", "others than this machine reach it, and it has no token: write admin.token, or listen at 127.0.0.1")
	}
	listeners := []struct{ path, address string }{
		{"listen", c.Listen}, {"admin.listen", c.Admin.Listen}, {"forward_auth.listen", c.ForwardAuth.Listen},
	}
	for i, l := range listeners {
		for _, before := range listeners[:i] {
			if r.sound(l.path, before.path) && sameAddress(l.address, before.address) {
				one, other := l.path, before.path
				if !r.written(one) {
					one, other = other, one
				}
				r.problem(one, "is the address of %s, too: write another port", other)
			}
		}
	}
	if c.ForwardAuth.Listen != "" && len(c.TrustedProxies) == 0 && r.sound("forward_auth.listen", "trusted_proxies") {
		r.problem("forward_auth.listen", "believes trusted proxies only, and there are none: write the ingress's network into trusted_proxies")
	}
	if c.ForwardAuth.Listen != "" && c.Provider.SenderConstrained == DPoP && r.sound("forward_auth.listen", "provider.sender_constrained") {
		r.warn("forward_auth.listen", "hands no token out that is bound to a key (provider.sender_constrained: dpop), and answers 503 in its place: routes that the ingress asks about need token: none")
	}
	for i, network := range c.TrustedProxies {
		if network.Bits() == 0 {
			r.warn(element("trusted_proxies", i), "believes everybody's X-Forwarded-* headers: write the networks of your proxies")
		}
	}
}

// checkOrigins looks at the pages that live elsewhere. The attack that a list of origins
// invites: one of them belongs to somebody else.
func (r *reader) checkOrigins(c *Config) {
	if !r.sound("cors.origins", "public_url") || c.PublicURL == nil {
		return
	}
	r.checkTwice("cors.origins", c.CORS.Origins)
	for i, o := range c.CORS.Origins {
		at := element("cors.origins", i)
		u, err := url.Parse(o)
		switch {
		case err != nil || o == "" || !r.sound(at):
		case o == originOf(c.PublicURL):
			r.problem(at, "is the public origin, whose pages need no permission: take it out")
		case u.Scheme != c.PublicURL.Scheme || !sameSiteHosts(u.Hostname(), c.PublicURL.Hostname()):
			r.problem(at, "is another site than public_url, and browsers send no ticket across sites: serve the pages below the same domain, or through the gateway")
		}
	}
}

// sameAddress reports whether two listeners cannot both have their address.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	everywhere := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return hostA == hostB || everywhere(hostA) || everywhere(hostB)
}

// ownParameters are set by the gateway in every authorization request. Who could set them
// otherwise could take the login over, or turn its checks off.
var ownParameters = []string{
	"response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "scope", "state", "nonce",
	"code_challenge", "code_challenge_method", "code_verifier", "request", "request_uri", "dpop_jkt",
	"client_assertion", "client_assertion_type",
}

func (r *reader) checkProvider(p *Provider) {
	const path = "provider."
	if r.sound(path+"scopes") && !slices.Contains(p.Scopes, "openid") {
		r.problem(path+"scopes", "openid is missing: without it there is no ID token, write it in front")
	}
	r.checkTwice(path+"scopes", p.Scopes)
	r.checkTwice(path+"login_params", p.LoginParams)
	for _, name := range sortedKeys(p.AuthorizeParams) {
		switch {
		case slices.Contains(ownParameters, name):
			r.problem(path+"authorize_params."+name, "is the gateway's own parameter: take it out")
		case name == "audience" && p.Audience != "", name == "resource" && len(p.Resource) > 0:
			r.problem(path+"authorize_params."+name, "is there twice: keep provider.%s", name)
		}
	}
	for i, name := range p.LoginParams {
		if slices.Contains(ownParameters, name) || name == "audience" || name == "resource" {
			r.problem(element(path+"login_params", i), "%s is the gateway's own parameter, and no browser's: take it out", shown(name))
		}
	}
}

// checkTwice reports elements that are repeated.
func (r *reader) checkTwice(path string, list []string) {
	for i, s := range list {
		if s != "" && slices.Contains(list[:i], s) {
			r.problem(element(path, i), "is there twice: keep one")
		}
	}
}

func (r *reader) checkSession(c *Config) {
	const path = "session."
	s := &c.Session
	if r.sound(path+"keys") && r.written(path+"keys") && len(s.Keys) == 0 {
		r.problem(path+"keys", "has no key: write one that `cloakroom keys new` made, best as ${file:PATH}")
	}
	r.checkKeys(path+"keys", s.Keys)
	if r.sound(path+"idle_timeout", path+"absolute_timeout") && s.IdleTimeout > s.AbsoluteTimeout {
		r.problem(r.laterOf(path+"idle_timeout", path+"absolute_timeout"),
			"idle_timeout is longer than absolute_timeout: write an idle limit that can be reached")
	}
	r.checkCookie(c)
}

// laterOf returns the path that is written, the first one if both are.
func (r *reader) laterOf(first, second string) string {
	if r.written(first) {
		return first
	}
	return second
}

// checkCookie knows what browsers make of a name: __Host- and __Secure- ask for Secure,
// which loopback http does not have, and without __Host- a sibling domain can plant a
// cookie of the same name.
func (r *reader) checkCookie(c *Config) {
	const path = "session.cookie."
	if c.Session.Cookie.SameSite == Lax {
		r.warn(path+"same_site", "lax sends the ticket when other sites link here: write strict, unless something needs it")
	}
	name := c.Session.Cookie.Name
	if name == "" || c.PublicURL == nil || !r.sound(path+"name", "public_url") {
		return
	}
	prefixed := strings.HasPrefix(strings.ToLower(name), "__")
	switch {
	case c.PublicURL.Scheme == "http" && prefixed:
		r.problem(path+"name", "begins like a cookie that browsers take under https only: leave the prefix out under http")
	case c.PublicURL.Scheme == "http":
	case prefixed && !strings.HasPrefix(name, "__Host-"):
		r.problem(path+"name", "has a prefix that does not bind it to the host: write __Host-Http- in front, or leave name empty")
	case name == "__Host-" || name == "__Host-Http-":
		r.problem(path+"name", "is a prefix only: write a name behind it")
	case !prefixed:
		r.warn(path+"name", "a sibling domain can plant a cookie of this name: write __Host-Http- in front")
	}
}
