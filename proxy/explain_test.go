package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

const operatorsToken = "operators-token-7c1e"

const asksWhy = explainHeader + ": " + operatorsToken

// explaining lets an operator ask, and notes who did.
func explaining(heard *[]Explained) func(*Config) {
	var mu sync.Mutex
	return func(c *Config) {
		c.ExplainToken = operatorsToken
		c.Explained = func(e Explained) {
			mu.Lock()
			defer mu.Unlock()
			*heard = append(*heard, e)
		}
	}
}

// explained reads an explanation, in which nothing secret may stand.
func explained(t testing.TB, res reply, status int, secrets ...string) explanation {
	t.Helper()
	body := text(t, res)
	if res.StatusCode != status || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v\n%s", res.StatusCode, res.Header, body)
	}
	if res.Header["Set-Cookie"] != nil {
		t.Errorf("a cookie was set: %q", res.Header["Set-Cookie"])
	}
	for _, secret := range append(secrets, operatorsToken, accessToken, "alice@example.com", "a,b") {
		if strings.Contains(body, secret) {
			t.Errorf("%q stands in %s", secret, body)
		}
	}
	var e explanation
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return e
}

// manyRoutes are routes of all kinds.
func manyRoutes(t testing.TB, up *upstream) []Route {
	t.Helper()
	return []Route{
		{Path: "/api/", Upstream: up.url, SetHeaders: map[string]string{"X-User": "{claims.sub}", "X-Phone": "{claims.phone}"}, StripPrefix: "/api"},
		{Path: "/api/read/", Upstream: up.url, Methods: []string{"GET"}, MaxBody: 3},
		{Path: "/ops/", Upstream: up.url, Require: Require{Claims: map[string][]string{"roles": {"ops"}}}},
		{Path: "/kings/", Upstream: up.url, Require: Require{Claims: map[string][]string{"roles": {"king"}}}},
		{Path: "/scoped/", Upstream: up.url, Require: Require{Scopes: []string{"orders:read"}}},
		{Path: "/strong/", Upstream: up.url, Require: Require{ACR: []string{"phr"}, MaxAge: time.Hour}},
		{Path: "/perhaps/", Upstream: up.url, Access: Optional},
		{Path: "/open/", Upstream: up.url, Access: Public, Token: Passthrough},
		{Path: "/machines/", Upstream: up.url, AllowBearer: true},
		{Path: "/legacy/", Upstream: up.url, Token: NoToken, Authorization: "Basic b3duOnNlY3JldA=="},
		{Path: "/assert/", Upstream: up.url, Assertion: Assertion{Header: "X-Proof"}},
		{Path: "/never/", Upstream: up.url, Unauthenticated: Deny},
		{Path: "/always/", Upstream: up.url, Unauthenticated: Login},
		{Path: "/nocsrf/", Upstream: up.url, InsecureNoCSRF: true},
		{Path: "/target/", Upstream: up.url, Target: session.Target{Audience: "other"}},
		{Path: "/files/", Files: t.TempDir(), Access: Public},
	}
}

// Whatever the operator is told is what happens when the same request comes without the
// header a moment later.
func TestAnExplanationComesTrue(t *testing.T) {
	up := api(t, nil)
	var heard []Explained
	f := open(t, manyRoutes(t, up), explaining(&heard))
	_, live := f.signIn(t, time.Hour)
	over, ended := f.signIn(t, time.Hour)
	if err := over.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	tickets := map[string]string{"": "", "live": live, "ended": ended, "forged": "forged"}
	const own, cross = "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"
	goes := []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html"}
	senders := map[string][]string{
		"fetch": {own, "Sec-Fetch-Mode: cors"}, "elsewhere": {cross, "Sec-Fetch-Mode: cors"}, "curl": nil,
		"navigation": append([]string{"Sec-Fetch-Site: none"}, goes...), "link": append([]string{cross}, goes...),
		"foreign": {own, "Origin: https://evil.example"}, "machine": {"Authorization: Bearer own"},
		"stream": {own, "Accept: text/event-stream", "Connection: X-Hop", "X-Hop: 1"}, "prefetch": append([]string{"Sec-Fetch-Site: none", "Sec-Purpose: prefetch"}, goes...),
	}
	paths := []string{"GET /api/orders?q=1", "POST /api/orders", "GET /api/read/1", "POST /api/read/1", "GET /ops/", "GET /kings/", "GET /scoped/", "GET /strong/x", "GET /perhaps/", "GET /open/", "GET /machines/", "GET /legacy/", "GET /assert/", "GET /never/", "GET /always/", "POST /always/", "POST /nocsrf/", "GET /none", "GET /API/x", "GET /api/../ops/", "GET /api%2fx"}
	for _, request := range paths {
		for sender, lines := range senders {
			for name, ticket := range tickets {
				t.Run(request+" "+sender+" "+name, func(t *testing.T) {
					lines := lines
					if ticket != "" {
						lines = append(slices.Clip(lines), "Cookie: a=b; "+f.cookie(ticket))
					}
					method, path, _ := strings.Cut(request, " ")
					hits := up.hits()
					e := explained(t, f.send(t, method, path, append(slices.Clip(lines), asksWhy)...), http.StatusOK, live, ended)
					if up.hits() != hits {
						t.Fatal("the request was sent")
					}
					comesTrue(t, e, f.send(t, method, path, lines...), up, hits)
				})
			}
		}
	}
	if len(heard) != len(paths)*len(senders)*len(tickets) {
		t.Errorf("%d explanations were told of", len(heard))
	}
}

