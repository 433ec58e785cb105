package proxy

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// fortress is a gateway in front of an API that answers everybody: what keeps people out is
// the gateway alone.
type fortress struct {
	*front
	up      *upstream
	tickets map[string]string // by name of who is signed in
	ingress string            // address of the entrance for front proxies
}

// build makes a fortress. Everything needs a session but what says otherwise.
func build(t *testing.T, trusted ...string) *fortress {
	t.Helper()
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return
		}
		_, _ = io.WriteString(w, "the API")
	})
	identity := map[string]string{"X-User": "{claims.sub}", "X-Groups": "{claims.roles}"}
	inside := func(path string, q Require) Route { return Route{Path: path, Upstream: up.url, Require: q} }
	f := &fortress{up: up, tickets: map[string]string{}, front: open(t, []Route{
		{Path: "/", Upstream: up.url, SetHeaders: identity},
		{Path: "/public/", Upstream: up.url, Access: Public, SetHeaders: identity},
		{Path: "/optional/", Upstream: up.url, Access: Optional, SetHeaders: identity},
		{Path: "/machine/", Upstream: up.url, Access: Public, Token: Passthrough},
		{Path: "/status", Upstream: up.url, Access: Public},
		{Path: "/keep/", Upstream: up.url, KeepEncodedSlashes: true},
		{Path: "/greeted/", Upstream: up.url, SetHeaders: map[string]string{"X-Name": "{claims.name}"}},
		inside("/boss/", Require{Claims: map[string][]string{"email": {"boss@company.example"}}}),
		inside("/pilots/", Require{Claims: map[string][]string{"roles": {"pilot"}}}),
		inside("/writers/", Require{Scopes: []string{"write"}}),
		inside("/strong/", Require{ACR: []string{"phr"}}),
		inside("/recent/", Require{MaxAge: time.Minute}),
	}, func(c *Config) {
		for _, p := range trusted {
			c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(p))
		}
	})}
	for name, claims := range map[string]map[string]any{
		"alice":   {"email": "alice@company.example", "roles": []any{"a,b", "ops"}},
		"mallory": {"email": "mallory@evil.example@company.example", "name": "M\r\nX-Admin: yes\x00"},
	} {
		f.tickets[name] = f.admit(t, name, claims)
	}
	s := httptest.NewServer(f.ForwardAuth())
	t.Cleanup(s.Close)
	f.ingress = s.Listener.Addr().String()
	return f
}

