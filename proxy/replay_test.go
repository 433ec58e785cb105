package proxy

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/session"
)

// promote gives everybody another role, as a rule at the provider would.
func promote(role string) func(*devidp.Knobs) {
	return func(k *devidp.Knobs) {
		k.ClaimsScript = func(_ context.Context, _ string, claims map[string]any) error {
			maps.Copy(claims, map[string]any{"roles": []any{role}})
			return nil
		}
	}
}

// moody is an API that refuses tokens: as many of the next requests as one says, with one
// challenge.
type moody struct {
	refuse    atomic.Int64
	challenge atomic.Value // string
	mu        sync.Mutex
	bodies    []string // guarded by mu: of all requests, in order
}

func (m *moody) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	m.bodies = append(m.bodies, string(body))
	m.mu.Unlock()
	if m.refuse.Add(-1) >= 0 {
		if c, _ := m.challenge.Load().(string); c != "" {
			w.Header().Set("WWW-Authenticate", c)
		}
		w.Header().Set("X-From", "the API")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "the API refuses")
		return
	}
	_, _ = io.WriteString(w, "the API serves")
}

const invalidToken = `Bearer realm="api", error="invalid_token"`

// mood makes the API refuse the next n requests.
func (m *moody) mood(n int64, challenge string) {
	m.challenge.Store(challenge)
	m.refuse.Store(n)
}

func newMoody(t testing.TB, routes ...Route) (*moody, *counter) {
	t.Helper()
	if routes == nil {
		routes = []Route{{Path: "/api/"}}
	}
	m := &moody{}
	return m, newCounter(t, m.serve, routes...)
}

func TestARefusedTokenIsReplacedOnceAndTheRequestRepeated(t *testing.T) {
	for _, row := range []struct {
		name      string
		refuse    int64
		challenge string
		status    int
		calls     int
		refreshes int
	}{
		{"once", 1, invalidToken, 200, 2, 1},
		{"without an error", 1, `Bearer realm="api"`, 200, 2, 1},
		{"always", 9, invalidToken, 401, 2, 1},
		{"for its user's authentication", 1, `Bearer error="insufficient_user_authentication"`, 401, 1, 0},
		{"for its scope", 1, `Bearer error="insufficient_scope"`, 401, 1, 0},
		{"by another scheme", 1, `Basic realm="x"`, 401, 1, 0},
		{"without a challenge", 1, "", 401, 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, c := newMoody(t)
			g := c.signIn(t)
			m.mood(row.refuse, row.challenge)
			w := g.get(t, "/api/")
			if w.Code != row.status || c.up.hits() != row.calls || c.provider.Stats().Refreshes != row.refreshes {
				t.Errorf("%d after %d calls and %d refreshes", w.Code, c.up.hits(), c.provider.Stats().Refreshes)
			}
			if row.status == 401 && (w.Body.String() != "the API refuses" || w.Header().Get("X-From") != "the API" || w.Header().Get("Cloakroom-Error") != "") {
				t.Errorf("the API's own answer is changed: %v %s", w.Header(), w.Body)
			}
		})
	}
}

func TestThePathAndTheHeadersOfARepeatedRequestAreTheSame(t *testing.T) {
	m, c := newMoody(t, Route{Path: "/api/", SetHeaders: map[string]string{"X-User": "{claims.sub}"}})
	g := c.signIn(t)
	m.mood(1, invalidToken)
	r := g.request(t, http.MethodGet, "/api/a%20b?q=%zz", nil)
	r.Header.Set("X-Own", "kept")
	wants(t, g.do(r), 200, "")
	first, second := c.up.seen[0], c.up.seen[1]
	if first.RequestURI != second.RequestURI || second.Header.Get("X-User") != "alice" || second.Header.Get("X-Own") != "kept" {
		t.Errorf("%s %v, then %s %v", first.RequestURI, first.Header, second.RequestURI, second.Header)
	}
	if one, two := first.Header.Get("Authorization"), second.Header.Get("Authorization"); one == two || two == "" {
		t.Error("the same token came twice")
	}
}

