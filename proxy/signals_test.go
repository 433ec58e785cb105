package proxy

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// tower is a house that takes security events, and their transmitter.
type tower struct {
	*party
	url  string
	key  *rsa.PrivateKey
	down atomic.Bool // the transmitter's own endpoints

	mu      sync.Mutex
	signals []Signal  // guarded by mu
	refused []Refusal // guarded by mu
}

func newTower(t *testing.T, adjust ...func(*Config)) *tower {
	t.Helper()
	w := &tower{}
	var err error
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body := any(map[string]any{"issuer": w.url, "jwks_uri": w.url + "/keys"})
		switch {
		case w.down.Load():
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.URL.Path == "/keys":
			body = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: w.key.Public(), KeyID: "k", Use: "sig", Algorithm: "RS256"}}}
		case r.URL.Path != "/.well-known/ssf-configuration":
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		if err := json.NewEncoder(rw).Encode(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	w.party = newParty(t, append([]func(*Config){func(c *Config) {
		receiver, err := oidc.NewReceiver(oidc.ReceiverConfig{Issuer: w.url}, c.Provider)
		if err != nil {
			t.Fatal(err)
		}
		c.Signals = Signals{Receiver: receiver, Effects: map[string]Effect{
			"session-revoked": EndSessions, "account-disabled": EndSessions, "token-claims-change": RefreshSessions,
		}}
		c.Signalled = func(s Signal) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.signals = append(w.signals, s)
		}
		c.Refused = func(r Refusal) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused = append(w.refused, r)
		}
	}}, adjust...)...)
	return w
}

// outcomes are those of the events so far.
func (w *tower) outcomes() (all []SignalOutcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.signals {
		all = append(all, s.Outcome)
	}
	return all
}

const (
	revoked  = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	claimed  = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
	disabled = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
)

// event signs a token with one event, and then whatever change makes of it.
func (w *tower) event(t testing.TB, uri string, subject map[string]any, change func(claims map[string]any)) string {
	t.Helper()
	payload := map[string]any{}
	if uri == claimed {
		payload["claims"] = map[string]any{"role": "reader"}
	}
	claims := map[string]any{
		"iss": w.url, "aud": "app", "iat": time.Now().Unix(), "jti": rand.Text(), "sub_id": subject, "events": map[string]any{uri: payload},
	}
	if change != nil {
		change(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: w.key, KeyID: "k"}}, new(jose.SignerOptions).WithType("secevent+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// push delivers a token as a transmitter does: no cookie, no fetch metadata.
func (w *tower) push(ctx context.Context, token string, header ...string) *http.Response {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, w.house.url+"/bff/signals", strings.NewReader(token))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.gateway.ServeHTTP(rec, r)
	return rec.Result()
}

func (w *tower) of(name string) map[string]any {
	return map[string]any{"format": "iss_sub", "iss": w.provider.URL, "sub": name}
}

// wantTaken checks that an event was acknowledged.
func wantTaken(t testing.TB, res *http.Response) {
	t.Helper()
	if body := readAll(t, res); res.StatusCode != http.StatusAccepted || body != "" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v %s", res.Status, res.Header, body)
	}
}

// wantEventError checks that an event was refused in the form of RFC 8935 §2.3.
func wantEventError(t testing.TB, res *http.Response, code string) {
	t.Helper()
	wantProblem(t, res, http.StatusBadRequest, BadRequest)
	if media, language := res.Header.Get("Content-Type"), res.Header.Get("Content-Language"); media != "application/json" || language != "en" {
		t.Errorf("%s in %s", media, language)
	}
	body := decode[map[string]any](t, res)
	if body["err"] != code || body["description"] == nil || body["description"] == "" || body["code"] != "bad_request" {
		t.Errorf("want %s: %v", code, body)
	}
	wantCookies(t, res, 0)
}

// wantEndedBy checks who is out, and why.
func (w *tower) wantEndedBy(t testing.TB, why session.Reason, names ...string) {
	t.Helper()
	for name, s := range w.sessions {
		want := session.Reason("")
		if slices.Contains(names, name) {
			want = why
		}
		if got := s.State().Ended; got != want {
			t.Errorf("%s: ended by %q, want %q", name, got, want)
		}
	}
}

