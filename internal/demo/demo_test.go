package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/demo"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// gateway is what stands in front of the Backend in these tests: it holds one session, of
// alice in the browser b1.
type gateway struct {
	mu      sync.Mutex
	held    demo.Holding
	expired []demo.Browser
	err     error
}

func (g *gateway) Holding(_ context.Context, b demo.Browser) (demo.Holding, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held, b == demo.Browser{Subject: "alice", Session: "b1"}, g.err
}

func (g *gateway) Expire(_ context.Context, b demo.Browser) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expired = append(g.expired, b)
	return g.err
}

// bench is a Backend with everything around it.
type bench struct {
	*demo.Backend
	gateway  *gateway
	provider *provider
	idp      *devidp.Provider // what the desk breaks, in the tests about that
	down     atomic.Bool      // that it did, in the others
	ahead    atomic.Int64     // nanoseconds: the Backend's clock
}

// newBench has no provider behind its issuer: nobody calls the API here.
func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchFor(t, "http://127.0.0.1:1", nil)
}

// newAPIBench has a provider whose tokens the API knows.
func newAPIBench(t testing.TB) *bench {
	t.Helper()
	p := newProvider(t)
	b := newBenchFor(t, p.URL, nil)
	b.provider = p
	return b
}

func newBenchFor(t testing.TB, issuer string, idp *devidp.Provider) *bench {
	t.Helper()
	b := &bench{gateway: new(gateway)}
	outage := b.down.Store
	if idp != nil {
		b.idp, outage = idp, demo.Outage(idp)
	}
	now := func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }
	backend, err := demo.New(demo.Config{Issuer: issuer, Outage: outage, Gateway: b.gateway, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	b.Backend = backend
	return b
}

// ask sends a request as the gateway would; header is name, value, and so on.
func (b *bench) ask(t *testing.T, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// alice is the header that the gateway sets on alice's requests to the desk.
func alice() []string {
	return []string{demo.SubjectHeader, "alice", demo.SessionHeader, "b1"}
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Fatalf("Content-Type %q of %d %s", got, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	outage := func(bool) {}
	for name, cfg := range map[string]demo.Config{
		"no issuer":       {Outage: outage, Gateway: new(gateway)},
		"issuer, no host": {Issuer: "alice", Outage: outage, Gateway: new(gateway)},
		"no outage":       {Issuer: "http://127.0.0.1:1", Gateway: new(gateway)},
		"no gateway":      {Issuer: "http://127.0.0.1:1", Outage: outage},
	} {
		if _, err := demo.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "demo: ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAnUnknownPathIsToldWhatThereIs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, path := range []string{"/api/", "/api/other", "/demo/", "/demo/other"} {
		if w := b.ask(t, http.MethodGet, path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "/api/hello") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

type state struct {
	Now    int64  `json:"now"`
	User   string `json:"user"`
	Number int    `json:"number"`
	Cookie *struct {
		Name  string `json:"name"`
		Bytes int    `json:"bytes"`
	} `json:"cookie"`
	Holds *struct {
		AccessExpires int64  `json:"access_expires"`
		RefreshToken  bool   `json:"refresh_token"`
		Refreshes     uint64 `json:"refreshes"`
	} `json:"holds"`
	Provider struct {
		Up     bool    `json:"up"`
		BackIn float64 `json:"back_in"`
	} `json:"provider"`
	Events []struct {
		Seq  int    `json:"seq"`
		Kind string `json:"kind"`
		OK   bool   `json:"ok"`
		Took int64  `json:"took_ms"`
	} `json:"events"`
}

func TestTheDeskTellsWhatTheGatewayHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	expires := time.UnixMilli(1_900_000_000_000)
	b.gateway.held = demo.Holding{AccessExpires: expires, RefreshToken: true, Refreshes: 7}
	s := decode[state](t, b.ask(t, http.MethodGet, "/demo/state", alice()...))
	if s.User != "alice" || s.Holds == nil || s.Holds.AccessExpires != expires.UnixMilli() || s.Holds.Refreshes != 7 || !s.Holds.RefreshToken {
		t.Errorf("state %+v, holds %+v", s, s.Holds)
	}
	if !s.Provider.Up {
		t.Error("the provider is down before anybody broke it")
	}
	if s := decode[state](t, b.ask(t, http.MethodGet, "/demo/state", demo.SubjectHeader, "bob")); s.Holds != nil {
		t.Errorf("bob has no session, but holds %+v", s.Holds)
	}
}

func TestTheDeskServesNobodyWhomTheGatewayDoesNotName(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range [][2]string{{http.MethodGet, "/demo/state"}, {http.MethodPost, "/demo/expire"}, {http.MethodPost, "/demo/break"}} {
		if w := b.ask(t, c[0], c[1]); w.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d", c[0], c[1], w.Code)
		}
	}
	if len(b.gateway.expired) != 0 || b.down.Load() {
		t.Error("the desk did it all the same")
	}
}

// The Backend listens on loopback, where a page from anywhere can send a form.
func TestTheDeskBelievesNoOtherSite(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, path := range []string{"/demo/expire", "/demo/break"} {
		w := b.ask(t, http.MethodPost, path, append(alice(), "Sec-Fetch-Site", "cross-site")...)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if len(b.gateway.expired) != 0 || b.down.Load() {
		t.Error("the desk did it all the same")
	}
}

func TestExpireIsForTheBrowserThatAsks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if w := b.ask(t, http.MethodPost, "/demo/expire", append(alice(), "Sec-Fetch-Site", "same-origin")...); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if want := (demo.Browser{Subject: "alice", Session: "b1"}); len(b.gateway.expired) != 1 || b.gateway.expired[0] != want {
		t.Errorf("expired %v", b.gateway.expired)
	}
	s := decode[state](t, b.ask(t, http.MethodGet, "/demo/state", alice()...))
	if len(s.Events) != 1 || s.Events[0].Kind != "expired" {
		t.Errorf("events %+v", s.Events)
	}
}

func TestAGatewayThatFailsIsAnErrorWithoutTheDetail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.gateway.err = errors.New("bolt: secret detail")
	for _, c := range [][2]string{{http.MethodGet, "/demo/state"}, {http.MethodPost, "/demo/expire"}} {
		if w := b.ask(t, c[0], c[1], alice()...); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "detail") {
			t.Errorf("%s: %d %s", c[1], w.Code, w.Body)
		}
	}
}

func TestTheTimelineIsOnesOwnAndNumbered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Observe(demo.Event{Subject: "bob", Kind: demo.SignedIn, OK: true})
	b.Observe(demo.Event{Subject: "alice", Kind: demo.SignedIn, OK: true})
	b.Observe(demo.Event{Subject: "bob", Kind: demo.Refreshed, OK: true})
	b.Observe(demo.Event{Subject: "alice", Kind: demo.Refreshed, Took: 12 * time.Millisecond})
	s := decode[state](t, b.ask(t, http.MethodGet, "/demo/state", alice()...))
	if s.Number != 2 {
		t.Errorf("alice signed in second and has ticket %d", s.Number)
	}
	if len(s.Events) != 2 || s.Events[0].Seq >= s.Events[1].Seq || s.Events[1].Kind != "refreshed" || s.Events[1].OK || s.Events[1].Took != 12 {
		t.Errorf("alice's events: %+v", s.Events)
	}
}