func TestABodyThatCanBeRepeatedIsRepeatedWhole(t *testing.T) {
	for _, row := range []struct {
		name  string
		size  int
		spoil func(*http.Request)
		calls int
	}{
		{"short", 5, nil, 2},
		{"as long as is kept", replayable, nil, 2},
		{"longer", replayable + 1, nil, 1},
		{"of unknown length", 5, func(r *http.Request) { r.ContentLength = -1 }, 1},
		{"that waits for a word", 5, func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, 1},
		{"with trailers", 5, func(r *http.Request) { r.Trailer = http.Header{"X-Sum": nil} }, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, c := newMoody(t)
			g := c.signIn(t)
			m.mood(1, invalidToken)
			body := strings.Repeat("x", row.size-1) + "!"
			r := g.request(t, http.MethodPost, "/api/", strings.NewReader(body))
			if row.spoil != nil {
				row.spoil(r)
			}
			w := g.do(r)
			if c.up.hits() != row.calls || (w.Code == 200) != (row.calls == 2) {
				t.Fatalf("%d after %d calls", w.Code, c.up.hits())
			}
			for i, got := range m.bodies {
				if got != body {
					t.Errorf("call %d had a body of %d bytes", i, len(got))
				}
			}
			// Whoever sends it again finds a fresh token.
			if n := c.provider.Stats().Refreshes; n != 1 {
				t.Errorf("%d refreshes", n)
			}
		})
	}
}

func TestABodyThatBreaksOffReachesNobody(t *testing.T) {
	_, c := newMoody(t)
	g := c.signIn(t)
	r := g.request(t, http.MethodPost, "/api/", io.MultiReader(strings.NewReader("half"), brokenReader{}))
	r.ContentLength = 100
	wants(t, g.do(r), 400, BadRequest)
	if c.up.hits() != 0 {
		t.Error("half a body reached the API")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestFiftyRefusedRequestsAreOneRefresh(t *testing.T) {
	var bad string
	var arrived atomic.Int64
	gate := make(chan struct{})
	c := newCounter(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+bad {
			return
		}
		if arrived.Add(1) == 50 {
			close(gate)
		}
		<-gate // all have gone out with the old token
		w.Header().Set("WWW-Authenticate", invalidToken)
		w.WriteHeader(http.StatusUnauthorized)
	}, Route{Path: "/api/"})
	g := c.signIn(t)
	bad = string(g.session.State().Grant.Access[session.Target{}].Token)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { wants(t, g.get(t, "/api/"), 200, "") })
	}
	all.Wait()
	if s := c.provider.Stats(); s.Refreshes != 1 || c.up.hits() != 100 {
		t.Errorf("%d refreshes, %d calls", s.Refreshes, c.up.hits())
	}
}

// A token that was made a moment ago for this very request is not replaced: the API has
// something against the next one, too.
func TestATokenThatWasMadeForTheRequestIsNotReplaced(t *testing.T) {
	m, c := newMoody(t, Route{Path: "/api/"}, Route{Path: "/machine/", Access: Public, Token: ClientToken}, Route{Path: "/trade/", Token: ExchangedToken})
	g := c.signIn(t)
	g.expire(t)
	for path, want := range map[string]int{"/api/": 1, "/machine/": 1} {
		m.mood(1, invalidToken)
		before := c.up.hits()
		if w := g.get(t, path); w.Code != 401 || c.up.hits()-before != want {
			t.Errorf("%s: %d after %d calls", path, w.Code, c.up.hits()-before)
		}
	}
	if s := c.provider.Stats(); s.Refreshes != 1 || s.ClientTokens != 1 {
		t.Errorf("%d refreshes, %d client tokens", s.Refreshes, s.ClientTokens)
	}
}

func TestAnAPIThatRefusesEverythingCausesFewRefreshes(t *testing.T) {
	m, c := newMoody(t, Route{Path: "/api/"}, Route{Path: "/machine/", Access: Public, Token: ClientToken}, Route{Path: "/trade/", Token: ExchangedToken, Target: session.Target{Audience: "x"}})
	g := c.signIn(t)
	for _, path := range []string{"/api/", "/machine/", "/trade/"} {
		wants(t, g.get(t, path), 200, "")
	}
	m.mood(1000, invalidToken)
	for range 10 {
		for _, path := range []string{"/api/", "/machine/", "/trade/"} {
			if w := g.get(t, path); w.Code != 401 || w.Header().Get("Cloakroom-Error") != "" {
				t.Errorf("%s: %d %v", path, w.Code, w.Header())
			}
		}
	}
	if s := c.provider.Stats(); s.Refreshes != 3 || s.ClientTokens != 4 || s.TokenExchanges != 4 {
		t.Errorf("%d refreshes, %d client tokens, %d exchanges", s.Refreshes, s.ClientTokens, s.TokenExchanges)
	}
}

