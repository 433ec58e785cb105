package proxy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// logoutToken makes the provider sign one.
func (h *house) logoutToken(t testing.TB, l devidp.LogoutToken) string {
	t.Helper()
	l.Client = "app"
	token, err := h.provider.NewLogoutToken(l)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// post sends a form as the provider's server does: no cookie, no fetch metadata.
func (h *house) post(t testing.TB, form string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/bff/backchannel-logout", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set("Accept", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2") // as Java does
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, r)
	return w.Result()
}

// tell posts a logout token.
func (h *house) tell(t testing.TB, l devidp.LogoutToken) *http.Response {
	t.Helper()
	return h.post(t, url.Values{"logout_token": {h.logoutToken(t, l)}, "unknown": {"member"}}.Encode())
}

// wantOut checks that a logout token was taken.
func wantOut(t testing.TB, res *http.Response) {
	t.Helper()
	if body := readAll(t, res); res.StatusCode != http.StatusOK || body != "" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v %s", res.Status, res.Header, body)
	}
}

// wantRefused checks that a logout token was not taken, in both forms that an error has.
func wantRefused(t testing.TB, res *http.Response, status int, code Code, oauth string) {
	t.Helper()
	wantProblem(t, res, status, code)
	body := decode[map[string]any](t, res)
	if res.Header.Get("Cache-Control") != "no-store" || body["error"] != oauth || body["error_description"] != body["detail"] {
		t.Errorf("%v %v", res.Header, body)
	}
	wantCookies(t, res, 0)
}

// party is three browsers of alice's: two of them in one session at the provider.
type party struct {
	*house
	sessions map[string]*session.Session
}

func newParty(t testing.TB, adjust ...func(*Config)) *party {
	t.Helper()
	p := &party{house: newHouse(t, adjust...), sessions: map[string]*session.Session{}}
	known := map[session.ID]bool{}
	signIn := func(name, login string, b *browser) {
		b.signIn(t, login, "/")
		for _, s := range p.live(t, login) {
			if !known[s.ID()] {
				known[s.ID()], p.sessions[name] = true, s
			}
		}
	}
	laptop := p.browser(t)
	second := p.browser(t)
	second.idp = laptop.idp
	signIn("laptop", "alice", laptop)
	signIn("laptop's other profile", "alice", second)
	signIn("phone", "alice", p.browser(t))
	signIn("bob", "bob", p.browser(t))
	return p
}

func (p *party) sid(name string) string { return p.sessions[name].State().Grant.ProviderSession }

// wantEnded checks who is out.
func (p *party) wantEnded(t testing.TB, names ...string) {
	t.Helper()
	for name, s := range p.sessions {
		var want session.Reason
		for _, n := range names {
			if n == name {
				want = session.ByProvider
			}
		}
		if got := s.State().Ended; got != want {
			t.Errorf("%s: ended by %q, want %q", name, got, want)
		}
	}
}

func TestALogoutTokenEndsWhatItNames(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		token func(p *party) devidp.LogoutToken
		want  []string
	}{
		"sid":         {func(p *party) devidp.LogoutToken { return devidp.LogoutToken{SID: p.sid("phone")} }, []string{"phone"}},
		"a shared":    {func(p *party) devidp.LogoutToken { return devidp.LogoutToken{SID: p.sid("laptop")} }, []string{"laptop", "laptop's other profile"}},
		"sid and sub": {func(p *party) devidp.LogoutToken { return devidp.LogoutToken{SID: p.sid("phone"), Subject: "alice"} }, []string{"phone"}},
		"sub":         {func(*party) devidp.LogoutToken { return devidp.LogoutToken{Subject: "alice"} }, []string{"laptop", "laptop's other profile", "phone"}},
		"plain typ": {func(p *party) devidp.LogoutToken {
			return devidp.LogoutToken{SID: p.sid("phone"), Fault: devidp.LogoutPlainType}
		}, []string{"phone"}},
		"no typ": {func(p *party) devidp.LogoutToken {
			return devidp.LogoutToken{SID: p.sid("phone"), Fault: devidp.LogoutTypeMissing}
		}, []string{"phone"}},
		"unknown sid": {func(*party) devidp.LogoutToken { return devidp.LogoutToken{SID: "nobody's", Subject: "alice"} }, nil},
		"unknown sub": {func(*party) devidp.LogoutToken { return devidp.LogoutToken{Subject: "eve"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t)
			wantOut(t, p.tell(t, row.token(p)))
			p.wantEnded(t, row.want...)
		})
	}
}

