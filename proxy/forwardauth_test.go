package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// entrance is a gateway whose forward-auth entrance is asked, from loopback.
func entrance(t testing.TB, adjust ...func(*Config)) *front {
	t.Helper()
	upstream, _ := url.Parse("http://127.0.0.1:1")
	routes := []Route{
		{Path: "/api/", Upstream: upstream, SetHeaders: map[string]string{"X-User": "{claims.sub}", "X-Phone": "{claims.phone}"}},
		{Path: "/api/admin/", Upstream: upstream, Methods: []string{"GET"}, SetHeaders: map[string]string{"X-Admin": "yes"}},
		{Path: "/deep/", Upstream: upstream, KeepEncodedSlashes: true},
		{Path: "/own-token/", Upstream: upstream, Access: Public, Token: Passthrough},
		{Path: "/", Upstream: upstream, Access: Public},
	}
	trust := func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	f := open(t, routes, append([]func(*Config){trust}, adjust...)...)
	s := httptest.NewServer(f.ForwardAuth())
	t.Cleanup(s.Close)
	f.addr = s.Listener.Addr().String()
	return f
}

// question is what a front proxy asks about.
type question struct{ method, target, host string }

// ask asks in a proxy's own way.
func (f *front) ask(t testing.TB, d dialect, q question, lines ...string) reply {
	t.Helper()
	var line, host string
	switch d {
	case envoy:
		line, host = q.method+" /verify/envoy"+q.target, q.host
	case nginx:
		line, host = "GET /verify/nginx", "gateway:4181"
		lines = append(lines, "X-Original-Method: "+q.method, "X-Original-URI: "+q.target, "X-Forwarded-Host: "+q.host, "X-Forwarded-Proto: https")
	default:
		line, host = "GET /verify/"+string(d), "gateway:4181"
		lines = append(lines, "X-Forwarded-Method: "+q.method, "X-Forwarded-Uri: "+q.target, "X-Forwarded-Host: "+q.host, "X-Forwarded-Proto: https")
	}
	return f.raw(t, line+" HTTP/1.1\r\nHost: "+host+"\r\n"+strings.Join(append(lines, "\r\n"), "\r\n"))
}

var dialects = []dialect{nginx, traefik, caddy, haproxy, envoy}

func TestEveryFrontProxyLearnsWhatTheUpstreamGets(t *testing.T) {
	f := entrance(t)
	_, ticket := f.signIn(t, time.Hour)
	for _, d := range dialects {
		t.Run(string(d), func(t *testing.T) {
			res := f.ask(t, d, question{"POST", "/api/orders?x=1", publicHost},
				"Cookie: a=b; "+f.cookie(ticket)+"; c=d", "Sec-Fetch-Site: same-origin", "Authorization: Bearer forged", "X-User: mallory", "X-Admin: yes")
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", res.StatusCode, text(t, res))
			}
			for name, want := range map[string]string{
				"Authorization": "Bearer " + accessToken, "X-User": "alice", "X-Phone": "", "X-Admin": "", "Cookie": "a=b; c=d", "Cache-Control": "no-store",
			} {
				if got, there := res.Header[name]; !there || len(got) != 1 || got[0] != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if body := text(t, res); body != "" {
				t.Errorf("a body: %q", body)
			}
		})
	}
}

func TestAFrontProxyIsToldToLetAPublicRequestPassWithNothing(t *testing.T) {
	f := entrance(t)
	_, ticket := f.signIn(t, time.Hour)
	for _, d := range dialects {
		res := f.ask(t, d, question{"GET", "/", publicHost}, "Cookie: "+f.cookie(ticket), "Authorization: Bearer own", "X-User: mallory")
		if res.StatusCode != http.StatusOK || res.Header.Get("Authorization") != "" || res.Header.Get("X-User") != "" || res.Header.Get("Cookie") != "" {
			t.Errorf("%s: %d %v", d, res.StatusCode, res.Header)
		}
		res = f.ask(t, d, question{"GET", "/own-token/", publicHost}, "Authorization: Bearer own")
		if res.StatusCode != http.StatusOK || res.Header.Get("Authorization") != "Bearer own" {
			t.Errorf("%s passthrough: %d %v", d, res.StatusCode, res.Header)
		}
	}
}

