package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// hosts finds the table of a host. A request for any other host gets no answer but
// not_found, before its cookies are looked at.
type hosts struct {
	scheme string
	public *table
	exact  map[string]*table // host, with its port unless that is the scheme's own
	names  map[string]*table // host of routes that name no port: any port will do
}

func newHosts(public *url.URL) hosts {
	t := newTable()
	return hosts{
		scheme: public.Scheme,
		public: t,
		exact:  map[string]*table{canonicalHost(public.Scheme, public.Host): t},
		names:  map[string]*table{},
	}
}

// of returns the table for a route's host, a new one if need be.
func (h *hosts) of(host string) *table {
	if host == "" {
		return h.public
	}
	host = canonicalHost(h.scheme, host)
	if t := h.exact[host]; t != nil {
		return t
	}
	index := h.names
	if strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		index = h.exact
	}
	if index[host] == nil {
		index[host] = newTable()
	}
	return index[host]
}

// find returns the table for the host of a request, or nil.
func (h *hosts) find(host string) *table {
	host = canonicalHost(h.scheme, host)
	if t := h.exact[host]; t != nil {
		return t
	}
	if len(h.names) == 0 {
		return nil
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return h.names[host]
}

// canonicalHost writes a host as browsers do: in lower case, without the scheme's own port.
func canonicalHost(scheme, host string) string {
	host = strings.ToLower(host)
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// client is who sent a request, as far as it can be believed.
type client struct {
	addr    string // of the client
	chain   string // addr and the trusted proxies that the request came through
	host    string
	proto   string
	trusted bool // the peer is a trusted proxy
}

// clientOf tells who sent a request. The attack: X-Forwarded-For: 127.0.0.1. Only what a
// trusted proxy says is believed, and of a chain only the part that trusted proxies wrote:
// from the right, up to the first address that is not trusted.
func (g *Gateway) clientOf(r *http.Request) client {
	peer := hostOnly(r.RemoteAddr)
	c := client{addr: peer, chain: peer, host: r.Host, proto: g.cfg.PublicURL.Scheme}
	if len(g.cfg.TrustedProxies) == 0 || !g.trusts(peer) {
		return c
	}
	c.trusted = true
	nearest := last(r.Header["Forwarded"])
	if h := agreed(last(r.Header["X-Forwarded-Host"]), forwarded(nearest, "host")); h != "" {
		c.host = h
	}
	if p := strings.ToLower(agreed(last(r.Header["X-Forwarded-Proto"]), forwarded(nearest, "proto"))); p == "http" || p == "https" {
		c.proto = p
	}
	hops := list(r.Header["X-Forwarded-For"])
	if said := forwardedFor(r.Header["Forwarded"]); len(hops) == 0 {
		hops = said
	} else if len(said) > 0 && said[len(said)-1] != hops[len(hops)-1] {
		// One of the two headers came through from outside, and nobody can tell which.
		return c
	}
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(hostOnly(hop))
		if err != nil {
			break
		}
		c.addr = addr.Unmap().WithZone("").String()
		c.chain = c.addr + ", " + c.chain
		if !g.trusts(c.addr) {
			break
		}
	}
	return c
}

// trusts reports whether an address is a trusted proxy's.
func (g *Gateway) trusts(address string) bool {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range g.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// hostOnly takes the port and the brackets from an address.
func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// list splits a header of comma-separated values.
func list(lines []string) []string {
	var out []string
	for _, line := range lines {
		for v := range strings.SplitSeq(line, ",") {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

// last returns the last value of a header of comma-separated values: the nearest proxy's.
func last(lines []string) string {
	if all := list(lines); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// agreed is what two headers say of the same thing, if only one does or both say the same.
// Else one of them came through from outside, and nobody can tell which.
func agreed(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "" || strings.EqualFold(a, b):
		return a
	}
	return ""
}

// forwardedFor returns the for parameters of a Forwarded header (RFC 7239 §5.2), up to the
// nearest proxy that says none: what stands before it may be anybody's.
func forwardedFor(lines []string) []string {
	var out []string
	for _, element := range slices.Backward(list(lines)) {
		node := forwarded(element, "for")
		if node == "" {
			break
		}
		out = append(out, hostOnly(node))
	}
	slices.Reverse(out)
	return out
}

// forwarded returns a parameter of one element of a Forwarded header (RFC 7239 §4), "" if
// it has none.
func forwarded(element, parameter string) string {
	for pair := range strings.SplitSeq(element, ";") {
		if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && strings.EqualFold(name, parameter) {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}
