package proxy

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	fromPage = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty"
	typed    = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html"
	linked   = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html"
)

func everyAccess(up *upstream) []Route {
	return []Route{
		{Path: "/req/", Upstream: up.url},
		{Path: "/opt/", Upstream: up.url, Access: Optional},
		{Path: "/pub/", Upstream: up.url, Access: Public},
		{Path: "/none/", Upstream: up.url, Token: NoToken},
		{Path: "/login/", Upstream: up.url, Unauthenticated: Login},
		{Path: "/deny/", Upstream: up.url, Unauthenticated: Deny},
		{Path: "/open/", Upstream: up.url, InsecureNoCSRF: true},
		{Path: "/get/", Upstream: up.url, Methods: []string{"GET"}},
		{Path: "/get/", Upstream: up.url, Methods: []string{"DELETE"}, Access: Public},
	}
}

func TestWithoutASessionANavigationGoesToTheLoginAndTheRestIs401(t *testing.T) {
	up := api(t, nil)
	f := open(t, everyAccess(up))
	for _, row := range []struct {
		path, lines, want string // a Location, or a code
	}{
		{"/req/a?b=c", typed, "/bff/login?returnUrl=%2Freq%2Fa%3Fb%3Dc"},
		{"/req/a", fromPage, "no_session"},
		{"/req/a", "Accept: text/html", "/bff/login?returnUrl=%2Freq%2Fa"},
		{"/req/a", "Accept: */*", "no_session"},
		{"/req/a", typed + "\r\nSec-Purpose: prefetch", "no_session"},
		{"/req/a", typed + "\r\nX-Requested-With: XMLHttpRequest", "no_session"},
		{"/req/" + strings.Repeat("x", 2050), typed, "/bff/login?returnUrl=%2F"},
		{"/req/a", typed + "\r\nCookie: " + f.cookie("garbage"), "/bff/login?returnUrl=%2Freq%2Fa"},
		{"/none/a", fromPage, "no_session"},
		{"/deny/a", typed, "no_session"},
		{"/login/a", fromPage, "/bff/login?returnUrl=%2Flogin%2Fa"},
		{"/login/a", fromPage + "\r\nSec-Purpose: prefetch", "no_session"},
		{"/req/a", fromPage + "\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade", "no_session"},
	} {
		res := f.get(t, row.path, row.lines)
		if !strings.HasPrefix(row.want, "/") {
			mustFail(t, res, Code(row.want))
		} else if res.StatusCode != 302 || res.Header.Get("Location") != row.want || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %q: %s %v", row.path, row.lines, res.Status, res.Header)
		}
		if res.Header["Set-Cookie"] != nil {
			t.Errorf("%s: a cookie is set: %v", row.path, res.Header["Set-Cookie"])
		}
	}
	mustFail(t, f.send(t, "POST", "/req/a", typed, "Content-Length: 0"), NoSession)
	if up.hits() != 0 {
		t.Errorf("%d requests reached the upstream without a session", up.hits())
	}
	for _, path := range []string{"/opt/a", "/pub/a"} {
		if res := f.get(t, path, fromPage, "Authorization: Bearer mine"); res.StatusCode != 200 {
			t.Errorf("%s: %s", path, res.Status)
		}
		if up.last(t).Header["Authorization"] != nil {
			t.Errorf("%s: the client's own token passed", path)
		}
	}
}

