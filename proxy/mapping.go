package proxy

import (
	"net/http"
	"strings"
)

// Rewriting says whether the addresses and cookies in an upstream's answers are written as
// the browser has to see them.
type Rewriting int

// The ways with an upstream's answers.
const (
	WhereMoved Rewriting = iota // where StripPrefix or the upstream's own path moves paths
	Always                      // also where nothing but the host is another one
	Never
)

// mapping is the way back of a route: an upstream does not know that browsers see its paths
// below another prefix, at another host.
//
//	browser   https://app.example.com /erp /orders        Path=/erp
//	upstream  https://erp.internal    /app /orders        Path=/app
//
// It rewrites what a browser acts on by itself: Location, Content-Location, Refresh, and the
// Path and Domain of cookies. Addresses of other hosts, and all bodies, stay as they are.
type mapping struct {
	public string // prefix in the browser, without a slash at its end
	base   string // prefix at the upstream, likewise
	own    string // where the gateway's endpoints live, which no upstream has
}

// newMapping returns the mapping of a route, nil if its answers stay as they are.
func newMapping(rt *route, own string) *mapping {
	moved := rt.strip != "" || rt.base != ""
	if rt.Upstream == nil || rt.Rewriting == Never || rt.Rewriting == WhereMoved && !moved {
		return nil
	}
	return &mapping{rt.strip, rt.base, own}
}

// rewrite writes an answer as the client has to see it.
func (m *mapping) rewrite(res *http.Response, c client) {
	h, upstream := res.Header, res.Request.URL.Host
	for _, name := range [...]string{"Location", "Content-Location"} {
		for i, v := range h[name] {
			h[name][i] = m.address(v, upstream, c.host)
		}
	}
	for i, v := range h["Refresh"] {
		h["Refresh"][i] = m.refresh(v, upstream, c.host)
	}
	for i, v := range h["Set-Cookie"] {
		h["Set-Cookie"][i] = m.cookie(v, hostName(upstream), hostName(c.host))
	}
}

// address maps a URL reference. One that names the upstream's host loses it, one that names
// the public host keeps it, and one that names neither stays as it is.
func (m *mapping) address(s, upstream, public string) string {
	// Browsers read a backslash as a slash, and leave tabs out.
	if strings.ContainsRune(s, '\\') || escaped(s, "") != s {
		return s
	}
	front, tail := "", s
	if scheme, host, path, absolute := splitAddress(s); absolute {
		switch {
		case sameHost(scheme, host, upstream):
		case sameHost(scheme, host, public):
			front = s[:len(s)-len(path)]
		default:
			return s
		}
		if tail = path; tail == "" || tail[0] != '/' {
			tail = "/" + tail
		}
	}
	end := len(tail)
	if i := strings.IndexAny(tail, "?#"); i >= 0 {
		end = i
	}
	path, ok := m.path(tail[:end])
	if !ok {
		return s
	}
	return front + path + tail[end:]
}

// path maps a path of the upstream; ok is false if it stays as it is: since it is relative,
// since the application knows by itself what browsers see, since it leads to the gateway's
// endpoints, or since browsers do not reach it.
func (m *mapping) path(p string) (string, bool) {
	if !strings.HasPrefix(p, "/") || m.base == "" && (m.known(p) || below(p, m.own)) || !below(p, m.base) {
		return "", false
	}
	p = m.public + p[len(m.base):]
	switch {
	case p == "":
		return "/", true
	case strings.HasPrefix(p, "//"):
		// The attack: /app//evil.example, with /app taken off, is another host.
		return "", false
	}
	return p, true
}

// known reports whether a path is one that browsers see.
func (m *mapping) known(p string) bool { return m.public != "" && below(p, m.public) }

// refresh maps the address of a Refresh header: "5; url=/next".
func (m *mapping) refresh(s, upstream, public string) string {
	i := strings.IndexAny(s, ";,")
	if i < 0 {
		return s
	}
	rest := strings.TrimLeft(s[i+1:], " \t")
	if len(rest) < 4 || !strings.EqualFold(rest[:4], "url=") {
		return s
	}
	address := strings.Trim(rest[4:], " \t'\"")
	at := len(s) - len(rest) + 4 + strings.Index(rest[4:], address)
	return s[:at] + m.address(address, upstream, public) + s[at+len(address):]
}

// cookie maps the Path and the Domain of a Set-Cookie line. A Domain that is good for the
// upstream's host and not for the public one would make browsers refuse the cookie, so it
// goes; the cookie is then the public host's alone.
func (m *mapping) cookie(line, upstream, public string) string {
	attributes := strings.Split(line, ";")
	out := []string{attributes[0]}
	name := strings.ToLower(strings.TrimSpace(attributes[0]))
	for _, a := range attributes[1:] {
		key, value, _ := strings.Cut(a, "=")
		switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(key)) {
		case "path":
			// A __Host- cookie with another Path than / is refused.
			if path := m.cookiePath(value); path != value && !strings.HasPrefix(name, "__host-") {
				a = " Path=" + path
			}
		case "domain":
			if domain := strings.ToLower(strings.TrimPrefix(value, ".")); covers(domain, upstream) && !covers(domain, public) {
				continue
			}
		}
		out = append(out, a)
	}
	return strings.Join(out, ";")
}

// cookiePath maps the Path of a cookie. One above the upstream's own path is for all that
// browsers see of the upstream, and no more: two applications that both call their cookie
// JSESSIONID, at /, do not get each other's.
func (m *mapping) cookiePath(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"), m.base == "" && m.known(p):
		return p
	case below(p, m.base):
		p = p[len(m.base):]
	case below(m.base, strings.TrimSuffix(p, "/")):
		p = ""
	default:
		return p
	}
	if p == "/" && m.public != "" {
		p = ""
	}
	if p = m.public + p; p == "" {
		return "/"
	}
	return p
}

// below reports whether a path is prefix or lies below it.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// splitAddress splits a URL reference that names a host: https://host/path, or //host/path.
func splitAddress(s string) (scheme, host, path string, ok bool) {
	rest, ok := strings.CutPrefix(s, "//")
	if !ok {
		if scheme, rest, ok = strings.Cut(s, "://"); !ok {
			return "", "", "", false
		}
		if scheme = strings.ToLower(scheme); scheme != "http" && scheme != "https" {
			return "", "", "", false
		}
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return scheme, rest[:i], rest[i:], true
	}
	return scheme, rest, "", true
}

// sameHost compares hosts and ports. Which of the two schemes an application writes depends
// on whether it believes X-Forwarded-Proto, so either will do.
func sameHost(scheme, a, b string) bool {
	return canonicalHost(scheme, a) == canonicalHost(scheme, b)
}

// hostName is a host without its port, as cookies are compared.
func hostName(host string) string { return strings.ToLower(hostOnly(host)) }

// covers reports whether a cookie's Domain is good for a host (RFC 6265 §5.1.3).
func covers(domain, host string) bool {
	return domain != "" && (host == domain || strings.HasSuffix(host, "."+domain))
}
