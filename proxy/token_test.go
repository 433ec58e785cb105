package proxy

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/session"
)

// counter is a house whose API notes which tokens came.
type counter struct {
	*house
	up *upstream
}

// newCounter makes one with these routes; all lead to the API.
func newCounter(t testing.TB, handle http.HandlerFunc, routes ...Route) *counter {
	t.Helper()
	c := &counter{up: api(t, handle)}
	for i := range routes {
		routes[i].Upstream = c.up.url
	}
	c.house = newHouse(t, func(cfg *Config) { cfg.Routes = routes })
	return c
}

// guest is a script of the application's own page, in a browser with or without a ticket.
type guest struct {
	*counter
	session *session.Session
	ticket  string
}

// signIn walks the login of alice.
func (c *counter) signIn(t testing.TB) *guest {
	t.Helper()
	b := c.browser(t)
	b.signIn(t, "alice", "/")
	ticket := b.cookie("cloakroom")
	s, err := c.sessions.Open(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{c, s, ticket}
}

func (c *counter) stranger() *guest { return &guest{counter: c} }

// request makes a request as a page of ours would send it.
func (g *guest) request(t testing.TB, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, g.url+path, body)
	r.Host = strings.TrimPrefix(g.url, "http://")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	if g.ticket != "" {
		r.Header.Set("Cookie", "cloakroom="+g.ticket)
	}
	return r
}

func (g *guest) do(r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		// A recorder takes 100 for the answer itself, and what follows for too much.
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the very value, as the server compares it
			panic(p)
		}
	}()
	g.gateway.ServeHTTP(w, r)
	return w
}

func (g *guest) get(t testing.TB, path string) *httptest.ResponseRecorder {
	t.Helper()
	return g.do(g.request(t, http.MethodGet, path, nil))
}

// expire makes all access tokens of the session run out.
func (g *guest) expire(t testing.TB) {
	t.Helper()
	if err := g.session.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, w *httptest.ResponseRecorder, status int, code Code) {
	t.Helper()
	if got := w.Header().Get("Cloakroom-Error"); w.Code != status || got != string(code) {
		t.Errorf("got %d %q, want %d %q: %s", w.Code, got, status, code, w.Body)
	}
}

// tokenOf reads the claims of the bearer token that reached the API.
func tokenOf(t testing.TB, r *http.Request) map[string]any {
	t.Helper()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(token, ".")
	if !ok || len(parts) != 3 {
		t.Fatalf("the API got %q", r.Header.Get("Authorization"))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestEachRouteGetsTheTokenOfItsTarget(t *testing.T) {
	c := newCounter(t, nil,
		Route{Path: "/plain/"},
		Route{Path: "/orders/", Target: session.Target{Audience: "orders"}},
		Route{Path: "/orders2/", Target: session.Target{Audience: "orders"}},
		Route{Path: "/ledger/", Target: session.Target{Resource: "https://ledger.example/"}},
		Route{Path: "/small/", Target: session.Target{Scope: "openid"}},
	)
	g := c.signIn(t)
	for range 2 {
		for path, want := range map[string]string{
			"/plain/":   c.provider.URL + " openid profile offline_access",
			"/orders/":  "orders openid profile offline_access",
			"/orders2/": "orders openid profile offline_access",
			"/ledger/":  "https://ledger.example/ openid profile offline_access",
			"/small/":   c.provider.URL + " openid",
		} {
			wants(t, g.get(t, path), 200, "")
			claims := tokenOf(t, c.up.last(t))
			if got := fmt.Sprint(claims["aud"], " ", claims["scope"]); got != want {
				t.Errorf("%s got a token for %s, want %s", path, got, want)
			}
		}
	}
	if s := c.provider.Stats(); s.Refreshes != 3 || s.MaxPresentations != 1 {
		t.Errorf("%d refreshes, a refresh token came %d times", s.Refreshes, s.MaxPresentations)
	}
}

func TestTwoHundredRequestsOverThreeAudiencesAreThreeRefreshes(t *testing.T) {
	audiences := []string{"orders", "ledger", "mail"}
	var routes []Route
	for _, a := range audiences {
		routes = append(routes, Route{Path: "/" + a + "/", Target: session.Target{Audience: a}})
	}
	c := newCounter(t, func(w http.ResponseWriter, r *http.Request) {
		if want := strings.Trim(r.URL.Path, "/"); tokenOf(t, r)["aud"] != want {
			t.Errorf("the API of %s got a token for %v", want, tokenOf(t, r)["aud"])
		}
	}, routes...)
	g := c.signIn(t)
	for _, a := range audiences {
		wants(t, g.get(t, "/"+a+"/"), 200, "")
	}
	g.expire(t)
	c.provider.Adjust(func(k *devidp.Knobs) {
		k.Timing = devidp.Timing{Mode: devidp.Slow, Delay: 50 * time.Millisecond, At: []devidp.Endpoint{devidp.TokenEndpoint}}
	})
	before := c.provider.Stats().Refreshes
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() { wants(t, g.get(t, "/"+audiences[i%3]+"/"), 200, "") })
	}
	all.Wait()
	if s := c.provider.Stats(); s.Refreshes-before != 3 || s.MaxPresentations != 1 || s.Reuses != 0 {
		t.Errorf("%d refreshes; a refresh token came %d times", s.Refreshes-before, s.MaxPresentations)
	}
}