// admit signs somebody in, an hour ago.
func (f *fortress) admit(t *testing.T, name string, claims map[string]any) string {
	t.Helper()
	claims = maps.Clone(claims)
	claims["sub"] = name
	now := time.Now()
	_, ticket, err := f.sessions.Begin(t.Context(), session.Start{Grant: session.Grant{
		Issuer: "https://id.example.com", ClientID: "app", Subject: name, RefreshToken: "RT", AuthTime: now.Add(-time.Hour), Claims: claims,
		Access: map[session.Target]session.AccessToken{{}: {Token: accessToken, Type: "Bearer", Scope: "openid read", Issued: now, Expiry: now.Add(time.Hour)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// attack is a request, and what has to become of it.
type attack struct {
	name string
	who  string // is signed in and asks by a page of our own; empty: a stranger
	send string // request line without the version, and header lines; Host is ours unless it is said
	want string // status and code
	saw  string // by the upstream; empty: nothing reached it
}

// bytes is the request as it goes out.
func (a attack) bytes(f *fortress) string {
	line, rest, _ := strings.Cut(a.send, "\n")
	lines := []string{line + " HTTP/1.1"}
	if !strings.Contains(rest, "Host: ") || strings.Contains(rest, "-Host: ") {
		lines = append(lines, "Host: "+publicHost)
	}
	if rest != "" {
		lines = append(lines, strings.Split(rest, "\n")...)
	}
	if a.who != "" {
		lines = append(lines, "Cookie: "+f.cookie(f.tickets[a.who]))
		if !strings.Contains(rest, "Origin: ") && !strings.Contains(rest, "Sec-Fetch-") {
			lines = append(lines, "Sec-Fetch-Site: same-origin")
		}
	}
	return strings.Join(append(lines, "\r\n"), "\r\n")
}

// run sends the attack and holds answer and arrival against what has to be.
func (a attack) run(t *testing.T, f *fortress) {
	t.Helper()
	before := f.up.hits()
	res := f.raw(t, a.bytes(f))
	answer := strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", res.Header.Get("Cloakroom-Error")))
	saw := ""
	if f.up.hits() > before {
		saw = arrival(f.up.last(t))
	}
	t.Logf("%s | %q | %s | %s", a.name, a.send, answer, saw)
	if answer != a.want || saw != a.saw {
		t.Errorf("%s: %s, and the upstream saw %q; want %s and %q", a.name, answer, saw, a.want, a.saw)
	}
	if code := res.Header.Get("Cloakroom-Error"); code != "" {
		mustFail(t, res, Code(code))
		if res.Header["Set-Cookie"] != nil {
			t.Errorf("%s: a refusal sets %q", a.name, res.Header["Set-Cookie"])
		}
	}
}

// arrival is what the upstream saw: the request line and every header but those that say
// what a plain request's would, and those that are for browsers.
func arrival(r *http.Request) string {
	plain := http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {publicHost}, "X-Forwarded-Proto": {"https"}, "Via": {"1.1 cloakroom"}}
	out := []string{r.Method + " " + r.RequestURI}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		switch {
		case slices.Equal(r.Header[name], plain[name]), strings.HasPrefix(name, "Sec-"), name == "Origin", name == "User-Agent", name == "Accept", name == "Content-Length":
		default:
			out = append(out, name+": "+strings.ReplaceAll(strings.Join(r.Header[name], " & "), accessToken, "AT"))
		}
	}
	return strings.Join(out, " · ")
}

// TestWhatBroughtOthersDown sends requests that went through other gateways, by the
// advisories that are public. Where one names a product, this gateway is no such product:
// what is tested is the class. With -v each row is printed.
func TestWhatBroughtOthersDown(t *testing.T) {
	f := build(t)
	for _, a := range slices.Concat(forgedTargets, spoiltPaths, forgedIdentities, weakRules, foreignPages) {
		a.run(t, f)
	}
	if log := f.log.String(); strings.Contains(log, accessToken) || strings.Contains(log, f.tickets["alice"]) {
		t.Error("the log holds a secret")
	}
}

// A header says that another path was asked for (CVE-2026-40575), or who the peer is.
var forgedTargets = []attack{
	{"X-Forwarded-Uri names a public path", "", "GET /admin\nX-Forwarded-Uri: /public/", "401 no_session", ""},
	{"X-Original-URI names a public path", "", "GET /admin\nX-Original-URI: /public/", "401 no_session", ""},
	{"X-Original-URL names a public path", "", "GET /admin\nX-Original-URL: https://app.example.com/public/", "401 no_session", ""},
	{"X-Rewrite-URL names a public path", "", "GET /admin\nX-Rewrite-Url: /public/", "401 no_session", ""},
	{"they go no further where a session is", "alice", "GET /orders\nX-Original-URL: /admin\nX-Rewrite-URL: /admin\nX-Forwarded-Uri: /admin", "200", "GET /orders · Authorization: Bearer AT · X-Groups: a%2Cb,ops · X-User: alice"},
	{"nor on a public path", "", "GET /public/x\nX-Original-URL: /admin\nX_Rewrite_Url: /admin\nx-forwarded-uri: /admin", "200", "GET /public/x"},
	{"X-Forwarded-For says 127.0.0.1", "", "GET /public/x\nX-Forwarded-For: 127.0.0.9\nX-Real-IP: 127.0.0.9", "200", "GET /public/x"},
	{"X-Forwarded-Host names another host", "", "GET /public/x\nX-Forwarded-Host: evil.example\nForwarded: host=evil.example", "200", "GET /public/x"},
	{"a health check's User-Agent", "", "GET /admin\nUser-Agent: GoogleHC/1.0", "401 no_session", ""},
	{"a health check's User-Agent at our own endpoint", "", "GET /bff/user\nUser-Agent: GoogleHC/1.0", "401 no_session", ""},
	{"a health check's User-Agent on no route of a host", "", "GET /\nHost: 10.0.0.1\nUser-Agent: kube-probe/1.30", "404 not_found", ""},
	{"a method that is hidden in a header", "", "GET /public/x\nX-HTTP-Method-Override: TRACE", "200", "GET /public/x"},
}

// A path is authorised in one reading and served in another (CVE-2026-41059,
// CVE-2025-54576).
var spoiltPaths = []attack{
	{"a number sign in a path", "", "GET /public/secret#/bar", "400 bad_request", ""},
	{"an encoded number sign", "", "GET /status%23/../admin", "400 bad_request", ""},
	{"an encoded number sign behind a public path", "", "GET /status%23", "400 bad_request", ""},
	{"an encoded question mark", "", "GET /status%3fx=/admin", "400 bad_request", ""},
	{"a parameter of a segment", "", "GET /status;x", "400 bad_request", ""},
	{"dot segments behind a parameter", "", "GET /public/..;/admin", "400 bad_request", ""},
	{"dot segments", "", "GET /public/../admin", "400 bad_request", ""},
	{"encoded dots", "", "GET /public/%2e%2e/admin", "400 bad_request", ""},
	{"an encoded slash", "", "GET /public/..%2fadmin", "400 bad_request", ""},
	{"dots that are encoded twice", "", "GET /public/%252e%252e/admin", "400 bad_request", ""},
	{"a backslash", "", "GET /public/..\\admin", "400 bad_request", ""},
	{"an encoded backslash", "", "GET /public/..%5cadmin", "400 bad_request", ""},
	{"an encoded NUL", "", "GET /public/%00/admin", "400 bad_request", ""},
	{"two slashes before a public path", "", "GET //public/x", "400 bad_request", ""},
	{"a public path in the query", "", "GET /private?path=/status", "401 no_session", ""},
	{"a public path in the fragment of the query", "", "GET /private?x#/status", "400 bad_request", ""},
	{"a public path in capitals", "", "GET /PUBLIC/x", "400 bad_request", ""},
	{"an encoded letter of a protected path", "", "GET /%70ilots/x", "400 bad_request", ""},
	{"our endpoints behind dot segments", "", "GET /bff/../admin", "400 bad_request", ""},
	{"an absolute form with a foreign host", "", "GET http://evil.example/public/x", "404 not_found", ""},
	{"an absolute form with ours, behind a foreign Host", "", "GET http://app.example.com/public/x\nHost: evil.example", "200", "GET /public/x"},
	{"an encoded slash where a route keeps it", "alice", "GET /keep/a%2Fb", "200", "GET /keep/a%2Fb · Authorization: Bearer AT"},
	{"dot segments where a route keeps slashes", "alice", "GET /keep/..%2fpilots/x", "400 bad_request", ""},
	{"a harmless semicolon", "alice", "GET /report;v=1/x", "200", "GET /report;v=1/x · Authorization: Bearer AT · X-Groups: a%2Cb,ops · X-User: alice"},
}

// A client says who it is (CVE-2025-64484, CVE-2024-45410).
var forgedIdentities = []attack{
	{"an identity header on a public path", "", "GET /public/x\nX-User: root\nX-Groups: admin", "200", "GET /public/x"},
	{"in another case, twice", "", "GET /public/x\nx-USER: root\nX-uSER: root", "200", "GET /public/x"},
	{"with an underscore", "", "GET /public/x\nX_User: root\nx_groups: admin", "200", "GET /public/x"},
	{"with a dot", "", "GET /public/x\nX.User: root", "200", "GET /public/x"},
	{"with a character that CGI makes an underscore of", "", "GET /public/x\nX!User: root\nX~Groups: admin\nX|User: root", "200", "GET /public/x"},
	{"on a route that sets none", "alice", "GET /keep/x\nX-User: root\nX_User: root", "200", "GET /keep/x · Authorization: Bearer AT"},
	{"beside one that is set", "alice", "GET /orders\nX-User: root\nX_USER: root\nx-groups: admin", "200", "GET /orders · Authorization: Bearer AT · X-Groups: a%2Cb,ops · X-User: alice"},
	{"on OPTIONS", "", "OPTIONS /public/x\nX-User: root\nX-Forwarded-Email: root@company.example", "200", "OPTIONS /public/x"},
	{"on OPTIONS without a session", "", "OPTIONS /orders\nX-User: root", "401 no_session", ""},
	{"without a session where it is optional", "", "GET /optional/x\nX-User: root\nX-Auth-Request-User: root\nRemote-User: root", "200", "GET /optional/x"},
	{"headers of other gateways", "", "GET /public/x\nX-Forwarded-User: root\nX-Forwarded-Email: a@b\nX-Forwarded-Groups: admin\nX-Auth-Request-Access-Token: x\nX-Remote-User: root", "200", "GET /public/x"},
	{"a client certificate in a header", "", "GET /public/x\nClient-Cert: :MIIB:\nX-SSL-Client-Cert: MIIB", "200", "GET /public/x"},
	{"Connection names what is injected", "alice", "GET /orders\nConnection: close, X-User, X-Groups, Authorization, X-Forwarded-For, Via", "200", "GET /orders · Authorization: Bearer AT · X-Groups: a%2Cb,ops · X-User: alice"},
	{"a bearer of the client's where a session is", "alice", "GET /orders\nAuthorization: Bearer forged", "200", "GET /orders · Authorization: Bearer AT · X-Groups: a%2Cb,ops · X-User: alice"},
	{"a bearer of the client's without a session", "", "GET /orders\nAuthorization: Bearer forged", "401 no_session", ""},
	{"a bearer of the client's where a session is optional", "", "GET /optional/x\nAuthorization: Bearer forged\nSec-Fetch-Site: same-origin", "200", "GET /optional/x"},
	{"a bearer of the client's on a public path", "", "GET /public/x\nAuthorization: Bearer forged\nProxy-Authorization: Basic Zm9v", "200", "GET /public/x"},
	{"a bearer of the client's where it passes", "alice", "GET /machine/x\nAuthorization: Bearer own", "200", "GET /machine/x · Authorization: Bearer own"},
	{"our cookie beside others", "alice", "GET /orders\nCookie: theme=dark; __Host-Http-cloakroom-login=x", "200", "GET /orders · Authorization: Bearer AT · Cookie: theme=dark · X-Groups: a%2Cb,ops · X-User: alice"},
	{"a line break in a claim", "mallory", "GET /greeted/x", "200", "GET /greeted/x · Authorization: Bearer AT · X-Name: M%0D%0AX-Admin: yes%00"},
	{"HTTP_PROXY by the header Proxy", "", "GET /public/x\nProxy: http://evil.example", "200", "GET /public/x"},
}

// A rule lets in who does not meet it (CVE-2026-40574, CVE-2021-21411, CVE-2021-21291,
// CVE-2020-4037).
var weakRules = []attack{
	{"an e-mail that ends like the one that is wanted", "mallory", "GET /boss/x", "403 claim_required", ""},
	{"another e-mail of the domain", "alice", "GET /boss/x", "403 claim_required", ""},
	{"a group that nobody has", "alice", "GET /pilots/x", "403 claim_required", ""},
	{"no groups at all", "mallory", "GET /pilots/x", "403 claim_required", ""},
	{"a scope that was not given", "alice", "GET /writers/x", "403 insufficient_scope", ""},
	{"a weak sign-in", "alice", "GET /strong/x", "401 step_up_required", ""},
	{"an old sign-in", "alice", "GET /recent/x", "401 step_up_required", ""},
	{"a host that ends like ours", "", "GET /public/x\nHost: badapp.example.com", "404 not_found", ""},
	{"a host that begins like ours", "", "GET /public/x\nHost: app.example.com.evil.example", "404 not_found", ""},
	{"a host with a dot behind", "", "GET /public/x\nHost: app.example.com.", "404 not_found", ""},
	{"an origin that begins like ours", "alice", "GET /orders\nOrigin: https://app.example.com.evil.example", "403 csrf_failed", ""},
	{"an origin that ends like ours", "alice", "GET /orders\nOrigin: https://badapp.example.com", "403 csrf_failed", ""},
	{"an origin of another scheme", "alice", "GET /orders\nOrigin: http://app.example.com", "403 csrf_failed", ""},
	{"a return to another host", "", "GET /bff/login?returnUrl=//evil.example", "400 bad_request", ""},
	{"a return by a backslash", "", "GET /bff/login?returnUrl=/%5Cevil.example", "400 bad_request", ""},
	{"a return by a tab", "", "GET /bff/login?returnUrl=/%09/evil.example", "400 bad_request", ""},
	{"a return by a dot segment", "", "GET /bff/login?returnUrl=/.//evil.example", "400 bad_request", ""},
	{"a return by a scheme", "", "GET /bff/login?returnUrl=https:evil.example", "400 bad_request", ""},
	{"a return that is too long", "", "GET /bff/login?returnUrl=/" + strings.Repeat("x", 8<<10), "400 bad_request", ""},
}

// A page elsewhere, or a script that asks at the wrong moment.
var foreignPages = []attack{
	{"a POST of another site", "alice", "POST /orders\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nContent-Length: 0", "403 csrf_failed", ""},
	{"a POST of a sibling domain", "alice", "POST /orders\nSec-Fetch-Site: same-site\nOrigin: https://app.example.com\nContent-Length: 0", "403 csrf_failed", ""},
	{"a POST with nothing that says whose", "alice", "POST /orders\nOrigin: null\nContent-Length: 0", "403 csrf_failed", ""},
	{"a WebSocket of another site", "alice", "GET /orders\nOrigin: https://evil.example\nConnection: Upgrade\nUpgrade: websocket", "403 csrf_failed", ""},
	{"a WebSocket of another site that claims to be ours", "alice", "GET /orders\nOrigin: https://evil.example\nX-CSRF: 1\nConnection: Upgrade\nUpgrade: websocket", "403 csrf_failed", ""},
	{"a WebSocket of nobody's", "alice", "GET /orders\nOrigin: null\nConnection: Upgrade\nUpgrade: websocket", "403 csrf_failed", ""},
	{"a WebSocket without a session", "", "GET /orders\nOrigin: https://app.example.com\nConnection: Upgrade\nUpgrade: websocket", "401 no_session", ""},
	{"a WebSocket of who lacks a claim", "alice", "GET /pilots/x\nOrigin: https://app.example.com\nConnection: Upgrade\nUpgrade: websocket", "403 claim_required", ""},
	{"a WebSocket whose Connection is a list", "alice", "GET /orders\nOrigin: https://app.example.com\nConnection: keep-alive, Upgrade\nUpgrade: websocket", "101", "GET /orders · Authorization: Bearer AT · Connection: Upgrade · Upgrade: websocket · X-Groups: a%2Cb,ops · X-User: alice"},
	{"an upgrade to h2c", "alice", "GET /orders\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk", "200", "GET /orders · Authorization: Bearer AT · X-Groups: a%2Cb,ops · X-User: alice"},
	{"a fetch without a session", "", "GET /orders\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors\nSec-Fetch-Dest: empty\nAccept: text/html", "401 no_session", ""},
	{"an XHR without a session", "", "GET /orders\nAccept: text/html\nX-Requested-With: XMLHttpRequest", "401 no_session", ""},
	{"a script's import without a session", "", "GET /orders\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: script", "401 no_session", ""},
	{"an API client without a session", "", "GET /orders\nAccept: application/json", "401 no_session", ""},
	{"a POST without a session", "", "POST /orders\nAccept: text/html\nContent-Length: 0", "401 no_session", ""},
	{"a form without a session", "", "POST /orders\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nSec-Fetch-Site: same-origin\nContent-Length: 0", "401 no_session", ""},
	{"a page that asks who is signed in", "", "GET /bff/session\nSec-Fetch-Site: same-origin", "200", ""},
	{"a refresh by GET", "alice", "GET /bff/refresh", "405 method_not_allowed", ""},
	{"a logout by GET from another site", "alice", "GET /bff/logout\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors", "403 csrf_failed", ""},
	{"TRACE", "alice", "TRACE /orders", "405 method_not_allowed", ""},
	{"TRACE on a public path", "", "TRACE /public/x\nMax-Forwards: 0", "405 method_not_allowed", ""},
	{"CONNECT", "", "CONNECT evil.example:443\nHost: evil.example:443", "405 method_not_allowed", ""},
	{"metrics", "", "GET /metrics", "401 no_session", ""},
	{"a debugger", "", "GET /debug/pprof/", "401 no_session", ""},
}

// TestATrustedProxyIsBelievedInWhatItKnows repeats what forges a target, by way of a proxy
// that is trusted: it tells where a request came from, never which path it means.
func TestATrustedProxyIsBelievedInWhatItKnows(t *testing.T) {
	f := build(t, "127.0.0.0/8")
	for _, a := range []attack{
		{"X-Forwarded-Uri through a trusted proxy", "", "GET /admin\nX-Forwarded-Uri: /public/", "401 no_session", ""},
		{"X-Original-URL through a trusted proxy", "", "GET /admin\nX-Original-URL: /public/\nX-Rewrite-URL: /public/", "401 no_session", ""},
		{"a leftmost entry that the client wrote", "", "GET /public/x\nX-Forwarded-For: 127.0.0.1, 6.6.6.6", "200", "GET /public/x · X-Forwarded-For: 6.6.6.6, 127.0.0.1"},
		{"an identity header through a trusted proxy", "", "GET /public/x\nX-User: root\nX_User: root", "200", "GET /public/x"},
		{"a foreign host through a trusted proxy", "", "GET /public/x\nX-Forwarded-Host: evil.example", "404 not_found", ""},
	} {
		a.run(t, f)
	}
}

// TestTheEntranceOfFrontProxiesIsForThemAlone asks it as a browser would that found it.
func TestTheEntranceOfFrontProxiesIsForThemAlone(t *testing.T) {
	for name, row := range map[string]struct {
		trusted []string
		want    string
	}{
		"nobody is trusted":    {nil, "403 access_denied"},
		"others are trusted":   {[]string{"10.0.0.0/8"}, "403 access_denied"},
		"the peer is trusted":  {[]string{"127.0.0.0/8"}, "401 no_session"},
		"all of IPv4 is, also": {[]string{"0.0.0.0/0"}, "401 no_session"},
	} {
		f := build(t, row.trusted...)
		f.addr = f.ingress
		for _, d := range dialects {
			send := "GET /verify/" + string(d) + "\nUser-Agent: GoogleHC/1.0\nX-Forwarded-For: 10.0.0.1\nX-Forwarded-Method: GET\nX-Forwarded-Uri: /admin\nX-Forwarded-Host: " + publicHost
			switch d {
			case nginx:
				send = "GET /verify/nginx\nUser-Agent: GoogleHC/1.0\nX-Forwarded-For: 10.0.0.1\nX-Original-Method: GET\nX-Original-URI: /admin\nX-Forwarded-Host: " + publicHost
			case envoy:
				send = "GET /verify/envoy/admin\nUser-Agent: GoogleHC/1.0\nX-Forwarded-For: 10.0.0.1"
			}
			attack{name + ", " + string(d), "", send, row.want, ""}.run(t, f)
		}
	}
}

// TestNothingWithoutASessionReachesWhatNeedsOne mixes paths and headers that fooled somebody,
// at random, and looks at what came through: public paths only, however they are read.
func TestNothingWithoutASessionReachesWhatNeedsOne(t *testing.T) {
	f := build(t)
	pieces := strings.Fields(`public public admin status orders pilots bff machine optional . .. ..; %2e %2e%2e %2f %5c \ ; %23 %3f %00 %252f %70ublic PUBLIC ~ x // é %c0%af`)
	lines := strings.Split(`X-Forwarded-Uri: /public/
X-Original-URL: /public/
X-Rewrite-URL: /status
X-Forwarded-For: 127.0.0.1
X-Forwarded-Prefix: /public
Forwarded: for=127.0.0.1;host=app.example.com
Authorization: Bearer forged
X-User: root
X_User: root
Cookie: __Host-Http-cloakroom=forged
Connection: X-Forwarded-For, Authorization
User-Agent: GoogleHC/1.0
X-HTTP-Method-Override: OPTIONS
Sec-Fetch-Site: same-origin
X-CSRF: 1
Accept: text/html`, "\n")
	pick := rand.New(rand.NewPCG(1, 2))
	passed := 0
	for range 4000 {
		var target strings.Builder
		for range 1 + pick.IntN(4) {
			target.WriteString("/" + pieces[pick.IntN(len(pieces))])
		}
		var header strings.Builder
		for range pick.IntN(4) {
			header.WriteString(lines[pick.IntN(len(lines))] + "\r\n")
		}
		method := []string{"GET", "POST", "OPTIONS", "HEAD"}[pick.IntN(4)]
		sent := method + " " + target.String() + " HTTP/1.1\r\nHost: " + publicHost + "\r\n" + header.String() + "\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(sent)))
		if err != nil {
			continue // the server refuses it by itself
		}
		r.RemoteAddr = "127.0.0.1:1"
		before := f.up.hits()
		f.ServeHTTP(httptest.NewRecorder(), r.WithContext(t.Context()))
		if f.up.hits() == before {
			continue
		}
		passed++
		came := f.up.last(t)
		for _, reading := range servers(came.URL.EscapedPath()) {
			if found := f.hosts.public.match(resolved(reading)); found == nil || found.own || found.routes[0].Access == Required {
				t.Errorf("%q came through to %s", sent, came.RequestURI)
			}
		}
		if came.Header["X-User"] != nil || came.Header["Cookie"] != nil || came.Header["Authorization"] != nil && !strings.HasPrefix(came.RequestURI, "/machine/") {
			t.Errorf("%q came through with %v", sent, came.Header)
		}
	}
	if passed < 100 {
		t.Errorf("only %d requests came through: this proves nothing", passed)
	}
}