// comesTrue holds an explanation against the answer.
func comesTrue(t *testing.T, e explanation, res reply, up *upstream, hits int) {
	t.Helper()
	if (e.Answer.Outcome == toUpstream) != (up.hits() > hits) {
		t.Fatalf("%+v, and %d requests reached the upstream", e.Answer, up.hits()-hits)
	}
	if e.Answer.Outcome != toUpstream {
		if code := res.Header.Get("Cloakroom-Error"); res.StatusCode != e.Answer.Status || e.Answer.Outcome == toNobody && code != string(e.Answer.Code) {
			t.Fatalf("%+v, and it was %d %s", e.Answer, res.StatusCode, code)
		}
		return
	}
	got := up.last(t)
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range got.Header {
			if name != "Content-Length" && !yield(name) {
				return
			}
		}
	})
	if !slices.Equal(names, e.Headers) {
		t.Errorf("the upstream got %q, not %q", names, e.Headers)
	}
	if got.URL.Path != e.Request.TargetPath {
		t.Errorf("the upstream got %s, not %s", got.URL.Path, e.Request.TargetPath)
	}
}

func TestAnExplanationSaysWhy(t *testing.T) {
	up, gone := api(t, nil), mustURL("http://127.0.0.1:1")
	routes := append(manyRoutes(t, up), Route{Path: "/many/", Upstream: up.url, Replicas: []*url.URL{gone}, Balance: Balance{Sticky: true}})
	var heard []Explained
	f := open(t, routes, explaining(&heard), func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	s, ticket := f.signIn(t, time.Hour)
	ask := func(path string, lines ...string) explanation {
		return explained(t, f.get(t, path, append(lines, asksWhy, "Sec-Fetch-Site: same-origin", "X-Forwarded-For: 192.0.2.7", "Cookie: "+f.cookie(ticket))...), http.StatusOK, ticket)
	}
	e := ask("/api/read/7")
	if e.Route.Path != "/api/read/" || len(e.Route.Candidates) != 2 || !e.Route.Candidates[0].Chosen || e.Route.Candidates[1].Chosen {
		t.Errorf("the route: %+v", e.Route)
	}
	if e.CSRF.Verdict != "believed" || e.CSRF.Site != "same-origin" || e.CSRF.PublicOrigin != "https://"+publicHost {
		t.Errorf("CSRF: %+v", e.CSRF)
	}
	if e.Session.State != "live" || e.Session.ID != s.ID().String() || e.Session.Subject != "alice" || e.Session.Limit != "idle" || *e.Session.IdleExpiresIn < 28_000 || *e.Session.Age != 0 {
		t.Errorf("the session: %+v", e.Session)
	}
	if e.Token.Kind != "user" || e.Token.Decision != session.Fresh || *e.Token.ExpiresIn < 3_500 {
		t.Errorf("the token: %+v", e.Token)
	}
	if e.Client.Address != "192.0.2.7" || e.Client.Peer != "127.0.0.1" || !e.Client.Trusted || !e.Request.Activity || e.Request.Class != "fetch" {
		t.Errorf("the client: %+v %+v", e.Client, e.Request)
	}
	if e := ask("/strong/x"); len(e.Require) != 2 || *e.Require[0].Met || e.Require[0].Name != "phr" || e.Answer.Code != StepUpRequired {
		t.Errorf("the needs: %+v %+v", e.Require, e.Answer)
	}
	if e := ask("/scoped/x"); len(e.Require) != 1 || *e.Require[0].Met || e.Answer.Code != InsufficientScope {
		t.Errorf("the needs: %+v %+v", e.Require, e.Answer)
	}
	f.ways.pools[onlyKey(f)].servers[1].out.Store(true)
	if e := ask("/many/x"); len(e.Upstreams) != 2 || e.Upstreams[0].LeftOut || !e.Upstreams[0].Sticky || !e.Upstreams[1].LeftOut {
		t.Errorf("the upstreams: %+v", e.Upstreams)
	}
	if e := ask("/bff/user"); e.Answer.Outcome != toOwn || e.Session.State != "live" {
		t.Errorf("an endpoint of our own: %+v", e.Answer)
	}
	if e := ask("/files/x"); e.Answer.Outcome != toFile || e.Session.State != "not_asked" {
		t.Errorf("a file: %+v", e.Answer)
	}
	if last := heard[len(heard)-1]; last.By != "192.0.2.7" || last.Status != http.StatusOK {
		t.Errorf("told of %+v", last)
	}
}

func onlyKey(f *front) poolKey {
	for key := range f.ways.pools {
		return key
	}
	return poolKey{}
}

// The provider of these tests is down: what is foreseen at first is that the request waits,
// and once somebody has waited in vain, that there is nothing to wait for.
func TestAnExplanationKnowsOfARefreshThatFailed(t *testing.T) {
	up := api(t, nil)
	var heard []Explained
	f := open(t, []Route{{Path: "/", Upstream: up.url}}, explaining(&heard))
	s, ticket := f.signIn(t, -time.Second)
	lines := []string{"Sec-Fetch-Site: same-origin", "Cookie: " + f.cookie(ticket)}
	generation := s.State().Grant.Generation
	if e := explained(t, f.get(t, "/", append(lines, asksWhy)...), http.StatusOK); e.Token.Decision != session.Waits || e.Answer.Outcome != toUpstream {
		t.Errorf("%+v %+v", e.Token, e.Answer)
	}
	if st := s.State(); st.Trouble != nil || st.Attempt != nil || st.Grant.Generation != generation {
		t.Errorf("a refresh was spent: %+v", st)
	}
	mustFail(t, f.get(t, "/", lines...), IDPUnavailable)
	if e := explained(t, f.get(t, "/", append(lines, asksWhy)...), http.StatusOK); e.Token.Decision != session.Fails || e.Answer.Code != IDPUnavailable || !strings.Contains(e.Token.Why, "refresh") {
		t.Errorf("%+v %+v", e.Token, e.Answer)
	}
}

func TestNobodyIsUsedByAnExplanation(t *testing.T) {
	up := api(t, nil)
	var heard []Explained
	clock := time.Now()
	f := open(t, []Route{{Path: "/", Upstream: up.url}}, explaining(&heard), func(c *Config) { c.Now = func() time.Time { return clock } })
	s, ticket := f.signIn(t, time.Hour)
	seen := s.Seen()
	explained(t, f.get(t, "/", asksWhy, "Sec-Fetch-Site: same-origin", "Cookie: "+f.cookie(ticket)), http.StatusOK)
	if !s.Seen().Equal(seen) {
		t.Error("the session was used")
	}
	if up.hits() != 0 {
		t.Error("the upstream was asked")
	}
}

func TestOnlyTheRightTokenIsExplainedTo(t *testing.T) {
	for _, row := range []struct {
		name, token string
		lines       []string
		told        int
	}{
		{"no token is configured", "", []string{explainHeader + ": "}, 0},
		{"no token is configured, and one is sent", "", []string{asksWhy}, 0},
		{"a wrong one", operatorsToken, []string{asksWhy + "x"}, 1},
		{"an empty one", operatorsToken, []string{explainHeader + ":"}, 1},
		{"two", operatorsToken, []string{asksWhy, asksWhy}, 1},
		{"a twin of the header", operatorsToken, []string{"X_Cloakroom_Explain: " + operatorsToken}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			up := api(t, nil)
			var heard []Explained
			f := open(t, public(up), explaining(&heard), func(c *Config) { c.ExplainToken = session.Token(row.token) })
			res := f.get(t, "/x", row.lines...)
			if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") == "application/json" || up.hits() != 1 {
				t.Errorf("%d %v, %d requests", res.StatusCode, res.Header, up.hits())
			}
			for name := range up.last(t).Header {
				if canonicalTwin(name) == explainHeader {
					t.Errorf("the upstream got %s", name)
				}
			}
			if len(heard) != row.told || row.told > 0 && heard[0].Status != http.StatusUnauthorized {
				t.Errorf("told of %+v", heard)
			}
		})
	}
}