func TestAStrictTicketIsFetchedByOneHop(t *testing.T) {
	up := api(t, nil)
	f := open(t, everyAccess(up))
	res := f.get(t, `/req/a?b="><script>&c=1`, linked)
	page := text(t, res)
	if res.StatusCode != 200 || !strings.Contains(page, `content="0;url=/req/a?b=`) || strings.Contains(page, "<script") || strings.Contains(page, `b=">`) {
		t.Errorf("%s %s", res.Status, page)
	}
	policy := res.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("header: %v", res.Header)
	}
	// The hop's own navigation is same-origin: it is not sent on again.
	res = f.get(t, "/req/a", strings.ReplaceAll(linked, "cross-site", "same-origin"))
	if res.StatusCode != 302 {
		t.Error(res.Status)
	}
	for _, lines := range []string{strings.ReplaceAll(linked, "document", "iframe"), strings.ReplaceAll(linked, "cross-site", "same-site")} {
		if res := f.get(t, "/req/a", lines); res.StatusCode != 302 {
			t.Error(lines, res.Status)
		}
	}
	for _, path := range []string{"/opt/a", "/pub/a"} {
		if res := f.get(t, path, linked); text(t, res) != "" || res.StatusCode != 200 || up.hits() == 0 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestAForeignPageCannotUseTheTicket(t *testing.T) {
	up := api(t, nil)
	f := open(t, everyAccess(up))
	s, ticket := f.signIn(t, time.Hour)
	_ = s
	with := "Cookie: " + f.cookie(ticket)
	for _, lines := range []string{
		"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors",
		"Accept: */*", "Sec-Fetch-Site: same-origin\r\nOrigin: https://evil.example",
		"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: https://evil.example\r\nX-CSRF: 1",
		"Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: null",
		"Upgrade: websocket\r\nConnection: Upgrade",
	} {
		for _, path := range []string{"/req/a", "/opt/a", "/none/a"} {
			res := f.get(t, path, with, lines)
			mustFail(t, res, CSRFFailed)
			if res.Header["Set-Cookie"] != nil || res.Header["Access-Control-Allow-Origin"] != nil {
				t.Error(res.Header)
			}
		}
		if res := f.get(t, "/pub/a", with, lines); res.StatusCode == 403 {
			t.Errorf("public, %q: %s", lines, res.Status)
		}
	}
	for _, media := range []string{"text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"} {
		mustFail(t, f.send(t, "POST", "/req/a", with, "Content-Length: 0", "Content-Type: "+media), CSRFFailed)
	}
	if res := f.get(t, "/open/a", with, "Accept: */*"); res.StatusCode != 200 {
		t.Errorf("insecure_off: %s", res.Status)
	}
	for _, lines := range []string{fromPage, typed, linked, "X-CSRF: 1", "Origin: https://app.example.com"} {
		if res := f.get(t, "/req/a", with, lines); res.StatusCode != 200 || up.last(t).Header.Get("Authorization") != "Bearer "+accessToken {
			t.Errorf("%q: %s", lines, res.Status)
		}
	}
	if f.get(t, "/none/a", with, fromPage); up.last(t).Header["Authorization"] != nil {
		t.Error("a route without a token got one")
	}
}

func TestAnEndedSessionIsSaidOnceAndClearsItsCookie(t *testing.T) {
	up := api(t, nil)
	f := open(t, everyAccess(up))
	for reason, row := range map[session.Reason]struct {
		code   Code
		clears bool
	}{
		session.LoggedOut: {SessionExpired, true}, session.TokenRefused: {SessionExpired, true},
		session.Replaced: {SessionExpired, false}, session.AccessDenied: {AccessDenied, true},
	} {
		s, ticket := f.signIn(t, time.Hour)
		if err := s.End(t.Context(), reason); err != nil {
			t.Fatal(err)
		}
		res := f.get(t, "/req/a", fromPage, "Cookie: "+f.cookie(ticket))
		mustFail(t, res, row.code)
		cleared := strings.HasPrefix(res.Header.Get("Set-Cookie"), f.ticketName()+"=;")
		if cleared != row.clears {
			t.Errorf("%s: %v", reason, res.Header["Set-Cookie"])
		}
		if res := f.get(t, "/opt/a", fromPage, "Cookie: "+f.cookie(ticket)); res.StatusCode != 200 || up.last(t).Header["Authorization"] != nil {
			t.Errorf("optional: %s", res.Status)
		}
	}
}

func TestWithoutItsTokenNothingIsForwarded(t *testing.T) {
	up := api(t, nil)
	f := open(t, everyAccess(up))
	_, ticket := f.signIn(t, -time.Second)
	for _, path := range []string{"/req/a", "/opt/a"} {
		res := f.get(t, path, fromPage, "Cookie: "+f.cookie(ticket))
		mustFail(t, res, IDPUnavailable)
		if res.Header.Get("Retry-After") == "" || res.Header["Set-Cookie"] != nil {
			t.Errorf("%s: %v", path, res.Header)
		}
	}
	if up.hits() != 0 {
		t.Error("the upstream was called without the token")
	}
	if res := f.get(t, "/none/a", fromPage, "Cookie: "+f.cookie(ticket)); res.StatusCode != 200 {
		t.Errorf("a route that needs no token: %s", res.Status)
	}
}

func TestThePathDecidesAndThenTheMethod(t *testing.T) {
	up := api(t, nil)
	f := open(t, everyAccess(up))
	res := f.send(t, "POST", "/get/a", "Content-Length: 0")
	mustFail(t, res, MethodNotAllowed)
	if got := res.Header.Get("Allow"); got != "DELETE, GET, HEAD" {
		t.Errorf("Allow: %s", got)
	}
	if res := f.send(t, "DELETE", "/get/a"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	mustFail(t, f.send(t, "HEAD", "/get/a"), NoSession)
	mustFail(t, f.send(t, "POST", "/bff/login", "Content-Length: 0"), MethodNotAllowed)
	mustFail(t, f.get(t, "/bff/nothing"), NotFound)
	mustFail(t, f.get(t, "/BFF/login"), BadRequest)
	mustFail(t, f.get(t, "/elsewhere"), NotFound)
	for _, method := range []string{"TRACE", "CONNECT"} {
		mustFail(t, f.send(t, method, "/pub/a"), MethodNotAllowed)
	}
	mustFail(t, f.raw(t, "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"), MethodNotAllowed)
}

func TestAPersonGetsAPageAndAScriptGetsJSON(t *testing.T) {
	f := open(t, everyAccess(api(t, nil)))
	res := f.get(t, "/nowhere", typed)
	mustFail(t, res, NotFound)
	page := text(t, res)
	for _, want := range []string{"<!doctype html>", "Nothing here", "not_found", "color-scheme: light dark"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		"Vary": "Sec-Fetch-Site, Origin, Cookie",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	// The style is allowed by the hash of exactly what stands in the page.
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	if string(f.pages.style) != style {
		t.Error("the style in the page is not the style that the policy names")
	}
	if got := text(t, f.get(t, "/nowhere", fromPage)); got != `{"type":"about:blank","title":"Not Found","status":404,"code":"not_found","detail":"No route leads there."}`+"\n" {
		t.Error(got)
	}
}

func TestEveryRequestIsOneLineWithoutItsQuery(t *testing.T) {
	answered := make(chan Served, 3)
	f := open(t, everyAccess(api(t, nil)), func(c *Config) {
		c.Observe = func(s Served) { s.Took = 0; answered <- s }
	})
	f.get(t, "/req/a?code=secret", fromPage)
	f.get(t, "/pub/a")
	f.get(t, "/bff/nothing")
	served := []Served{<-answered, <-answered, <-answered}
	if strings.Count(f.log.String(), "\n") != 3 || strings.Contains(f.log.String(), "secret") {
		t.Error(f.log)
	}
	want := []Served{
		{Route: "/req/", Method: "GET", Status: 401, Code: "no_session"},
		{Route: "/pub/", Method: "GET", Status: 200},
		{Route: "bff", Method: "GET", Status: 404, Code: "not_found"},
	}
	if !slices.Equal(served, want) {
		t.Errorf("%+v", served)
	}
}

func TestAPanicIsAnAnswerToo(t *testing.T) {
	f := open(t, everyAccess(api(t, nil)))
	f.own["/user"] = map[string]endpoint{http.MethodGet: func(http.ResponseWriter, *http.Request) error { panic("AT-secret") }}
	mustFail(t, f.get(t, "/bff/user"), GatewayMisconfigured)
	if strings.Contains(f.log.String(), "AT-secret") || !strings.Contains(f.log.String(), "panic") {
		t.Error(f.log)
	}
}
