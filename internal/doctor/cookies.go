package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// cookies holds the ticket's cookie against the hosts that need it, and the provider's own
// against the silent login.
func (e *exam) cookies(_ context.Context, c *chart) {
	const check = "session.cookie"
	host := e.cfg.PublicURL.Host
	lost := false
	for i, rt := range e.cfg.Routes {
		if rt.Access == config.Public || sameHost(rt.Host, host) {
			continue
		}
		lost = true
		c.fail(check, fmt.Sprintf("routes[%d] is for %s, and the ticket's cookie is for %s alone: nobody is ever signed in there", i, rt.Host, host),
			"serve it below public_url, run a gateway of its own for that host, or write access: public")
	}
	if e.cfg.PublicURL.Scheme == "http" {
		c.pass(check, "no prefix and no Secure under http, which is for trials on this machine")
	} else if !lost {
		c.pass(check, fmt.Sprintf("%s, for %s alone", cmp.Or(e.cfg.Session.Cookie.Name, "__Host-Http-cloakroom"), host))
	}
	e.sites(c)
}

// sameHost compares a route's host with that of public_url. One without a port means any.
func sameHost(route, public string) bool {
	name, _, err := net.SplitHostPort(public)
	if err != nil {
		name = public
	}
	return route == "" || strings.EqualFold(route, public) || strings.EqualFold(route, name)
}

// sites tells whether the provider is on the application's own site (RFC 6265bis §5.2): what
// decides is the scheme and the domain that somebody could register.
func (e *exam) sites(c *chart) {
	const check = "session.cookie.same_site"
	issuer, err := url.Parse(e.cfg.Provider.Issuer)
	if err != nil {
		return
	}
	ours, theirs := site(e.cfg.PublicURL), site(issuer)
	switch {
	case ours != theirs:
		c.pass(check, fmt.Sprintf("the provider is on another site, %s: logins work; silent login (prompt=none in a frame) does not where browsers keep third-party cookies back", theirs))
	case strings.EqualFold(e.cfg.PublicURL.Hostname(), issuer.Hostname()):
		c.pass(check, "the provider is on the same site, so that silent login (prompt=none in a frame) works in every browser")
	default:
		c.pass(check, fmt.Sprintf("the provider is on the same site, %s, unless anybody can register names below that; then silent login (prompt=none in a frame) works in every browser", theirs))
	}
}

// site is a scheme and the last two labels of a host. Where domains are registered one
// level deeper, as below co.uk, it is more than a site.
func site(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if labels := strings.Split(host, "."); net.ParseIP(host) == nil && len(labels) > 2 {
		host = strings.Join(labels[len(labels)-2:], ".")
	}
	return u.Scheme + "://" + host
}

// proxies sees whether the gateway knows who stands in front of it.
func (e *exam) proxies(_ context.Context, c *chart) {
	const check = "trusted_proxies"
	switch {
	case len(e.cfg.TrustedProxies) > 0:
		c.pass(check, fmt.Sprintf("X-Forwarded-* is believed from %d networks", len(e.cfg.TrustedProxies)))
	case e.cfg.PublicURL.Scheme == "https" && e.cfg.TLS.CertFile == "":
		c.warn(check, "public_url is https and the gateway speaks http, so that a proxy stands in front; it is not trusted, and every browser has its address",
			"write the proxy's network, or limits by address, the audit log and users' lists of devices mean the proxy")
	default:
		c.pass(check, "nobody's X-Forwarded-* is believed")
	}
}
