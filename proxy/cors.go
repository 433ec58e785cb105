package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A single-page app can live at another origin of the same site: the pages at
// www.example.com, the gateway at api.example.com. The browser sends the ticket along, Strict
// or not, and asks by CORS (Fetch §3.2) whether the page may read the answer. The origins of
// Config.Origins may, with credentials; the CSRF rule believes them as it does the public
// one; and no other origin hears anything from the gateway, "*" least of all.

// checkOrigins looks at the origins of pages.
func (c *Config) checkOrigins() error {
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || o != u.Scheme+"://"+canonicalHost(u.Scheme, u.Host) {
			return fmt.Errorf("proxy: %q is no origin as browsers write it: scheme, host in lower case, and a port that is not the scheme's own", o)
		}
	}
	return nil
}

// pageAt returns which of the configured origins a request names, "" for none.
func (g *Gateway) pageAt(r *http.Request) string {
	origin := r.Header["Origin"]
	if len(origin) != 1 || !slices.Contains(g.cfg.Origins, origin[0]) {
		return ""
	}
	return origin[0]
}

// fromPage reports whether a page of a configured origin sent the request. The browser says
// whose it is twice; a same-site page that is not listed fails by the one, a listed origin
// of another site, which never has the ticket, by the other.
func (g *Gateway) fromPage(r *http.Request) bool {
	if len(g.cfg.Origins) == 0 || g.pageAt(r) == "" {
		return false
	}
	site := one(r.Header, "Sec-Fetch-Site")
	return site == "same-site" || site == "" && !classify(r).metadata
}

// isPreflight reports whether a browser asks on its own whether it may send what a page
// wants to be sent (Fetch §3.2.2).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) == 1
}

// preflightAge is how long a browser may keep the answer to a preflight.
const preflightAge = "600" // seconds

// preflight answers for a route or an endpoint whether the method may be sent. It comes
// without a ticket and goes no further: whether the request itself may pass is judged when
// it is there.
func (g *Gateway) preflight(x *exchange, r *http.Request) error {
	asked := *r
	asked.Method = one(r.Header, "Access-Control-Request-Method")
	if !headerToken(asked.Method) || asked.Method == http.MethodTrace || asked.Method == http.MethodConnect {
		return &Problem{Code: MethodNotAllowed, Allow: everyMethod}
	}
	if _, err := g.find(x, &asked); err != nil {
		return err
	}
	g.ownHeaders(x.Header())
	h := x.Header()
	h.Set("Access-Control-Allow-Methods", asked.Method)
	if names := slices.DeleteFunc(list(r.Header["Access-Control-Request-Headers"]), func(s string) bool { return !headerToken(s) }); len(names) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(names, ", "))
	}
	h.Set("Access-Control-Max-Age", preflightAge)
	x.WriteHeader(http.StatusNoContent)
	return nil
}

// exposed are the gateway's own headers that a page at another origin may read.
const exposed = "Cloakroom-Error, Retry-After"

// sharing is what an answer has to say of pages at other origins.
type sharing struct{ origin string } // whose page may read it; "": none that is configured

// write says so in an answer of any kind. What an upstream says of that itself does not
// count: it does not know about the gateway's cookie.
func (s *sharing) write(h http.Header) {
	if !slices.ContainsFunc(list(h["Vary"]), func(name string) bool { return strings.EqualFold(name, "Origin") }) {
		h.Add("Vary", "Origin")
	}
	if s.origin == "" {
		return
	}
	h["Access-Control-Allow-Origin"] = []string{s.origin}
	h["Access-Control-Allow-Credentials"] = []string{"true"}
	h["Access-Control-Expose-Headers"] = []string{strings.Join(append([]string{exposed}, h["Access-Control-Expose-Headers"]...), ", ")}
}