func TestTheTokenThatIsReplacedIsTheRoutesOwn(t *testing.T) {
	m, c := newMoody(t,
		Route{Path: "/orders/", Target: session.Target{Audience: "orders"}},
		Route{Path: "/machine/", Access: Public, Token: ClientToken, Target: session.Target{Audience: "machine"}},
		Route{Path: "/trade/", Token: ExchangedToken, Target: session.Target{Audience: "ledger"}},
		Route{Path: "/none/", Token: NoToken},
		Route{Path: "/pass/", Access: Public, Token: Passthrough},
	)
	g := c.signIn(t)
	for path, audience := range map[string]string{"/orders/": "orders", "/machine/": "machine", "/trade/": "ledger"} {
		wants(t, g.get(t, path), 200, "")
		m.mood(1, invalidToken)
		wants(t, g.get(t, path), 200, "")
		if got := tokenOf(t, c.up.last(t))["aud"]; got != audience {
			t.Errorf("%s got a token for %v", path, got)
		}
	}
	before := c.up.hits()
	for _, path := range []string{"/none/", "/pass/"} {
		m.mood(1, invalidToken)
		if w := g.get(t, path); w.Code != 401 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if c.up.hits()-before != 2 {
		t.Error("a request without a token of ours was repeated")
	}
}

func TestWhenNoTokenIsToBeHadTheAPIsAnswerStands(t *testing.T) {
	m, c := newMoody(t)
	g := c.signIn(t)
	c.provider.Adjust(func(k *devidp.Knobs) { k.Down = true })
	m.mood(1, invalidToken)
	if w := g.get(t, "/api/"); w.Code != 401 || w.Body.String() != "the API refuses" || w.Header().Get("Cloakroom-Error") != "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// Nobody was logged out by that.
	if g.session.State().Ended != "" {
		t.Error("the session has ended")
	}
}

func TestASessionThatTurnsOutToBeOverIsOver(t *testing.T) {
	m, c := newMoody(t)
	g := c.signIn(t)
	c.provider.RevokeSubject("alice")
	m.mood(1, invalidToken)
	w := g.get(t, "/api/")
	wants(t, w, 401, SessionExpired)
	if !strings.Contains(w.Header().Get("Set-Cookie"), "cloakroom=;") || strings.Contains(w.Body.String(), "the API") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	other := c.signIn(t)
	c.provider.Adjust(func(k *devidp.Knobs) { k.MFARequired = true })
	m.mood(1, invalidToken)
	wants(t, other.get(t, "/api/"), 401, InteractionRequired)
}

func TestAWebSocketIsRepeatedBeforeItIsOne(t *testing.T) {
	var refused atomic.Bool
	c := newCounter(t, func(w http.ResponseWriter, r *http.Request) {
		if refused.CompareAndSwap(false, true) {
			w.Header().Set("WWW-Authenticate", invalidToken)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		echo(w, r)
	}, Route{Path: "/ws"})
	g := c.signIn(t)
	f := &front{addr: strings.TrimPrefix(strings.Replace(c.url, "localhost", "127.0.0.1", 1), "http://")}
	res, conn := f.rawConn(t, "GET /ws HTTP/1.1\r\nHost: "+strings.TrimPrefix(c.url, "http://")+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Origin: "+c.url+"\r\nCookie: cloakroom="+g.ticket+"\r\n\r\n")
	if res.StatusCode != 101 {
		t.Fatal(res.Status, res.Header)
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(conn, "ping")
	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, []byte("ping")) {
		t.Errorf("%q, %v", got, err)
	}
	if n := c.provider.Stats().Refreshes; n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func TestAReplayIsToldToTheObserver(t *testing.T) {
	var replayed atomic.Int64
	m, c := newMoody(t)
	c.gateway.cfg.Observe = func(s Served) {
		if s.Replayed {
			replayed.Add(1)
		}
	}
	g := c.signIn(t)
	wants(t, g.get(t, "/api/"), 200, "")
	m.mood(1, invalidToken)
	wants(t, g.get(t, "/api/"), 200, "")
	if replayed.Load() != 1 {
		t.Errorf("told of %d", replayed.Load())
	}
}
