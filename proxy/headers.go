package proxy

import (
	"net/http"
	"slices"
	"strings"
)

// hygiene decides which headers of a client reach no upstream. It is the same on every
// route: a header that one route sets is a promise to its upstream, and where another
// route leads to the same server, a client must not be able to make that promise itself.
type hygiene struct {
	ownCookie func(string) bool
	fates     map[string]fate // by canonical name
	promised  []string        // what some route sets, canonical
}

// fate is what becomes of a client's header.
type fate int

const (
	passes fate = iota
	dropped
	ifTrusted // passes if the peer is a trusted proxy
)

func (g *Gateway) newHygiene(routes []Route) *hygiene {
	h := &hygiene{ownCookie: g.ownCookie, fates: map[string]fate{}}
	h.decide(dropped,
		"Authorization", "Dpop",
		"Proxy", // CGI makes HTTP_PROXY of it, and a client in there believes that.
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"Http2-Settings", "Cloakroom-Error", "X-Bff-Background", explainHeader,
	)
	h.decide(ifTrusted,
		"X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Fastly-Client-Ip",
		"X-Client-Ip", "X-Cluster-Client-Ip", "X-Envoy-External-Address", "X-Azure-Clientip",
		"X-Original-Url", "X-Original-Uri", "X-Original-Method", "X-Original-Host", "X-Rewrite-Url",
		"X-Forwarded", "X-Scheme", "X-Url-Scheme", "Front-End-Https",
		"Client-Cert", "Client-Cert-Chain", "X-Client-Cert", "Ssl-Client-Cert", "X-Ssl-Client-Cert",
		"Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email", "X-Remote-User",
	)
	for _, r := range routes {
		for name := range r.SetHeaders {
			h.decide(dropped, canonicalTwin(name))
			h.promised = append(h.promised, http.CanonicalHeaderKey(name))
		}
		if name := r.Assertion.Header; name != "" {
			h.decide(dropped, canonicalTwin(name))
			h.promised = append(h.promised, http.CanonicalHeaderKey(name))
		}
	}
	slices.Sort(h.promised)
	h.promised = slices.Compact(h.promised)
	return h
}

func (h *hygiene) decide(f fate, names ...string) {
	for _, name := range names {
		h.fates[name] = f
	}
}

// ofConnection reports whether a header belongs to one connection (RFC 9110 §7.6.1), or is
// what some say to the proxy next to them.
func ofConnection(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization":
		return true
	}
	return false
}

// hopByHop reports whether a header belongs to one connection, or frames a message. Spelled
// with an underscore they are no such thing to a proxy, but to some servers.
func hopByHop(name string) bool {
	switch name {
	case "Content-Length", "Host", "Cookie":
		return true
	}
	return ofConnection(name) || strings.HasPrefix(name, "Proxy-")
}

// reservedHeader reports whether a route may not set the header: the gateway does, or the
// message's framing.
func reservedHeader(name string) bool {
	switch canonicalTwin(name) {
	case "Authorization", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via", "Cloakroom-Error":
		return true
	}
	return hopByHop(canonicalTwin(name))
}

// canonicalTwin is the name that CGI, WSGI and PHP cannot tell from name: they make
// HTTP_X_USER of X-User and of X_User, and some of X!User and whatever else is no letter.
func canonicalTwin(name string) string {
	return http.CanonicalHeaderKey(strings.Map(func(c rune) rune {
		if alphanumeric(c) {
			return c
		}
		return '-'
	}, name))
}

// hasTwin reports whether name can be another one than its canonicalTwin.
func hasTwin(name string) bool {
	for i := range len(name) {
		if c := rune(name[i]); c != '-' && !alphanumeric(c) {
			return true
		}
	}
	return false
}

func alphanumeric(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// drops reports whether a client's header goes no further. name is as the server has
// canonicalised it.
func (h *hygiene) drops(name string, trusted bool) bool {
	if hasTwin(name) {
		name = canonicalTwin(name)
		if hopByHop(name) {
			return true
		}
	}
	switch h.fates[name] {
	case dropped:
		return true
	case ifTrusted:
		return !trusted
	}
	switch name[0] {
	case 'P':
		return strings.HasPrefix(name, "Proxy-")
	case 'X':
		return !trusted && (strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Auth-Request-"))
	}
	return false
}

// setHeaders sets the headers that the route promises to its upstream, as promise has worked
// them out.
func (rt *route) setHeaders(out http.Header, x *exchange) {
	for i, value := range x.promises {
		if value != "" {
			out[rt.sets[i].name] = x.promises[i : i+1 : i+1]
		}
	}
	if x.proof != "" {
		out[rt.assertions.header] = []string{x.proof}
	}
}

// overrides are headers by which some frameworks take another method than the request
// line's.
var overrides = [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// narrowMethod removes a method override that would reach a method that the route does
// not have.
func (rt *route) narrowMethod(out http.Header) {
	for _, name := range overrides {
		if rt.oversteps(out[name]) {
			delete(out, name)
		}
	}
}

// oversteps reports whether one of the overrides names a method that the route does not
// have, or that none has.
func (rt *route) oversteps(methods []string) bool {
	return slices.ContainsFunc(methods, func(m string) bool {
		m = strings.ToUpper(strings.TrimSpace(m))
		return forbiddenMethod(m) || len(rt.methods) > 0 && !slices.Contains(rt.methods, m)
	})
}

// via is our entry in the Via header (RFC 9110 §7.6.3).
func via(r *http.Request) string {
	switch {
	case r.ProtoMajor >= 2:
		return "2.0 cloakroom"
	case r.ProtoMinor == 0:
		return "1.0 cloakroom"
	}
	return "1.1 cloakroom"
}

// withoutOwn removes our cookies; all other bytes of the lines stay as they are.
func withoutOwn(lines []string, own func(string) bool) []string {
	var out []string
	for _, line := range lines {
		if kept := withoutOwnIn(line, own); kept != "" {
			out = append(out, kept)
		}
	}
	return out
}

func withoutOwnIn(line string, own func(string) bool) string {
	var kept []string
	removed := false
	for pair := range strings.SplitSeq(line, ";") {
		name, _, _ := strings.Cut(pair, "=")
		if own(strings.Trim(name, " \t\"")) {
			removed = true
			continue
		}
		kept = append(kept, pair)
	}
	if !removed {
		return line
	}
	return strings.TrimLeft(strings.Join(kept, ";"), " \t")
}

// replace makes other lines of a header's, if it is there; of none the header goes.
func replace(h http.Header, name string, by func([]string) []string) {
	lines, there := h[name]
	if !there {
		return
	}
	if lines = by(lines); len(lines) == 0 {
		delete(h, name)
		return
	}
	h[name] = lines
}

// cleanAnswer removes from an upstream's answer what is meant for the gateway, and what only
// the gateway may say: its error header, cookies under its names, and that the browser forget its cookies.
func (rt *route) cleanAnswer(h http.Header) {
	delete(h, "Cloakroom-Error")
	delete(h, "Dpop-Nonce") // it is for the gateway's proofs
	replace(h, "Clear-Site-Data", withoutCookies)
	lines := h["Set-Cookie"]
	if lines == nil {
		return
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		pair, _, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		if name = strings.Trim(name, " \t"); name == "" {
			// A cookie without a name is sent back as its bare value: "=ticket=x" comes
			// back as ticket=x.
			name, _, _ = strings.Cut(value, "=")
			name = strings.Trim(name, " \t")
		}
		return rt.hygiene.ownCookie(name)
	})
	if len(lines) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = lines
}

// headerToken reports whether s can be a header's name or a method (RFC 9110 §5.6.2).
func headerToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}