func TestABadLogoutTokenChangesNothing(t *testing.T) {
	t.Parallel()
	p := newParty(t)
	for _, fault := range []devidp.LogoutFault{
		devidp.LogoutForeignKey, devidp.LogoutAlgNone, devidp.LogoutWrongIssuer, devidp.LogoutWrongAudience, devidp.LogoutNoEvent,
		devidp.LogoutWrongEvent, devidp.LogoutWithNonce, devidp.LogoutExpired, devidp.LogoutStale, devidp.LogoutMissingJTI,
		devidp.LogoutMissingIssued, devidp.LogoutIDToken, devidp.LogoutAccessType,
	} {
		res := p.tell(t, devidp.LogoutToken{Subject: "alice", SID: p.sid("phone"), Fault: fault})
		wantRefused(t, res, http.StatusBadRequest, BadRequest, "invalid_request")
	}
	st := p.sessions["phone"].State()
	for name, token := range map[string]string{
		"nobody":          p.logoutToken(t, devidp.LogoutToken{}),
		"an ID token":     st.Grant.IDToken.Reveal(),
		"an access token": st.Grant.Access[session.Target{}].Token.Reveal(),
	} {
		t.Log(name)
		wantRefused(t, p.post(t, url.Values{"logout_token": {token}}.Encode()), http.StatusBadRequest, BadRequest, "invalid_request")
	}
	p.wantEnded(t)
}

func TestARefusedLogoutTokenIsTold(t *testing.T) {
	t.Parallel()
	h, told := guardedHouse(t)
	wantOut(t, h.tell(t, devidp.LogoutToken{Subject: "alice"}))
	h.tell(t, devidp.LogoutToken{Subject: "alice", Fault: devidp.LogoutForeignKey})
	h.store.away.Store(true)
	h.tell(t, devidp.LogoutToken{Subject: "alice"})
	if len(told) != 1 {
		t.Fatalf("told of %d refusals, want one", len(told))
	}
	if got := <-told; got.Kind != LogoutRefused || got.Code != BadRequest || got.Device.Address == "" || !errors.Is(got.Err, oidc.ErrLogoutToken) {
		t.Errorf("told %+v", got)
	}
}

func TestALogoutTokenComesInAFormAndOnce(t *testing.T) {
	t.Parallel()
	p := newParty(t)
	token := p.logoutToken(t, devidp.LogoutToken{Subject: "alice"})
	for name, row := range map[string]struct {
		query, media, body string
		status             int
		code               Code
	}{
		"nothing":       {"", "application/x-www-form-urlencoded", "", 400, BadRequest},
		"empty":         {"", "application/x-www-form-urlencoded", "logout_token=", 400, BadRequest},
		"in the query":  {"?logout_token=" + token, "application/x-www-form-urlencoded", "", 400, BadRequest},
		"twice":         {"", "application/x-www-form-urlencoded", "logout_token=" + token + "&logout_token=" + token, 400, BadRequest},
		"malformed":     {"", "application/x-www-form-urlencoded", "logout_token=" + token + "&%zz", 400, BadRequest},
		"JSON":          {"", "application/json", `{"logout_token":"` + token + `"}`, 400, BadRequest},
		"as plain text": {"", "text/plain", "logout_token=" + token, 400, BadRequest},
		"of no type":    {"", "", "logout_token=" + token, 400, BadRequest},
		"long":          {"", "application/x-www-form-urlencoded", "logout_token=" + token + "&pad=" + strings.Repeat("x", 1<<20), 413, BodyTooLarge},
		"long itself":   {"", "application/x-www-form-urlencoded", "logout_token=" + strings.Repeat("x", 20<<10), 400, BadRequest},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/bff/backchannel-logout"+row.query, strings.NewReader(row.body))
		if row.media != "" {
			r.Header.Set("Content-Type", row.media)
		}
		w := httptest.NewRecorder()
		p.gateway.ServeHTTP(w, r)
		if w.Code != row.status {
			t.Errorf("%s: %d, want %d", name, w.Code, row.status)
		}
		wantRefused(t, w.Result(), row.status, row.code, "invalid_request")
	}
	p.wantEnded(t)
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		r := httptest.NewRequestWithContext(t.Context(), method, p.url+"/bff/backchannel-logout?logout_token="+token, nil)
		w := httptest.NewRecorder()
		p.gateway.ServeHTTP(w, r)
		wantProblem(t, w.Result(), http.StatusMethodNotAllowed, MethodNotAllowed)
	}
	wantOut(t, p.post(t, "pad=1&pad=2&logout_token="+token))
}

func TestALogoutTokenWorksOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	sid := h.live(t, "alice")[0].State().Grant.ProviderSession
	form := url.Values{"logout_token": {h.logoutToken(t, devidp.LogoutToken{SID: sid, Subject: "alice"})}}.Encode()
	wantOut(t, h.post(t, form))
	wantProblem(t, b.fetch(t, http.MethodGet, "/api/x"), http.StatusUnauthorized, SessionExpired)

	// Alice signs in again; the provider has not ended its own session, so the sid is the same.
	h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = 5 * time.Second })
	b.signIn(t, "alice", "/")
	wantRefused(t, h.post(t, form), http.StatusBadRequest, BadRequest, "invalid_request")
	restarted := &desk{gateway: h.gateway, sessions: h.sessions, store: h.store}
	restarted.forget(t)
	h.gateway, h.sessions = restarted.gateway, restarted.sessions
	wantRefused(t, h.post(t, form), http.StatusBadRequest, BadRequest, "invalid_request")
	if left := h.live(t, "alice"); len(left) != 1 || left[0].State().Grant.ProviderSession != sid {
		t.Errorf("%d sessions live", len(left))
	}
}

func TestARepeatedTokenSparesALoginOfTheSameSecond(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Issued int64 `json:"iat"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"logout_token": {token}}.Encode()
	wantOut(t, h.post(t, form))
	s, _, err := h.sessions.Begin(t.Context(), startOf(session.Grant{Issuer: h.provider.URL, ClientID: "app", Subject: "alice", IssuedAt: time.Unix(claims.Issued, 0)}))
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, h.post(t, form), http.StatusBadRequest, BadRequest, "invalid_request")
	if got := s.State().Ended; got != "" {
		t.Errorf("ended by %q", got)
	}
}

func TestALoginThatIsNewerThanTheLogoutTokenStays(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, 50 * time.Second, -50 * time.Second} { // the provider's clock is not ours
		h := newHouse(t)
		h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = skew })
		b := h.browser(t)
		b.signIn(t, "alice", "/")
		old := h.live(t, "alice")[0]
		h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = skew + 2*time.Second })
		late := h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})
		h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = skew + 4*time.Second })
		h.browser(t).signIn(t, "alice", "/")
		wantOut(t, h.post(t, url.Values{"logout_token": {late}}.Encode()))
		left := h.live(t, "alice")
		if len(left) != 1 || old.State().Ended != session.ByProvider {
			t.Fatalf("skew %v: %d sessions live, the old one: %q", skew, len(left), old.State().Ended)
		}
		// A refresh brings a newer ID token, but makes no newer login.
		early := h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})
		h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = skew + 7*time.Second })
		if err := left[0].Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantOut(t, h.post(t, url.Values{"logout_token": {early}}.Encode()))
		if left := h.live(t, "alice"); len(left) != 0 {
			t.Errorf("skew %v: a refresh made the login newer", skew)
		}
	}
}

func TestAStepUpIsANewLogin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	token := h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})
	h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = 5 * time.Second })
	b.signIn(t, "alice", "/")
	wantOut(t, h.post(t, url.Values{"logout_token": {token}}.Encode()))
	if res := b.fetch(t, http.MethodGet, "/api/x"); res.StatusCode != http.StatusOK {
		t.Errorf("%s: the newer login is out", res.Status)
	}
}

func TestALogoutTokenThatMetTroubleMayComeAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.browser(t).signIn(t, "alice", "/")
	form := url.Values{"logout_token": {h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})}}.Encode()
	h.store.away.Store(true)
	wantRefused(t, h.post(t, form), http.StatusServiceUnavailable, StoreUnavailable, "temporarily_unavailable")
	h.store.away.Store(false)
	wantOut(t, h.post(t, form))
	if left := h.live(t, "alice"); len(left) != 0 {
		t.Errorf("%d sessions live", len(left))
	}
}

func TestALogoutTokenWhoseKeysAreAwayIsNotRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	form := url.Values{"logout_token": {h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})}}.Encode()
	h.provider.Adjust(func(k *devidp.Knobs) { k.JWKSDown = true })
	res := h.post(t, form)
	wantRefused(t, res, http.StatusServiceUnavailable, IDPUnavailable, "temporarily_unavailable")
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestOneLogoutTokenAtOnceIsOneLogout(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.browser(t).signIn(t, "alice", "/")
	form := url.Values{"logout_token": {h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})}}.Encode()
	var mu sync.Mutex
	answers, wg := map[int]int{}, sync.WaitGroup{}
	for range 10 {
		wg.Go(func() {
			res := h.post(t, form)
			mu.Lock()
			defer mu.Unlock()
			answers[res.StatusCode]++
		})
	}
	wg.Wait()
	if answers[http.StatusOK] != 1 || answers[http.StatusBadRequest] != 9 {
		t.Errorf("got %v", answers)
	}
}

func TestALogoutTokenBehindManyWaitsAWhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	form := url.Values{"logout_token": {h.logoutToken(t, devidp.LogoutToken{Subject: "alice"})}}.Encode()
	for range logoutsAtOnce {
		if err := h.gateway.logouts.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	answer := make(chan *http.Response, 1)
	go func() { answer <- h.post(t, form) }()
	h.gateway.logouts.leave()
	wantOut(t, <-answer)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.gateway.logouts.enter(t.Context()); err != nil { // the place that was left
		t.Fatal(err)
	}
	var p *Problem
	if err := h.gateway.logouts.enter(ctx); !errors.As(err, &p) || p.Code != StoreUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestALogoutTokenArrivesDuringOurOwnLogout(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	s := h.live(t, "alice")[0]
	form := url.Values{"logout_token": {h.logoutToken(t, devidp.LogoutToken{SID: s.State().Grant.ProviderSession})}}.Encode()
	body := decode[map[string]string](t, b.fetch(t, http.MethodPost, "/bff/logout"))
	held := h.provider.Hold(devidp.EndSessionEndpoint)
	onward := b.visit(t, "same-origin", body["redirect_url"]).Header.Get("Location")
	gone := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, onward, nil)
		if err != nil {
			gone <- err
			return
		}
		client := *b.idp
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := client.Do(r)
		if err == nil {
			err = res.Body.Close()
		}
		gone <- err
	}()
	<-held.Arrived()
	wantOut(t, h.post(t, form))
	held.Release()
	if err := <-gone; err != nil {
		t.Error(err)
	}
	if got := s.State().Ended; got != session.LoggedOut {
		t.Errorf("ended by %q", got)
	}
}

func TestALoginDuringTheLogoutDoesNotBegin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/"), "alice")
	h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = -3 * time.Second })
	held := h.provider.Hold(devidp.TokenEndpoint)
	answer := make(chan *http.Response, 1)
	go func() { answer <- b.visit(t, "cross-site", callback) }()
	<-held.Arrived()
	h.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset = 0 })
	wantOut(t, h.tell(t, devidp.LogoutToken{Subject: "alice"}))
	held.Release()
	res := <-answer
	if got := res.Header.Get("Cloakroom-Error"); res.StatusCode != http.StatusBadRequest || got != string(LoginFailed) {
		t.Errorf("%s %s", res.Status, got)
	}
	if left := h.live(t, "alice"); len(left) != 0 || b.cookie("cloakroom") != "" {
		t.Errorf("%d sessions live", len(left))
	}
}