// Auth0 ignores an audience that it does not know, and answers with another one's token.
func TestATokenForAnotherAudienceNeverLeaves(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/orders/", Target: session.Target{Audience: "orders"}}, Route{Path: "/plain/"})
	c.provider.Adjust(func(k *devidp.Knobs) { k.Audiences, k.AudienceFallback = []string{"default"}, true })
	g := c.signIn(t)
	wants(t, g.get(t, "/orders/"), 502, WrongAudience)
	if c.up.hits() != 0 {
		t.Error("the API got a token that is not for it")
	}
	asked := c.provider.Stats().TokenRequests
	wants(t, g.get(t, "/orders/"), 502, WrongAudience)
	if c.provider.Stats().TokenRequests != asked {
		t.Error("what was refused a moment ago was asked for again")
	}
	wants(t, g.get(t, "/plain/"), 200, "")
	g.expire(t) // and the refresh token that came with the wrong one has been kept
	wants(t, g.get(t, "/plain/"), 200, "")
	if s := c.provider.Stats(); s.Reuses != 0 || s.MaxPresentations != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAScopeThatIsNotToBeHadIsOneRoutesTrouble(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/admin/", Target: session.Target{Scope: "admin"}}, Route{Path: "/plain/"})
	g := c.signIn(t)
	for range 3 {
		wants(t, g.get(t, "/admin/"), 502, ScopeNotAvailable)
		wants(t, g.get(t, "/plain/"), 200, "")
	}
	if s := c.provider.Stats(); s.Refused != 1 || c.up.hits() != 3 {
		t.Errorf("%d refusals, %d calls of the API", s.Refused, c.up.hits())
	}
}

// A provider that grants less than was asked for must not be asked at every request.
func TestATokenIsFoundUnderWhatWasAskedFor(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/small/", Target: session.Target{Scope: "openid profile"}})
	g := c.signIn(t)
	c.provider.Adjust(func(k *devidp.Knobs) { k.GrantScope = "openid" })
	for range 3 {
		wants(t, g.get(t, "/small/"), 200, "")
	}
	if s := c.provider.Stats(); s.Refreshes != 1 || tokenOf(t, c.up.last(t))["scope"] != "openid" {
		t.Errorf("%d refreshes", s.Refreshes)
	}
}

func TestARefreshOnDemandRenewsTheTokensOfAllTargets(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/orders/", Target: session.Target{Audience: "orders"}},
		Route{Path: "/trade/", Token: ExchangedToken, Target: session.Target{Audience: "ledger"}})
	g := c.signIn(t)
	roles := func(path string) string {
		wants(t, g.get(t, path), 200, "")
		return fmt.Sprint(tokenOf(t, c.up.last(t))["jti"])
	}
	orders, ledger := roles("/orders/"), roles("/trade/")
	if roles("/orders/") != orders || roles("/trade/") != ledger {
		t.Fatal("the tokens are not kept")
	}
	wants(t, g.do(g.request(t, http.MethodPost, "/bff/refresh", nil)), 200, "")
	if roles("/orders/") == orders || roles("/trade/") == ledger {
		t.Error("a token of before the refresh went out")
	}
}

