//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// ownPage is what a browser adds to a call of a page of our own.
var ownPage = []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}

// What a client says of the request line, the host or who it is, is refused or replaced.
func TestAForgedWordBehindAFrontProxyIsNotBelieved(t *testing.T) {
	t.Parallel()
	everyFrontProxy(t, func(t *testing.T, s *ingress) {
		mine := append(slices.Clone(ownPage), "Cookie: theme=dark; cloakroom="+s.signIn()+"; lang=en")
		for _, forged := range [][]string{
			{"X-Forwarded-Uri: /"},
			{"X-Forwarded-Uri: /", "X-Forwarded-Uri: /api/orders"},
			{"X-Original-URI: /"},
			{"X-Original-URL: " + s.url + "/"},
			{"X-Original-URL: /"},
			{"X-Rewrite-URL: /"},
			{"X-Forwarded-Method: OPTIONS"},
			{"X-Original-Method: OPTIONS"},
			{"X-HTTP-Method-Override: OPTIONS"},
			{"X-Forwarded-Host: evil.example"},
			{"X-Forwarded-Proto: https"},
			{"X-Forwarded-Prefix: /open"},
			{"Forwarded: host=evil.example;proto=https;for=127.0.0.1"},
			{"Forwarded: for=203.0.113.9"},
			{"X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.9"},
			{"X_Forwarded_Uri: /", "X_Original_URI: /"},
			{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
			{"Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"},
		} {
			if got := s.status("GET /api/orders HTTP/1.1", append(ownPage, forged...)...); !refused(got) {
				t.Errorf("%q lets a stranger in: %d", forged, got)
			}
			if got := s.status("GET /open HTTP/1.1", append(mine, forged...)...); got != http.StatusOK && !refused(got) {
				t.Errorf("%q on a public path: %d", forged, got)
			}
			if got := s.status("GET /api/orders HTTP/1.1", append(mine, forged...)...); got != http.StatusOK && !refused(got) {
				t.Errorf("%q: %d", forged, got)
			}
		}
		for _, claimed := range [][]string{
			{"X-User: mallory"},
			{"x-user: mallory", "X-USER: mallory"},
			{"X_User: mallory"},
			{"X.User: mallory"},
			{"Authorization: Bearer mallory"},
			{"Authorization: Bearer mallory", "authorization: Basic mallory"},
			{"Proxy-Authorization: Basic mallory", "X-User: mallory"},
			{"Connection: X-User, close", "X-User: mallory"},
			{"Connection: Authorization, Cookie, X-User, X-Forwarded-Uri, X-Forwarded-Host, X-Forwarded-Method, X-Original-URI"},
		} {
			for _, target := range []string{"/api/orders", "/open"} {
				if got := s.status("GET "+target+" HTTP/1.1", append(mine, claimed...)...); got != http.StatusOK && !refused(got) {
					t.Errorf("%q at %s: %d", claimed, target, got)
				}
			}
			if got := s.status("GET /api/orders HTTP/1.1", append(ownPage, claimed...)...); !refused(got) {
				t.Errorf("%q makes a user of a stranger: %d", claimed, got)
			}
		}
		s.onlyJudgedCalls()
	})
}

// refused says whether a status lets nobody in: 400 is a front proxy's own, for two lines
// of Authorization.
func refused(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden
}

// What the front proxy forwards is what was judged, however a path is written.
func TestAPathWithTwoReadingsBehindAFrontProxyGetsNoToken(t *testing.T) {
	t.Parallel()
	everyFrontProxy(t, func(t *testing.T, s *ingress) {
		mine := append(slices.Clone(ownPage), "Cookie: cloakroom="+s.signIn())
		for _, target := range []string{
			"/open/../api/orders", "/open/%2e%2e/api/orders", "/open/.%2E/api/orders", "/open/..%2fapi/orders", "/open%2f..%2fapi/orders",
			"/open/%252e%252e/api/orders", "/open/..;/api/orders", "/open/..;x=1/api/orders", `/open\..\api\orders`, "/open/..%5capi/orders",
			"/./api/orders", "//api/orders", "/api//orders", "///api/orders", "/api%2forders", "/%61pi/orders", "/API/orders", "/api;x/orders",
			"/api/../open", "/api/%2e%2e/open", "/bff/../api/orders", "/bff/..%2fapi/orders", "/api/../bff/login", "/bff/%2e%2e/api/orders",
			"/api/orders%00", "/open%00/../api/orders", "/api/orders%3f/../../open", "/open%3f/../api/orders", "/open%23/../api/orders", "/open?/../api/orders",
			"/cloakroom-verify", "/verify/nginx", "/api/orders/%zz", "/open/%c0%ae%c0%ae/api/orders",
			s.url + "/api/orders", "http://evil.example/api/orders", s.url + "/open/../api/orders", "*",
		} {
			for _, headers := range [][]string{ownPage, mine} {
				if got := s.status("GET "+target+" HTTP/1.1", headers...); got >= 500 {
					t.Errorf("%s: %d", target, got)
				}
			}
		}
		s.onlyJudgedCalls()
	})
}

// onlyJudgedCalls looks through all that the app got: a token only where the gateway gives
// one, nothing that may mean the protected API without one, and nobody but who signed in.
func (s *ingress) onlyJudgedCalls() {
	s.t.Helper()
	s.gateway.stop() // its log is whole now
	judged, withToken := s.judged(), 0
	for _, c := range s.upstream.got() {
		line, rest, _ := strings.Cut(c.raw, "\r\n")
		target := strings.Fields(line)[1]
		raw, _, _ := strings.Cut(target, "?")
		switch {
		case !judged[raw]:
			s.t.Errorf("the app got %q, which the gateway did not judge", line)
		case c.authorization != "":
			withToken++
			if !strings.HasPrefix(raw, "/api/") || reading(raw) != strings.ReplaceAll(raw, "//", "/") {
				s.t.Errorf("a token went to %q", line)
			}
			if !strings.Contains(rest, "X-User: user00\r\n") || strings.Count(strings.ToLower(rest), "user00") != 1 {
				s.t.Errorf("with the token the app got\n%s", rest)
			}
		case strings.HasPrefix(reading(raw), "/api/"):
			s.t.Errorf("without a token the app got %q", line)
		}
		for _, word := range []string{"mallory", "evil.example", "203.0.113.9", "cloakroom=", "X-Rewrite-Url", "X-Forwarded-Prefix", "h2c", "Http2-Settings"} {
			if strings.Contains(rest, word) {
				s.t.Errorf("the app got %s in %s", word, line)
			}
		}
		for list := range strings.SplitSeq(headerOf(rest, "Connection"), ",") {
			if name := strings.ToLower(strings.TrimSpace(list)); !slices.Contains([]string{"", "close", "keep-alive", "upgrade"}, name) {
				s.t.Errorf("the app is told to drop %q", name)
			}
		}
	}
	if withToken == 0 {
		s.t.Error("no call got a token, so nothing is proved")
	}
}

// reading is what a lenient server makes of a path.
func reading(raw string) string {
	for range 4 {
		if decoded, err := url.PathUnescape(raw); err == nil {
			raw = decoded
		}
	}
	raw, _, _ = strings.Cut(raw, "\x00")
	var segments []string
	for segment := range strings.SplitSeq(strings.ReplaceAll(raw, `\`, "/"), "/") {
		segment, _, _ = strings.Cut(segment, ";")
		segments = append(segments, segment)
	}
	return path.Clean("/" + strings.ToLower(strings.Join(segments, "/")))
}

// headerOf returns a header's line of a request as it came.
func headerOf(raw, name string) string {
	for line := range strings.SplitSeq(raw, "\r\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// HAProxy goes on with a request whose Lua action broke.
func TestABrokenActionOfHAProxyLetsNothingPass(t *testing.T) {
	t.Parallel()
	haproxy := frontProxies()[3]
	text, err := os.ReadFile("../docs/forward-auth/verify.lua")
	if err != nil {
		t.Fatal(err)
	}
	const begin = "function(txn, entrance, replaced)\n"
	if !strings.Contains(string(text), begin) {
		t.Fatalf("verify.lua has no %q", begin)
	}
	haproxy.around = map[string]string{"verify.lua": strings.Replace(string(text), begin, begin+`if txn.sf:path() ~= "/" then error("broken") end`+"\n", 1)}
	haproxy.recipes = []string{"haproxy.cfg"}
	s := setIngress(t, haproxy)
	before := len(s.upstream.got())
	for _, line := range []string{"GET /api/orders HTTP/1.1", "GET /open HTTP/1.1"} {
		if got := s.status(line, ownPage...); got != http.StatusBadGateway {
			t.Errorf("%s: %d", line, got)
		}
	}
	if n := len(s.upstream.got()) - before; n != 0 {
		t.Errorf("%d requests reached the app unasked", n)
	}
}