func TestASecurityEventEndsTheSessionsThatItIsAbout(t *testing.T) {
	t.Parallel()
	opaque := func(id string) map[string]any { return map[string]any{"format": "opaque", "id": id} }
	for name, row := range map[string]struct {
		event   string
		subject func(w *tower) map[string]any
		want    []string
	}{
		"a user":                 {revoked, func(w *tower) map[string]any { return w.of("alice") }, []string{"laptop", "laptop's other profile", "phone"}},
		"a user who is disabled": {disabled, func(w *tower) map[string]any { return w.of("alice") }, []string{"laptop", "laptop's other profile", "phone"}},
		"a session":              {revoked, func(w *tower) map[string]any { return opaque(w.sid("phone")) }, []string{"phone"}},
		"a shared session":       {revoked, func(w *tower) map[string]any { return opaque(w.sid("laptop")) }, []string{"laptop", "laptop's other profile"}},
		"a user's session": {revoked, func(w *tower) map[string]any {
			return map[string]any{"format": "complex", "user": w.of("alice"), "session": opaque(w.sid("phone"))}
		}, []string{"phone"}},
		"another's session": {revoked, func(w *tower) map[string]any {
			return map[string]any{"format": "complex", "user": w.of("bob"), "session": opaque(w.sid("phone"))}
		}, nil},
		"one of a user's devices": {revoked, func(w *tower) map[string]any {
			return map[string]any{"format": "complex", "user": w.of("bob"), "device": opaque("d1")}
		}, []string{"bob"}},
		"nobody": {revoked, func(w *tower) map[string]any { return w.of("eve") }, nil},
		"somebody elsewhere": {revoked, func(*tower) map[string]any {
			return map[string]any{"format": "iss_sub", "iss": "https://other.example", "sub": "alice"}
		}, nil},
		"an unknown event":      {"urn:example:event", func(w *tower) map[string]any { return w.of("alice") }, nil},
		"one without an effect": {"https://schemas.openid.net/secevent/risc/event-type/account-enabled", func(w *tower) map[string]any { return w.of("alice") }, nil},
		"a verification":        {"https://schemas.openid.net/secevent/ssf/event-type/verification", func(*tower) map[string]any { return opaque("alice") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTower(t)
			wantTaken(t, w.push(t.Context(), w.event(t, row.event, row.subject(w), nil)))
			w.wantEndedBy(t, session.BySignal, row.want...)
			if got := w.outcomes(); len(got) != 1 || got[0] != SignalEnded && row.want != nil {
				t.Errorf("told %v", got)
			}
			if got := w.signals[0]; got.Sessions != len(row.want) || got.Issuer != w.url || got.Type != row.event {
				t.Errorf("told %+v", got)
			}
		})
	}
}

func TestABadSecurityEventChangesNothing(t *testing.T) {
	t.Parallel()
	w := newTower(t)
	good := w.event(t, revoked, w.of("alice"), nil)
	for name, row := range map[string]struct{ token, code string }{
		"hello":             {"hello", oidc.InvalidRequest},
		"nothing":           {"", oidc.InvalidRequest},
		"a form":            {"token=" + good, oidc.InvalidRequest},
		"unsigned":          {"eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQrand0In0." + strings.Split(good, ".")[1] + ".", oidc.InvalidKey},
		"cut off":           {good[:len(good)-8], oidc.InvalidKey},
		"misaddressed":      {w.event(t, revoked, w.of("alice"), func(c map[string]any) { c["aud"] = "other" }), oidc.InvalidAudience},
		"of somebody else":  {w.event(t, revoked, w.of("alice"), func(c map[string]any) { c["iss"] = "https://evil.example" }), oidc.InvalidIssuer},
		"of last month":     {w.event(t, revoked, w.of("alice"), func(c map[string]any) { c["iat"] = time.Now().AddDate(0, -1, 0).Unix() }), oidc.InvalidRequest},
		"without a subject": {w.event(t, revoked, nil, nil), oidc.InvalidRequest},
		"an ID token":       {w.sessions["phone"].State().Grant.IDToken.Reveal(), oidc.InvalidKey},
	} {
		t.Log(name)
		wantEventError(t, w.push(t.Context(), row.token), row.code)
	}
	w.wantEndedBy(t, "")
	if len(w.outcomes()) != 0 || len(w.refused) != 10 || w.refused[0].Kind != SignalRefused {
		t.Errorf("told of %v and %+v", w.outcomes(), w.refused)
	}
	wantTaken(t, w.push(t.Context(), good))
}

func TestASecurityEventComesAsABodyOfItsOwnType(t *testing.T) {
	t.Parallel()
	w := newTower(t)
	good := w.event(t, revoked, w.of("alice"), nil)
	for _, media := range []string{"", "application/json", "application/x-www-form-urlencoded", "application/jwt", "text/plain", ";"} {
		wantEventError(t, w.push(t.Context(), good, "Content-Type", media), oidc.InvalidRequest)
	}
	wantProblem(t, w.push(t.Context(), strings.Repeat("x", maxEventToken+1)), http.StatusRequestEntityTooLarge, BodyTooLarge)
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		rec := httptest.NewRecorder()
		w.gateway.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, w.house.url+"/bff/signals", nil))
		wantProblem(t, rec.Result(), http.StatusMethodNotAllowed, MethodNotAllowed)
	}
	w.wantEndedBy(t, "")
	wantTaken(t, w.push(t.Context(), good, "Content-Type", "Application/SecEvent+JWT; charset=utf-8"))
}