func TestAClientsTokenIsOneForEverybody(t *testing.T) {
	c := newCounter(t, nil,
		Route{Path: "/machine/", Access: Public, Token: ClientToken, Target: session.Target{Audience: "machine", Scope: "read"}},
		Route{Path: "/members/", Token: ClientToken, Target: session.Target{Audience: "machine", Scope: "read"}},
	)
	g, other := c.signIn(t), c.stranger()
	var all sync.WaitGroup
	for range 25 {
		all.Go(func() { wants(t, other.get(t, "/machine/"), 200, "") })
		all.Go(func() { wants(t, g.get(t, "/members/"), 200, "") })
	}
	all.Wait()
	claims := tokenOf(t, c.up.last(t))
	if claims["sub"] != "app" || claims["aud"] != "machine" || claims["scope"] != "read" {
		t.Errorf("the API got %v", claims)
	}
	if s := c.provider.Stats(); s.ClientTokens != 1 || s.Refreshes != 0 {
		t.Errorf("%d client tokens, %d refreshes", s.ClientTokens, s.Refreshes)
	}
	wants(t, other.get(t, "/members/"), 401, NoSession)
}

// The gateway's own token is as good a prize as a user's.
func TestNoForeignPageUsesTheClientsToken(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/machine/", Access: Public, Token: ClientToken}, Route{Path: "/mixed/", Access: Optional, Token: UserOrClientToken})
	for _, path := range []string{"/machine/", "/mixed/"} {
		r := c.stranger().request(t, http.MethodGet, path, nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		wants(t, c.stranger().do(r), 403, CSRFFailed)
	}
	if c.up.hits() != 0 || c.provider.Stats().ClientTokens != 0 {
		t.Error("a foreign page got through")
	}
}

func TestAClientThatIsRefusedIsNobodysLogout(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/machine/", Access: Public, Token: ClientToken, Target: session.Target{Audience: "x"}}, Route{Path: "/plain/"})
	c.provider.Adjust(func(k *devidp.Knobs) { k.Audiences = []string{"y"} })
	g := c.signIn(t)
	for range 2 {
		wants(t, c.stranger().get(t, "/machine/"), 502, WrongAudience)
	}
	if s := c.provider.Stats(); s.Refused != 1 {
		t.Errorf("asked %d times", s.Refused)
	}
	wants(t, g.get(t, "/plain/"), 200, "")
}

func TestADeadSessionIsNeverServedAsNobodys(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/mixed/", Access: Optional, Token: UserOrClientToken}, Route{Path: "/open/", Access: Public, Token: UserOrClientToken})
	for _, path := range []string{"/mixed/", "/open/"} {
		g := c.signIn(t)
		wants(t, c.stranger().get(t, path), 200, "")
		if sub := tokenOf(t, c.up.last(t))["sub"]; sub != "app" {
			t.Errorf("without a ticket the API sees %v", sub)
		}
		wants(t, g.get(t, path), 200, "")
		if sub := tokenOf(t, c.up.last(t))["sub"]; sub != "alice" {
			t.Errorf("with a ticket the API sees %v", sub)
		}
		before := c.up.hits()
		if err := g.session.End(t.Context(), session.IdleLimit); err != nil {
			t.Fatal(err)
		}
		wants(t, g.get(t, path), 401, SessionExpired)
		forged := &guest{counter: c, ticket: "nonsense"}
		wants(t, forged.get(t, path), 401, NoSession)
		if c.up.hits() != before {
			t.Error("a dead session was served with the client's token")
		}
	}
}

func TestATokenIsTradedOncePerSessionAndTarget(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/trade/", Access: Optional, Token: ExchangedToken, Target: session.Target{Audience: "ledger", Scope: "ledger:read"}})
	g, other := c.signIn(t), c.signIn(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { wants(t, g.get(t, "/trade/"), 200, "") })
	}
	all.Wait()
	claims := tokenOf(t, c.up.last(t))
	if claims["aud"] != "ledger" || claims["scope"] != "ledger:read" || claims["sub"] != "alice" {
		t.Errorf("the API got %v", claims)
	}
	g.expire(t) // the subject token; what it was traded for lives on
	wants(t, g.get(t, "/trade/"), 200, "")
	if s := c.provider.Stats(); s.TokenExchanges != 1 || s.Refreshes != 0 {
		t.Errorf("%d exchanges, %d refreshes", s.TokenExchanges, s.Refreshes)
	}
	wants(t, other.get(t, "/trade/"), 200, "")
	if s := c.provider.Stats(); s.TokenExchanges != 2 {
		t.Error("two sessions share a token")
	}
	wants(t, c.stranger().get(t, "/trade/"), 200, "")
	if got := c.up.last(t).Header.Get("Authorization"); got != "" {
		t.Errorf("a stranger has %q", got)
	}
	if err := g.session.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	before := c.up.hits()
	wants(t, g.get(t, "/trade/"), 200, "") // access optional: anonymous
	if got := c.up.last(t).Header.Get("Authorization"); got != "" || c.up.hits() != before+1 {
		t.Errorf("after the logout the API gets %q", got)
	}
}

func TestATradeThatBringsNoBearerTokenIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*devidp.Knobs){
		"N_A":          func(k *devidp.Knobs) { k.TokenType = "N_A" },
		"an ID token":  func(k *devidp.Knobs) { k.IssuedTokenType = "urn:ietf:params:oauth:token-type:id_token" },
		"another's":    func(k *devidp.Knobs) { k.Audiences, k.AudienceFallback = []string{"x"}, true },
		"for no known": func(k *devidp.Knobs) { k.Audiences = []string{"x"} },
	} {
		c := newCounter(t, nil, Route{Path: "/trade/", Token: ExchangedToken, Target: session.Target{Audience: "ledger"}}, Route{Path: "/plain/"})
		g := c.signIn(t)
		c.provider.Adjust(spoil)
		wants(t, g.get(t, "/trade/"), 502, WrongAudience)
		wants(t, g.get(t, "/plain/"), 200, "")
		if c.up.hits() != 1 {
			t.Errorf("%s: it reached the API", name)
		}
	}
}

// Some providers end an access token before its time. The session has a new one made.
func TestASubjectTokenThatTheProviderEndedIsRenewed(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/trade/", Token: ExchangedToken, Target: session.Target{Audience: "ledger"}}, Route{Path: "/orders/", Target: session.Target{Audience: "orders"}})
	c.provider.Adjust(func(k *devidp.Knobs) { k.RefreshKillsOldAccessTokens = true })
	g := c.signIn(t)
	wants(t, g.get(t, "/orders/"), 200, "") // which ends the token of the login
	wants(t, g.get(t, "/trade/"), 200, "")
	if s := c.provider.Stats(); s.TokenExchanges != 1 || s.Refreshes != 2 || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
}

func TestTokensOfAllKindsAreNeverLogged(t *testing.T) {
	log := &buffer{}
	c := newCounter(t, nil, Route{Path: "/machine/", Access: Public, Token: ClientToken}, Route{Path: "/trade/", Token: ExchangedToken, Target: session.Target{Audience: "a"}})
	c.gateway.cfg.Log = slog.New(slog.NewJSONHandler(log, nil))
	g := c.signIn(t)
	for _, path := range []string{"/machine/", "/trade/"} {
		wants(t, g.get(t, path), 200, "")
	}
	text := log.String()
	if !strings.Contains(text, "/trade/") {
		t.Fatal("nothing was logged")
	}
	if i := slices.IndexFunc(c.provider.Tokens(), func(s string) bool { return strings.Contains(text, s) }); i >= 0 {
		t.Error("a token stands in the log")
	}
}

func TestAStrangerIsNotToldOfASession(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/machine/", Access: Public, Token: ClientToken}, Route{Path: "/members/", Token: ClientToken})
	g := c.signIn(t)
	c.provider.Adjust(func(k *devidp.Knobs) { k.Down = true })
	w := c.stranger().get(t, "/machine/")
	wants(t, w, 503, IDPUnavailable)
	if strings.Contains(w.Body.String(), "signed in") || w.Header().Get("Retry-After") == "" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	if w = g.get(t, "/members/"); w.Code != 503 || !strings.Contains(w.Body.String(), "still signed in") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