func TestWhoIsNotSignedInIsSentToTheLoginInTheWayThatTheProxyPassesOn(t *testing.T) {
	f := entrance(t)
	const login = "https://" + publicHost + "/bff/login?returnUrl=%2Fapi%2Fpage%3Fa%3D1"
	for _, d := range dialects {
		t.Run(string(d), func(t *testing.T) {
			q := question{"GET", "/api/page?a=1", publicHost}
			fetch := f.ask(t, d, q, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")
			mustFail(t, fetch, NoSession)
			if h := fetch.Header; h.Get("X-Cloakroom-Login") != login || h.Get("Location") != "" || h.Get("X-Cloakroom-Navigate") != "" {
				t.Errorf("a fetch: %v", h)
			}
			page := f.ask(t, d, q, "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
			h := page.Header
			if h.Get("X-Cloakroom-Login") != login {
				t.Errorf("a navigation: %d %v", page.StatusCode, h)
			}
			switch d {
			case nginx:
				if page.StatusCode != http.StatusUnauthorized || h.Get("Location") != "" || h.Get("X-Cloakroom-Navigate") != login {
					t.Errorf("a navigation: %d %v", page.StatusCode, h)
				}
			default:
				if page.StatusCode != http.StatusFound || h.Get("Location") != login {
					t.Errorf("a navigation: %d %v", page.StatusCode, h)
				}
			}
			away := f.ask(t, d, q, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
			if got := away.Header.Get("X-Cloakroom-Login"); got != login+"&resume=1" {
				t.Errorf("from another site: %s", got)
			}
		})
	}
}

func TestTheVerdictOnOtherSitesIsTheSameAsAtTheGateway(t *testing.T) {
	f := entrance(t)
	_, ticket := f.signIn(t, time.Hour)
	socket := []string{"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Version: 13"}
	for _, d := range dialects {
		for _, row := range []struct {
			name  string
			lines []string
			want  int
		}{
			{"a page of another site", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}, 403},
			{"a sibling", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, 403},
			{"a foreign origin", []string{"Origin: https://evil.example"}, 403},
			{"a WebSocket from elsewhere", append([]string{"Origin: https://evil.example"}, socket...), 403},
			{"a WebSocket of our own", append([]string{"Origin: https://" + publicHost}, socket...), 200},
			{"a page of our own", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}, 200},
			{"a link on another site", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
			{"an old browser's page", []string{"Accept: text/html"}, 200},
			{"a tool that says so", []string{"X-CSRF: 1"}, 200},
			{"a tool that does not", nil, 403},
		} {
			res := f.ask(t, d, question{"GET", "/api/", publicHost}, append(row.lines, "Cookie: "+f.cookie(ticket))...)
			if res.StatusCode != row.want || (res.Header.Get("Authorization") != "") != (row.want == 200) {
				t.Errorf("%s, %s: %d %s", d, row.name, res.StatusCode, res.Header.Get("Cloakroom-Error"))
			}
		}
	}
}

func TestAHandshakeBehindAFrontProxyIsNoActivity(t *testing.T) {
	f := entrance(t)
	s, ticket := f.signIn(t, time.Hour)
	before := s.Seen()
	f.ask(t, traefik, question{"GET", "/api/", publicHost}, "Cookie: "+f.cookie(ticket), "Origin: https://"+publicHost, "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==")
	if s.Seen() != before {
		t.Error("it counts")
	}
	f.ask(t, traefik, question{"GET", "/api/", publicHost}, "Cookie: "+f.cookie(ticket), "X-CSRF: 1")
	if s.Seen() == before {
		t.Error("an ordinary request does not")
	}
}

// Whatever cannot be told for certain is refused: every row would be a good request but
// for what it names.
func TestNothingOfTheOriginalRequestIsGuessed(t *testing.T) {
	f := entrance(t)
	_, ticket := f.signIn(t, time.Hour)
	me := "\r\nX-CSRF: 1\r\nCookie: " + f.cookie(ticket) + "\r\n\r\n"
	const forwarded = "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /api/\r\nX-Forwarded-Host: " + publicHost
	const original = "X-Original-Method: GET\r\nX-Original-URI: /api/\r\nX-Forwarded-Host: " + publicHost
	for _, row := range []struct{ name, line, headers string }{
		{"no method", "GET /verify/traefik", "X-Forwarded-Uri: /api/\r\nX-Forwarded-Host: " + publicHost},
		{"no target", "GET /verify/traefik", "X-Forwarded-Method: GET\r\nX-Forwarded-Host: " + publicHost},
		{"no host", "GET /verify/traefik", "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /api/"},
		{"an empty target", "GET /verify/traefik", "X-Forwarded-Method: GET\r\nX-Forwarded-Uri:\r\nX-Forwarded-Host: " + publicHost},
		{"two methods", "GET /verify/caddy", forwarded + "\r\nX-Forwarded-Method: POST"},
		{"two targets", "GET /verify/caddy", forwarded + "\r\nX-Forwarded-Uri: /"},
		{"one target twice", "GET /verify/caddy", forwarded + "\r\nX-Forwarded-Uri: /api/"},
		{"two hosts", "GET /verify/caddy", forwarded + "\r\nX-Forwarded-Host: evil.example"},
		{"a list of hosts", "GET /verify/caddy", "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /api/\r\nX-Forwarded-Host: evil.example, " + publicHost},
		{"two schemes", "GET /verify/caddy", forwarded + "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Proto: https"},
		{"Forwarded names another host", "GET /verify/haproxy", forwarded + "\r\nForwarded: host=evil.example"},
		{"X-Original-URL says another target", "GET /verify/traefik", forwarded + "\r\nX-Original-URL: https://" + publicHost + "/"},
		{"X-Original-URL says another host", "GET /verify/traefik", forwarded + "\r\nX-Original-URL: https://evil.example/api/"},
		{"X-Original-URI says another target", "GET /verify/haproxy", forwarded + "\r\nX-Original-URI: /"},
		{"X-Original-URI says nothing", "GET /verify/haproxy", forwarded + "\r\nX-Original-URI:"},
		{"X-Rewrite-URL says another target", "GET /verify/haproxy", forwarded + "\r\nX-Rewrite-URL: /"},
		{"X-Original-Host says another host", "GET /verify/haproxy", forwarded + "\r\nX-Original-Host: evil.example"},
		{"X-Original-Method says another method", "GET /verify/haproxy", forwarded + "\r\nX-Original-Method: HEAD"},
		{"a target that is a URL", "GET /verify/traefik", "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: https://" + publicHost + "/api/\r\nX-Forwarded-Host: " + publicHost},
		{"a target without a slash", "GET /verify/traefik", "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: api/\r\nX-Forwarded-Host: " + publicHost},
		{"a method that is none", "GET /verify/traefik", "X-Forwarded-Method: G(T\r\nX-Forwarded-Uri: /api/\r\nX-Forwarded-Host: " + publicHost},
		{"nginx: a forged X-Forwarded-Uri", "GET /verify/nginx", original + "\r\nX-Forwarded-Uri: /"},
		{"nginx: a forged X-Forwarded-Method", "GET /verify/nginx", original + "\r\nX-Forwarded-Method: HEAD"},
		{"nginx: a forged X-Original-URL", "GET /verify/nginx", original + "\r\nX-Original-URL: https://" + publicHost + "/public"},
		{"nginx: no host", "GET /verify/nginx", "X-Original-Method: GET\r\nX-Original-URI: /api/"},
		{"nginx: a URL with a user", "GET /verify/nginx", "X-Original-Method: GET\r\nX-Original-URL: https://a@" + publicHost + "/api/"},
		{"nginx: a URL without a path", "GET /verify/nginx", "X-Original-Method: GET\r\nX-Original-URL: https://" + publicHost},
		{"envoy: no path behind", "GET /verify/envoy", ""},
		{"envoy: a forged X-Forwarded-Uri", "GET /verify/envoy/api/", "X-Forwarded-Uri: /"},
		{"envoy: a forged X-Original-Method", "GET /verify/envoy/api/", "X-Original-Method: POST"},
		{"envoy: a forged X-Forwarded-Host", "GET /verify/envoy/api/", "X-Forwarded-Host: evil.example"},
		{"a twin of a header that is set", "GET /verify/traefik", forwarded + "\r\nX_User: mallory"},
		{"a twin of a header that another route sets", "GET /verify/traefik", forwarded + "\r\nX_admin: yes"},
		{"a rarer twin", "GET /verify/traefik", forwarded + "\r\nX!User: mallory"},
		{"a twin of the cookie's header", "GET /verify/traefik", forwarded + "\r\nX.Phone: 1"},
	} {
		host := "gateway"
		if strings.Contains(row.line, "envoy") {
			host = publicHost
		}
		res := f.raw(t, row.line+" HTTP/1.1\r\nHost: "+host+"\r\n"+strings.TrimPrefix(row.headers+me, "\r\n"))
		if res.StatusCode != http.StatusForbidden || res.Header.Get("Cloakroom-Error") == "" || res.Header.Get("Authorization") != "" {
			t.Errorf("%s: %d %q", row.name, res.StatusCode, res.Header.Get("Cloakroom-Error"))
		}
	}
	for name, good := range map[string]string{
		"forwarded": "GET /verify/traefik HTTP/1.1\r\nHost: gateway\r\n" + forwarded,
		"original":  "GET /verify/nginx HTTP/1.1\r\nHost: gateway\r\n" + original,
		"both":      "GET /verify/haproxy HTTP/1.1\r\nHost: gateway\r\n" + forwarded + "\r\nX-Original-URI: /api/\r\nX-Original-URL: https://" + publicHost + "/api/",
		"ingress":   "GET /verify/nginx HTTP/1.1\r\nHost: gateway\r\nX-Original-Method: GET\r\nX-Original-URL: https://" + publicHost + "/api/",
		"caddy":     "GET /verify/caddy?the=clients&own HTTP/1.1\r\nHost: gateway\r\n" + forwarded,
		"envoy":     "GET /verify/envoy/api/ HTTP/1.1\r\nHost: " + publicHost + "\r\nX-Forwarded-Proto: https",
	} {
		if res := f.raw(t, good+me); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", name, res.StatusCode, text(t, res))
		}
	}
}

func TestOnlyATrustedProxyGetsAToken(t *testing.T) {
	f := entrance(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	_, ticket := f.signIn(t, time.Hour)
	for _, d := range dialects {
		res := f.ask(t, d, question{"GET", "/api/", publicHost}, "X-CSRF: 1", "Cookie: "+f.cookie(ticket), "X-Forwarded-For: 10.0.0.1")
		mustFail(t, res, AccessDenied)
		if res.Header.Get("Authorization") != "" {
			t.Errorf("%s: a token", d)
		}
	}
}

func TestAFrontProxyIsAskedByTheSameRoutes(t *testing.T) {
	f := entrance(t)
	_, ticket := f.signIn(t, time.Hour)
	for _, row := range []struct {
		q    question
		want Code
	}{
		{question{"GET", "/public/../api/admin/", publicHost}, BadRequest},
		{question{"GET", "/public/%2e%2e/api/", publicHost}, BadRequest},
		{question{"GET", "/a%2fb", publicHost}, BadRequest},
		{question{"GET", "/api%5cadmin", publicHost}, BadRequest},
		{question{"GET", "/API/", publicHost}, BadRequest},
		{question{"GET", "/bff/../api/", publicHost}, BadRequest},
		{question{"GET", "/a#b", publicHost}, BadRequest},
		{question{"POST", "/api/admin/", publicHost}, MethodNotAllowed},
		{question{"TRACE", "/api/", publicHost}, MethodNotAllowed},
		{question{"GET", "/api/", "evil.example"}, NotFound},
		{question{"GET", "/bff/user", publicHost}, NotFound},
	} {
		for _, d := range dialects {
			if d == envoy && strings.ContainsAny(row.q.target, "#") {
				continue // no client of ours can write it into a request line
			}
			res := f.ask(t, d, row.q, "X-CSRF: 1", "Cookie: "+f.cookie(ticket))
			status := row.want.status()
			if d == nginx {
				status = http.StatusForbidden
			}
			if res.StatusCode != status || res.Header.Get("Cloakroom-Error") != string(row.want) || res.Header.Get("Authorization") != "" {
				t.Errorf("%s, %v: %d %s", d, row.q, res.StatusCode, res.Header.Get("Cloakroom-Error"))
			}
		}
	}
	for _, d := range dialects { // the bytes of the target, with both slashes
		if res := f.ask(t, d, question{"GET", "/deep/a%2Fb//c?q=%zz", publicHost}, "X-CSRF: 1", "Cookie: "+f.cookie(ticket)); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", d, res.StatusCode, res.Header.Get("Cloakroom-Error"))
		}
	}
}

func TestAMethodOverrideBehindAFrontProxyDoesNotReachAMethodThatTheRouteHasNot(t *testing.T) {
	f := entrance(t)
	_, ticket := f.signIn(t, time.Hour)
	for path, want := range map[string]int{"/api/": http.StatusOK, "/api/admin/": http.StatusMethodNotAllowed} {
		res := f.ask(t, traefik, question{"GET", path, publicHost}, "X-CSRF: 1", "Cookie: "+f.cookie(ticket), "X-HTTP-Method-Override: delete")
		if res.StatusCode != want {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.Header.Get("Cloakroom-Error"))
		}
	}
}

func TestAnOutageBehindAFrontProxyIsA503AndLogsNobodyOut(t *testing.T) {
	f := entrance(t)
	_, ticket := f.signIn(t, -time.Minute)
	for _, d := range dialects {
		res := f.ask(t, d, question{"GET", "/api/", publicHost}, "X-CSRF: 1", "Cookie: "+f.cookie(ticket))
		mustFail(t, res, IDPUnavailable)
		if res.Header.Get("Retry-After") == "" || res.Header.Get("Set-Cookie") != "" || res.Header.Get("X-Cloakroom-Login") != "" {
			t.Errorf("%s: %v", d, res.Header)
		}
	}
}

func TestOnlyTheFiveDialectsAreSpoken(t *testing.T) {
	f := entrance(t)
	for _, target := range []string{"/", "/verify", "/verify/", "/verify/apache", "/verify/nginxx", "/bff/verify/nginx", "//verify/nginx"} {
		res := f.raw(t, "GET "+target+" HTTP/1.1\r\nHost: gateway\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /\r\nX-Forwarded-Host: "+publicHost+"\r\n\r\n")
		mustFail(t, res, NotFound)
	}
	res := f.raw(t, "POST /verify/traefik HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n")
	mustFail(t, res, MethodNotAllowed)
}