func TestTheTimelineForgets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 1000 {
		b.Observe(demo.Event{Subject: "alice", Kind: demo.Refreshed, OK: true})
	}
	s := decode[state](t, b.ask(t, http.MethodGet, "/demo/state", alice()...))
	if n := len(s.Events); n != 256 || s.Events[n-1].Seq != 1000 {
		t.Errorf("%d events, the last is %+v", n, s.Events[n-1])
	}
}

func TestTheDoorTellsTheTicketsSizeAndNotTheTicket(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Observe(demo.Event{}) // nothing of it may break the state
	gateway := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if name != "Cookie" && strings.Contains(strings.Join(values, " "), "the-ticket") {
				t.Errorf("the ticket stands in %s", name)
			}
		}
		r.Header.Del("Cookie") // as the gateway does
		r.Header.Set(demo.SubjectHeader, "alice")
		b.ServeHTTP(w, r)
	})
	through := func(header ...string) state {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/demo/state", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		demo.Door("cloakroom", gateway).ServeHTTP(w, r)
		return decode[state](t, w)
	}
	s := through("Cookie", "theme=dark; cloakroom=the-ticket")
	if s.Cookie == nil || s.Cookie.Name != "cloakroom" || s.Cookie.Bytes != len("cloakroom=the-ticket") {
		t.Errorf("cookie %+v", s.Cookie)
	}
	if s := through("X-Demo-Cookie", "name=forged&bytes=1"); s.Cookie != nil {
		t.Errorf("a client wrote the header itself and was believed: %+v", s.Cookie)
	}
}
