package proxy

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	pageOrigin = "https://www.example.com"
	ofPage     = "Origin: " + pageOrigin
)

// split is a gateway whose single-page app lives at another origin.
func split(t testing.TB, handle http.HandlerFunc) (*front, *upstream) {
	t.Helper()
	up, dir := api(t, handle), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, []Route{
		{Path: "/api/", Upstream: up.url, Methods: []string{"GET", "POST"}},
		{Path: "/open/", Upstream: up.url, Access: Public},
		{Path: "/", Files: dir, Access: Public},
	}, func(c *Config) { c.Origins = []string{pageOrigin} })
	return f, up
}

func readable(h http.Header) bool {
	return h.Get("Access-Control-Allow-Origin") == pageOrigin && h.Get("Access-Control-Allow-Credentials") == "true" &&
		len(h["Access-Control-Allow-Origin"]) == 1 && len(h["Access-Control-Allow-Credentials"]) == 1
}

func TestAPageAtAConfiguredOriginCallsAndReads(t *testing.T) {
	f, up := split(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "X-Total-Count")
		h.Set("Vary", "Accept")
	})
	_, ticket := f.signIn(t, time.Hour)
	mine := []string{ofPage, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Cookie: " + f.cookie(ticket)}
	for _, path := range []string{"/api/x", "/open/x", "/", "/bff/user", "/bff/session", "/bff/cloakroom.js", "/nothing/here"} {
		res := f.get(t, path, mine...)
		if res.StatusCode != http.StatusOK || !readable(res.Header) || !strings.Contains(strings.Join(res.Header["Vary"], ","), "Origin") {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	res := f.send(t, "POST", "/api/x", append(mine, "Content-Length: 0")...)
	if res.StatusCode != http.StatusOK || up.last(t).Header.Get("Authorization") != "Bearer "+accessToken {
		t.Errorf("a POST: %d", res.StatusCode)
	}
	if got := res.Header.Get("Access-Control-Expose-Headers"); got != "Cloakroom-Error, Retry-After, X-Total-Count" {
		t.Errorf("exposed: %s", got)
	}
	socket := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", "Cookie: " + f.cookie(ticket)}
	if res := f.get(t, "/api/x", append(socket, ofPage, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: websocket")...); res.StatusCode != http.StatusOK {
		t.Errorf("a WebSocket: %d", res.StatusCode)
	}
	// An old browser names its origin alone.
	if res := f.get(t, "/api/x", ofPage, "Cookie: "+f.cookie(ticket)); res.StatusCode != http.StatusOK {
		t.Errorf("without fetch metadata: %d", res.StatusCode)
	}
	// A refusal can be read, too: the page has to know that a login is due.
	for path, code := range map[string]Code{"/api/x": NoSession, "/bff/user": NoSession, "/bff/none": NotFound} {
		res := f.get(t, path, mine[:4]...)
		mustFail(t, res, code)
		if !readable(res.Header) || !strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "Cloakroom-Error") {
			t.Errorf("%s: %v", path, res.Header)
		}
	}
}

func TestOnlyConfiguredOriginsAreBelieved(t *testing.T) {
	f, up := split(t, nil)
	_, ticket := f.signIn(t, time.Hour)
	me := "Cookie: " + f.cookie(ticket)
	const sameSite = "Sec-Fetch-Site: same-site"
	for _, row := range []struct {
		name  string
		lines []string
	}{
		{"a sibling", []string{"Origin: https://evil.example.com", sameSite}},
		{"a look-alike before", []string{"Origin: https://www.example.com.evil.example", sameSite}},
		{"a look-alike behind", []string{"Origin: https://badwww.example.com", sameSite}},
		{"http", []string{"Origin: http://www.example.com", sameSite}},
		{"another port", []string{"Origin: https://www.example.com:8443", sameSite}},
		{"other letters", []string{"Origin: https://WWW.example.com", sameSite}},
		{"null", []string{"Origin: null", sameSite}},
		{"two origins", []string{ofPage, ofPage, sameSite}},
		{"an image of the page", []string{sameSite, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}},
		{"a listed origin across sites", []string{ofPage, "Sec-Fetch-Site: cross-site"}},
		{"a contradiction", []string{ofPage, "Sec-Fetch-Site: same-origin"}},
		{"a site said twice", []string{ofPage, sameSite, sameSite}},
	} {
		t.Run(row.name, func(t *testing.T) {
			mustFail(t, f.get(t, "/api/x", append(row.lines, me, "Sec-Fetch-Mode: cors", "X-CSRF: 1")...), CSRFFailed)
		})
	}
	if up.hits() > 0 {
		t.Error("a request reached the upstream")
	}
	for _, origin := range []string{"https://evil.example.com", "null", "https://" + publicHost} {
		if h := f.get(t, "/", "Origin: "+origin).Header; h["Access-Control-Allow-Origin"] != nil || h.Get("Vary") == "" {
			t.Errorf("%s: %v", origin, h)
		}
	}
}

func TestThePreflightIsAnsweredByTheGateway(t *testing.T) {
	f, up := split(t, nil)
	for _, row := range []struct {
		name, path, method string
		status             int
	}{
		{"a method of the route", "/api/x", "POST", 204},
		{"a method that it has not", "/api/x", "DELETE", 405},
		{"an endpoint", "/bff/logout", "POST", 204},
		{"a path with two readings", "/api/../x", "GET", 400},
		{"TRACE", "/open/x", "TRACE", 405},
		{"no method", "/open/x", "a b", 405},
	} {
		t.Run(row.name, func(t *testing.T) {
			res := f.send(t, "OPTIONS", row.path, ofPage, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors",
				"Access-Control-Request-Method: "+row.method, "Access-Control-Request-Headers: content-type, x-csrf, b@d")
			if res.StatusCode != row.status {
				t.Fatalf("%d", res.StatusCode)
			}
			if h := res.Header; row.status == 204 && (!readable(h) || h.Get("Access-Control-Allow-Methods") != row.method ||
				h.Get("Access-Control-Allow-Headers") != "content-type, x-csrf" || h.Get("Access-Control-Max-Age") != preflightAge) {
				t.Errorf("%v", h)
			}
		})
	}
	// One of another origin is a request like any other.
	mustFail(t, f.send(t, "OPTIONS", "/api/x", "Origin: https://evil.example.com", "Access-Control-Request-Method: GET"), MethodNotAllowed)
	if up.hits() > 0 {
		t.Error("a preflight reached the upstream")
	}
	f.send(t, "OPTIONS", "/open/x", "Origin: https://evil.example.com", "Access-Control-Request-Method: GET")
	if up.hits() != 1 {
		t.Error("that of another origin did not reach the public upstream")
	}
}

func TestWithoutOriginsNobodyElseIsServed(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	_, ticket := f.signIn(t, time.Hour)
	res := f.get(t, "/", ofPage, "Sec-Fetch-Site: same-site", "Cookie: "+f.cookie(ticket))
	mustFail(t, res, CSRFFailed)
	if res.Header["Access-Control-Allow-Origin"] != nil {
		t.Errorf("%v", res.Header)
	}
}

func TestTheFrontProxysVerdictKnowsTheOrigins(t *testing.T) {
	f := entrance(t, func(c *Config) { c.Origins = []string{pageOrigin} })
	_, ticket := f.signIn(t, time.Hour)
	for _, d := range dialects {
		for origin, want := range map[string]int{pageOrigin: 200, "https://evil.example.com": 403} {
			res := f.ask(t, d, question{"POST", "/api/x", publicHost}, "Origin: "+origin, "Sec-Fetch-Site: same-site", "Cookie: "+f.cookie(ticket))
			if res.StatusCode != want {
				t.Errorf("%s, %s: %d", d, origin, res.StatusCode)
			}
		}
	}
}

func TestAnOriginIsWrittenAsBrowsersDo(t *testing.T) {
	f := open(t, nil)
	for _, o := range []string{"*", "null", "", "www.example.com", "https://www.example.com/", "https://www.example.com:443", "https://WWW.example.com", "https://*.example.com/x", "ftp://x", "https://u@www.example.com"} {
		c := f.cfg
		c.Origins = []string{o}
		if _, err := New(c); err == nil {
			t.Errorf("%q is taken", o)
		}
	}
}