func TestWithoutATransmitterThereIsNoSuchEndpoint(t *testing.T) {
	t.Parallel()
	w := newTower(t, func(c *Config) { c.Signals = Signals{} })
	wantProblem(t, w.push(t.Context(), w.event(t, revoked, w.of("alice"), nil)), http.StatusNotFound, NotFound)
	w.wantEndedBy(t, "")
}

func TestAPushNeedsTheHeaderThatWasAgreedOn(t *testing.T) {
	t.Parallel()
	w := newTower(t, func(c *Config) { c.Signals.Authorization = "Bearer agreed" })
	good := w.event(t, revoked, w.of("alice"), nil)
	for _, header := range []string{"", "Bearer", "Bearer agree", "Bearer agreed ", "bearer agreed", "Basic agreed"} {
		wantEventError(t, w.push(t.Context(), good, "Authorization", header), "authentication_failed")
	}
	w.wantEndedBy(t, "")
	wantTaken(t, w.push(t.Context(), good, "Authorization", "Bearer agreed"))
	w.wantEndedBy(t, session.BySignal, "laptop", "laptop's other profile", "phone")
}

// The transmitter may not have got our answer (RFC 8935 §2).
func TestARepeatedEventIsAcknowledgedAndDoesNothing(t *testing.T) {
	t.Parallel()
	w := newTower(t)
	token := w.event(t, revoked, w.of("bob"), nil)
	wantTaken(t, w.push(t.Context(), token))
	s, _, err := w.house.sessions.Begin(t.Context(), startOf(session.Grant{Issuer: w.provider.URL, ClientID: "app", Subject: "bob", IssuedAt: time.Now().Add(-time.Second).Truncate(time.Second)}))
	if err == nil {
		t.Fatalf("a login from before the event began: %v", s.State())
	}
	again, _, err := w.house.sessions.Begin(t.Context(), startOf(session.Grant{Issuer: w.provider.URL, ClientID: "app", Subject: "bob", IssuedAt: time.Now().Add(2 * time.Second)}))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantTaken(t, w.push(t.Context(), token))
	}
	if again.State().Ended != "" {
		t.Errorf("ended by %s", again.State().Ended)
	}
	if got := w.outcomes(); !slices.Equal(got, []SignalOutcome{SignalEnded, SignalRepeated, SignalRepeated, SignalRepeated}) {
		t.Errorf("told %v", got)
	}
}

// Whatever was away, the same token does its work later.
func TestAnEventThatCouldNotBeCarriedOutComesAgain(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		away func(w *tower) *atomic.Bool
		code Code
	}{
		"the keys":  {func(w *tower) *atomic.Bool { return &w.down }, IDPUnavailable},
		"the store": {func(w *tower) *atomic.Bool { return &w.store.away }, StoreUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTower(t)
			token := w.event(t, revoked, w.of("alice"), nil)
			row.away(w).Store(true)
			res := w.push(t.Context(), token)
			wantProblem(t, res, http.StatusServiceUnavailable, row.code)
			if res.Header.Get("Retry-After") == "" || len(w.refused) != 0 {
				t.Errorf("%v, told %+v", res.Header, w.refused)
			}
			row.away(w).Store(false)
			w.wantEndedBy(t, "")
			for range 100 { // the transmitter is asked twice a second
				if res = w.push(t.Context(), token); res.StatusCode == http.StatusAccepted {
					break
				}
				<-time.After(20 * time.Millisecond)
			}
			wantTaken(t, res)
			w.wantEndedBy(t, session.BySignal, "laptop", "laptop's other profile", "phone")
		})
	}
}

func TestASessionWhoseClaimsHaveChangedRefreshesBeforeItsNextCall(t *testing.T) {
	t.Parallel()
	w := newTower(t, func(c *Config) {
		c.Routes = append(c.Routes, Route{Path: "/plain/", Upstream: c.Routes[0].Upstream, Token: NoToken})
	})
	b := w.browser(t)
	b.signIn(t, "bob", "/")
	both, other := w.live(t, "bob"), w.sessions["phone"]
	own := both[slices.IndexFunc(both, func(s *session.Session) bool { return s != w.sessions["bob"] })]
	wantTaken(t, w.push(t.Context(), w.event(t, claimed, w.of("bob"), nil)))
	for range 3 {
		if res := b.fetch(t, http.MethodGet, "/api/x"); res.StatusCode != http.StatusOK || own.State().Grant.Generation != 1 {
			t.Errorf("%s after %d refreshes, want one", res.Status, own.State().Grant.Generation)
		}
	}
	if other.State().Outdated != 0 {
		t.Error("somebody else's session has to refresh, too")
	}

	w.provider.Adjust(func(k *devidp.Knobs) { k.Down = true })
	wantTaken(t, w.push(t.Context(), w.event(t, claimed, w.of("bob"), nil)))
	for _, path := range []string{"/api/x", "/plain/x", "/api/x"} {
		wantProblem(t, b.fetch(t, http.MethodGet, path), http.StatusServiceUnavailable, IDPUnavailable)
	}
	if !b.session(t).Authenticated {
		t.Error("he is signed out")
	}
}
