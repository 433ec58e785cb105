package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// A front proxy asks about a request by another one, and each has its own way to say what
// the first one was. What it says is all that there is to judge by, so nothing is guessed
// and nothing defaults: what is missing, said twice, or said in two ways is refused. The
// client's own headers come along with most proxies, so a forged X-Forwarded-Uri is no more
// than a header that the proxy has replaced, or one that contradicts it.

// dialect is how a front proxy asks.
type dialect string

// The dialects, by the last part of the path below /verify.
const (
	nginx   dialect = "nginx"   // auth_request
	traefik dialect = "traefik" // ForwardAuth
	caddy   dialect = "caddy"   // forward_auth
	haproxy dialect = "haproxy" // Lua, or the agent that the recipe has
	envoy   dialect = "envoy"   // ext_authz over HTTP, also of Envoy Gateway and Istio
)

const verifyPath = "/verify/"

// dialectOf takes the request line of a verify request apart: the dialect, and for envoy
// the target of the original request, which stands behind it.
func dialectOf(target string) (d dialect, rest string, ok bool) {
	name, found := strings.CutPrefix(target, verifyPath)
	if !found {
		return "", "", false
	}
	end := strings.IndexAny(name, "/?")
	if end < 0 {
		end = len(name)
	}
	d, rest = dialect(name[:end]), name[end:]
	switch d {
	case nginx, traefik, caddy, haproxy, envoy:
		return d, rest, true
	}
	return "", "", false
}

// original returns the request that a proxy asks about, or why it cannot be told. It
// has the headers of the one that asks.
func (d dialect) original(r *http.Request, rest string) (*http.Request, error) {
	said := saying{header: r.Header}
	var method, target, host string
	switch d {
	case envoy:
		method, target, host = r.Method, rest, r.Host
		said.agree("method", method, "X-Forwarded-Method", "X-Original-Method")
		said.agree("target", target, "X-Forwarded-Uri", "X-Original-Uri")
		said.agree("host", host, "X-Forwarded-Host")
	case nginx:
		method = said.sole("method", "X-Original-Method", "X-Forwarded-Method")
		target = said.sole("target", "X-Original-Uri", "X-Forwarded-Uri")
		host = said.sole("host", "X-Forwarded-Host")
	default:
		method = said.sole("method", "X-Forwarded-Method", "X-Original-Method")
		target = said.sole("target", "X-Forwarded-Uri", "X-Original-Uri")
		host = said.sole("host", "X-Forwarded-Host")
	}
	target, host = said.withURL(target, host)
	said.sole("scheme", "X-Forwarded-Proto")
	// Some frameworks serve the path that this one names.
	said.agree("target", target, "X-Rewrite-Url")
	said.agree("host", host, "X-Original-Host")
	if f := last(r.Header["Forwarded"]); f != "" {
		said.same("host", host, forwarded(f, "host"))
	}
	switch {
	case said.err != nil:
		return nil, said.err
	case method == "" || !headerToken(method):
		return nil, errors.New("proxy: the front proxy does not say the original request's method")
	case host == "":
		return nil, errors.New("proxy: the front proxy does not say the original request's host")
	case !strings.HasPrefix(target, "/"):
		return nil, errors.New("proxy: the front proxy does not say the original request's target, or it is no path")
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("proxy: the original request's target cannot be read")
	}
	asked := &http.Request{
		Method: method, URL: u, Host: host, RequestURI: target, RemoteAddr: r.RemoteAddr,
		Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Header: r.Header, Body: http.NoBody,
	}
	return asked.WithContext(r.Context()), nil
}

// saying reads headers that may say the same thing, and keeps the first contradiction.
type saying struct {
	header http.Header
	err    error
}

// sole is what the headers of these names say, "" if none is there. One header has one
// line with one value, and two say the same.
func (s *saying) sole(what string, names ...string) (value string) {
	for _, name := range names {
		lines := s.header[name]
		if len(lines) == 0 {
			continue
		}
		said := lines[0]
		// A target may have a comma in it, a host or a method has none.
		if len(lines) > 1 || said == "" || what != "target" && strings.Contains(said, ",") {
			s.refuse(what)
			return ""
		}
		value = s.same(what, value, said)
	}
	return value
}

// agree refuses headers that say another thing than what is known.
func (s *saying) agree(what, known string, names ...string) {
	s.same(what, known, s.sole(what, names...))
}

// same returns what both say, or what one says if the other is empty.
func (s *saying) same(what, a, b string) string {
	switch {
	case a == "":
		return b
	case b == "" || a == b || what == "host" && strings.EqualFold(a, b):
		return a
	}
	s.refuse(what)
	return ""
}

// withURL takes X-Original-URL, which has host and target in one, into account.
func (s *saying) withURL(target, host string) (string, string) {
	whole := s.sole("target", "X-Original-Url")
	if whole == "" {
		return target, host
	}
	u, err := url.Parse(whole)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		s.refuse("target")
		return "", ""
	}
	// The bytes behind the authority, not what a parser makes of them.
	_, rest, _ := strings.Cut(whole, "://")
	said := rest[len(u.Host):]
	if !strings.HasPrefix(rest, u.Host) || said == "" {
		s.refuse("target")
		return "", ""
	}
	return s.same("target", target, said), s.same("host", host, u.Host)
}

func (s *saying) refuse(what string) {
	if s.err == nil {
		s.err = errors.New("proxy: the original request's " + what + " is said twice, or in two ways")
	}
}