func TestGuessesAtTheTokenAreBounded(t *testing.T) {
	up := api(t, nil)
	var heard []Explained
	clock := time.Now()
	f := open(t, public(up), explaining(&heard), func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Now = func() time.Time { return clock }
	})
	from := func(address, token string) bool {
		res := f.get(t, "/x", explainHeader+": "+token, "X-Forwarded-For: "+address)
		return res.Header.Get("Content-Type") == "application/json"
	}
	for i := range 3 * mostGuesses {
		from(fmt.Sprintf("2001:db8::%x", i+1), "guess")
	}
	if len(heard) != mostGuesses {
		t.Errorf("%d guesses were looked at", len(heard))
	}
	if from("2001:db8::1", operatorsToken) {
		t.Error("who has guessed too often is still heard")
	}
	if !from("192.0.2.1", operatorsToken) {
		t.Error("another address pays for it")
	}
	clock = clock.Add(guessesFor)
	if !from("2001:db8::1", operatorsToken) {
		t.Error("it is never over")
	}
}

func TestAFloodOfGuessersIsCountedTogether(t *testing.T) {
	var g guesses
	now := time.Now()
	for i := range maxGuessings + mostGuesses {
		g.wrong(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if len(g.by) > maxGuessings+1 {
		t.Errorf("%d are remembered", len(g.by))
	}
	if !g.silenced("192.0.2.1", now) || g.silenced("10.0.0.1", now) {
		t.Error("who found no room is not counted with the others, or those who did are")
	}
	if g.silenced("192.0.2.1", now.Add(guessesFor)) {
		t.Error("it is never over")
	}
}

func TestAFrontProxyDoesNotLetAnExplainedRequestPass(t *testing.T) {
	var heard []Explained
	f := entrance(t, explaining(&heard))
	_, ticket := f.signIn(t, time.Hour)
	const own = "Sec-Fetch-Site: same-origin"
	for _, d := range dialects {
		for _, row := range []struct {
			question
			lines []string
		}{
			{question{"GET", "/api/orders", publicHost}, []string{own, "Cookie: a=b; " + f.cookie(ticket)}},
			{question{"GET", "/api/orders", publicHost}, []string{own}},
			{question{"GET", "/api/orders", publicHost}, []string{"Accept: text/html"}},
			{question{"GET", "/api/orders", publicHost}, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}},
			{question{"POST", "/api/orders", publicHost}, []string{"Cookie: " + f.cookie(ticket)}},
			{question{"POST", "/api/admin/", publicHost}, []string{own, "Cookie: " + f.cookie(ticket)}},
			{question{"GET", "/api/admin/", publicHost}, []string{own, "X-Http-Method-Override: DELETE", "Cookie: " + f.cookie(ticket)}},
			{question{"GET", "/bff/user", publicHost}, nil},
			{question{"GET", "/x", "elsewhere.example"}, nil},
			{question{"", "/x", publicHost}, nil},
			{question{"GET", "/own-token/", publicHost}, []string{"Authorization: Bearer own"}},
		} {
			if d == envoy && row.method == "" {
				continue
			}
			e := explained(t, f.ask(t, d, row.question, append(slices.Clip(row.lines), asksWhy)...), http.StatusForbidden, ticket)
			res := f.ask(t, d, row.question, row.lines...)
			if res.StatusCode != e.Answer.Status || e.Answer.Outcome == toNobody && res.Header.Get("Cloakroom-Error") != string(e.Answer.Code) {
				t.Errorf("%s %v: %+v, and it was %d %s", d, row, e.Answer, res.StatusCode, res.Header.Get("Cloakroom-Error"))
			}
			for _, name := range e.Headers {
				if res.Header.Get(name) == "" {
					t.Errorf("%s %v: %s was foreseen", d, row, name)
				}
			}
			if e.Answer.Outcome == toPass && slices.Contains(e.Headers, "Authorization") != (res.Header.Get("Authorization") != "") {
				t.Errorf("%s %v: %q and %v", d, row, e.Headers, res.Header)
			}
		}
	}
}

func BenchmarkNoExplanation(b *testing.B) {
	g := &Gateway{}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	x := &exchange{}
	b.ReportAllocs()
	for b.Loop() {
		if g.wantsExplanation(x, r) {
			b.Fatal("it does")
		}
	}
}
