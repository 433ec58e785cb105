package proxy

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestALoginEndsWhereItWasToGo(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	if got := b.signIn(t, "alice", "/orders?id=7#top"); got != "/orders?id=7#top" {
		t.Errorf("the login ends at %q", got)
	}
	info := b.session(t)
	if !info.Authenticated || info.Claims["sub"] != "alice" {
		t.Errorf("%+v", info)
	}
	if n := b.attempts(); n != 0 {
		t.Errorf("%d attempts are left", n)
	}
	if got := readAll(t, b.fetch(t, http.MethodGet, "/api/x")); got != "the API saw Bearer" {
		t.Errorf("the API's answer: %q", got)
	}
	live := h.live(t, "alice")
	if len(live) != 1 {
		t.Fatalf("%d sessions", len(live))
	}
	if got, want := live[0].State().Device, (session.Device{Browser: "Firefox", System: "Linux", Address: "127.0.0.0/24"}); got != want {
		t.Errorf("device %+v, want %+v", got, want)
	}
}

func TestACallbackInAnotherBrowserIsRefused(t *testing.T) {
	h := newHouse(t)
	attacker, victim := h.browser(t), h.browser(t)
	callback := attacker.atProvider(t, attacker.startLogin(t, "/bff/login"), "bob")
	res := victim.visit(t, "cross-site", callback)
	wantProblem(t, res, http.StatusBadRequest, LoginFailed)
	wantCookies(t, res, 0)

	// Neither does a planted attempt help: the binding is missing, or another's.
	victim.startLogin(t, "/bff/login")
	for key, c := range attacker.jar {
		if strings.HasPrefix(c.Name, "cloakroom-attempt-") {
			victim.jar[key] = c
		}
	}
	target := hopTarget(t, victim.visit(t, "cross-site", callback))
	wantProblem(t, victim.visit(t, "same-origin", target), http.StatusBadRequest, LoginFailed)
	if n := h.provider.Stats().Exchanges; n != 0 {
		t.Errorf("%d codes were presented", n)
	}
	if victim.session(t).Authenticated {
		t.Error("the victim is signed in")
	}
}

func TestARepeatedCallbackGoesToItsReturnURL(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/a"), "alice")
	b.visit(t, "cross-site", callback)
	ticket := b.cookie("cloakroom")
	for range 2 {
		target := hopTarget(t, b.visit(t, "cross-site", callback))
		if strings.Contains(target, "code") {
			t.Errorf("the hop carries the code: %q", target)
		}
		for _, again := range []*http.Response{b.visit(t, "same-origin", target), b.visit(t, "none", callback)} {
			if got := again.Header.Get("Location"); again.StatusCode != http.StatusSeeOther || got != "/a" {
				t.Errorf("%s to %q, want 303 to /a", again.Status, got)
			}
		}
	}
	if n := h.provider.Stats().Exchanges; n != 1 {
		t.Errorf("%d codes were presented, want one", n)
	}
	if b.cookie("cloakroom") != ticket || !b.session(t).Authenticated {
		t.Error("the session is another one")
	}
}

func TestAStateWorksOnceEvenIfTheBrowserKeepsItsAttempt(t *testing.T) {
	var late atomic.Int64
	h := newHouse(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) } })
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	kept := maps.Clone(b.jar)
	b.visit(t, "cross-site", callback)
	b.jar = kept
	late.Store(int64(loginKept))
	target := hopTarget(t, b.visit(t, "cross-site", callback))
	wantProblem(t, b.visit(t, "same-origin", target), http.StatusBadRequest, LoginFailed)
	if n := h.provider.Stats().Exchanges; n != 1 {
		t.Errorf("%d codes were presented, want one", n)
	}
}

func TestFiveTabsFinishInAnyOrderAndLeaveOneSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	var callbacks []string
	for i := range 5 {
		callbacks = append(callbacks, b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/tab"+string(rune('0'+i))), "alice"))
	}
	for _, i := range []int{3, 0, 4, 1, 2} {
		if got, want := hopTarget(t, b.visit(t, "cross-site", callbacks[i])), "/tab"+string(rune('0'+i)); got != want {
			t.Errorf("tab %d ends at %q", i, got)
		}
	}
	if n := len(h.live(t, "alice")); n != 1 {
		t.Errorf("%d live sessions, want one", n)
	}
	if !b.session(t).Authenticated {
		t.Error("the browser does not hold the ticket of the one that lives")
	}
}

func TestALoginReplacesTheBrowsersSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	old := h.live(t, "alice")[0]
	oldTicket := b.cookie("cloakroom")
	b.idp.Jar = h.browser(t).idp.Jar // somebody else at the same machine
	b.signIn(t, "bob", "/")
	if got := old.State().Ended; got != session.Replaced {
		t.Errorf("the old session ended: %q, want replaced", got)
	}
	if b.cookie("cloakroom") == oldTicket {
		t.Error("the ticket is the old one")
	}
	if got := b.session(t).Claims["sub"]; got != "bob" {
		t.Errorf("signed in as %v", got)
	}
}

func TestAnotherIssuerInTheAnswerIsNotBelieved(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(url.Values){
		"another":        func(q url.Values) { q.Set("iss", "https://evil.example") },
		"a slash more":   func(q url.Values) { q.Set("iss", q.Get("iss")+"/") },
		"none":           func(q url.Values) { q.Del("iss") },
		"with an error":  func(q url.Values) { q.Set("iss", "https://evil.example"); q.Set("error", "access_denied") },
		"empty":          func(q url.Values) { q.Set("iss", "") },
		"error, no code": func(q url.Values) { q.Del("iss"); q.Del("code"); q.Set("error", "access_denied") },
	} {
		t.Run(name, func(t *testing.T) {
			b := h.browser(t)
			callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
			wantProblem(t, b.visit(t, "cross-site", in(t, callback, change)), http.StatusBadRequest, LoginFailed)
			if n := h.provider.Stats().Exchanges; n != 0 {
				t.Errorf("%d codes were presented", n)
			}
		})
	}
}

func TestAnErrorOfTheProvidersIsAPage(t *testing.T) {
	h := newHouse(t)
	for code, want := range map[string]struct {
		status int
		code   Code
	}{
		"access_denied":             {http.StatusForbidden, AccessDenied},
		"login_required":            {http.StatusBadRequest, LoginFailed},
		"server_error":              {http.StatusBadRequest, LoginFailed},
		"<script>alert(1)</script>": {http.StatusBadRequest, LoginFailed},
	} {
		t.Run(code, func(t *testing.T) {
			b := h.browser(t)
			callback := b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/a"), "alice")
			res := b.visit(t, "cross-site", in(t, callback, func(q url.Values) {
				q.Set("error", code) // beside a code, which is ignored
				q.Set("error_description", "<b>boo</b>")
			}))
			wantProblem(t, res, want.status, want.code)
			body := readAll(t, res)
			if strings.Contains(body, "<script") || strings.Contains(body, "boo") {
				t.Error("the page shows what the provider wrote")
			}
			if !strings.Contains(body, "/bff/login?returnUrl=%2Fa") {
				t.Errorf("the page has no way to start again: %s", body)
			}
			if n := h.provider.Stats().Exchanges; n != 0 || b.attempts() != 0 {
				t.Errorf("%d codes were presented, %d attempts are left", n, b.attempts())
			}
		})
	}
}

func TestARepeatedParameterIsRefused(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	for _, name := range []string{"code", "state", "iss", "error"} {
		res := b.visit(t, "cross-site", in(t, callback, func(q url.Values) { q[name] = append(q[name], "x", "y") }))
		wantProblem(t, res, http.StatusBadRequest, BadRequest)
	}
	hopTarget(t, b.visit(t, "cross-site", callback)) // The attempt is none the worse for it.
}

func TestAWrongCodeIsRefusedByTheProvider(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	one := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	two := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	other, err := url.Parse(two)
	if err != nil {
		t.Fatal(err)
	}
	res := b.visit(t, "cross-site", in(t, one, func(q url.Values) { q.Set("code", other.Query().Get("code")) }))
	wantProblem(t, res, http.StatusBadRequest, LoginFailed)
	if b.session(t).Authenticated {
		t.Error("signed in with another attempt's code")
	}
}

func TestALoginWaitsForTheStore(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	h.store.away.Store(true)
	res := b.visit(t, "cross-site", callback)
	wantProblem(t, res, http.StatusServiceUnavailable, StoreUnavailable)
	wantCookies(t, res, 0)
	if n := h.provider.Stats().Exchanges; n != 0 {
		t.Errorf("%d codes were presented", n)
	}
	h.store.away.Store(false)
	hopTarget(t, b.visit(t, "cross-site", callback))
	if !b.session(t).Authenticated {
		t.Error("not signed in")
	}
}

func TestAProviderThatIsDownIsAPageAndNothingElse(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	h.provider.Close()
	res := b.visit(t, "cross-site", callback)
	wantProblem(t, res, http.StatusServiceUnavailable, IDPUnavailable)
	if !strings.Contains(readAll(t, res), "/bff/login") {
		t.Error("the page has no way to start again")
	}
}

func TestARefusedIDTokenIsNoSession(t *testing.T) {
	h := newHouse(t)
	for name, fault := range map[string]devidp.Fault{
		"algorithm none": devidp.AlgNone,
		"another nonce":  devidp.WrongNonce,
		"another issuer": devidp.WrongIssuer,
		"another client": devidp.WrongAudience,
		"another key":    devidp.WrongKey,
		"expired":        devidp.Expired,
	} {
		t.Run(name, func(t *testing.T) {
			h.provider.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = fault })
			b := h.browser(t)
			callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
			res := b.visit(t, "cross-site", callback)
			wantProblem(t, res, http.StatusBadRequest, LoginFailed)
			if b.cookie("cloakroom") != "" || b.attempts() != 0 || len(h.live(t, "alice")) != 0 {
				t.Error("something is left of the login")
			}
		})
	}
}

func TestAnUnansweredStepUpIsNoLogin(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.LoginParams = []string{"acr_values"} })
	h.provider.Adjust(func(k *devidp.Knobs) { k.IgnoreStepUp = true })
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	callback := b.atProvider(t, b.startLogin(t, "/bff/login?acr_values=phr"), "")
	wantProblem(t, b.visit(t, "cross-site", callback), http.StatusBadRequest, LoginFailed)
}

// The browser leaves while the code is being redeemed: the session is begun all the same,
// so that its refresh token is known and will be revoked some day.
func TestALeavingBrowserCancelsNoLogin(t *testing.T) {
	served := make(chan Served, 10)
	h := newHouse(t, func(c *Config) { c.Observe = func(s Served) { served <- s } })
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	<-served
	hold := h.provider.Hold(devidp.TokenEndpoint)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-hold.Arrived()
		leave()
	}()
	res, err := b.send(ctx, http.MethodGet, "cross-site", "document", callback)
	if err == nil {
		_ = res.Body.Close()
		t.Fatal("the browser did not leave")
	}
	hold.Release()
	<-served
	if n := len(h.live(t, "alice")); n != 1 {
		t.Errorf("%d live sessions, want one", n)
	}
}

func TestALogoutDoesNotWaitForARefresh(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	s := h.live(t, "alice")[0]
	hold := h.provider.Hold(devidp.TokenEndpoint)
	refreshed := make(chan error, 1)
	go func() { refreshed <- s.Refresh(t.Context()) }()
	<-hold.Arrived()
	if res := b.fetch(t, http.MethodPost, "/bff/logout"); res.StatusCode != http.StatusOK {
		t.Errorf("logout: %s", res.Status)
	}
	hold.Release()
	if err := <-refreshed; err == nil {
		t.Error("the refresh of an ended session succeeded")
	}
	if s.State().Ended != session.LoggedOut {
		t.Errorf("ended: %q", s.State().Ended)
	}
}

// A silent login in a frame tells the page around it; nobody is shown anything, and a
// session that is there stays.
func TestASilentLoginTellsThePageAroundIt(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	silently := func() string {
		res := b.signInSilently(t)
		if got := res.Header.Get("Content-Security-Policy"); res.StatusCode != http.StatusOK || !strings.Contains(got, "frame-ancestors 'self'") {
			t.Errorf("%s, policy %q", res.Status, got)
		}
		return readAll(t, res)
	}
	if body := silently(); !strings.Contains(body, `{source: "bff-silent-login", isLoggedIn: false}`) {
		t.Errorf("signed out: %s", body)
	}
	b.signIn(t, "alice", "/")
	ticket := b.cookie("cloakroom")
	if body := silently(); !strings.Contains(body, `{source: "bff-silent-login", isLoggedIn: true}`) {
		t.Errorf("signed in: %s", body)
	}
	if b.cookie("cloakroom") == ticket || len(h.live(t, "alice")) != 1 {
		t.Error("the silent login did not take the session's place")
	}
	ticket = b.cookie("cloakroom")
	b.idp = h.browser(t).idp // the provider has forgotten the user
	if body := silently(); !strings.Contains(body, "isLoggedIn: false") {
		t.Errorf("after the provider's session: %s", body)
	}
	if b.cookie("cloakroom") != ticket || !b.session(t).Authenticated {
		t.Error("the local session has suffered")
	}
}

func TestASilentLoginOfAWholeTabGoesBackWithoutALoop(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	target := b.startLogin(t, "/bff/login?prompt=none&returnUrl=/a")
	state, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	callback := "/bff/callback?" + url.Values{
		"state": {state.Query().Get("state")}, "error": {"login_required"}, "iss": {h.provider.URL},
	}.Encode()
	if got := hopTarget(t, b.visit(t, "cross-site", callback)); got != "/a" {
		t.Errorf("goes back to %q, want /a", got)
	}
	if b.session(t).Authenticated || b.attempts() != 0 {
		t.Error("signed in, or an attempt is left")
	}
}

func TestACallbackBeyondItsAddressesBudgetSpendsNothing(t *testing.T) {
	h := newHouse(t)
	free := h.gateway
	cfg := free.cfg
	var err error
	cfg.Sessions, err = session.New(session.Config{
		Store: h.store, Keys: h.sessions.Keys(), Refresher: cfg.Provider, SoleOwner: true,
		Rate: 0.01, Wait: time.Millisecond, // one, and then none for long
	})
	if err != nil {
		t.Fatal(err)
	}
	if h.gateway, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	h.browser(t).signIn(t, "alice", "/")
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/a"), "bob")
	res := b.visit(t, "cross-site", callback)
	wantProblem(t, res, http.StatusServiceUnavailable, IDPUnavailable)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if n := h.provider.Stats().Exchanges; n != 1 {
		t.Errorf("%d codes were presented, want alice's", n)
	}
	h.gateway = free // as after the wait
	if got := hopTarget(t, b.visit(t, "cross-site", callback)); got != "/a" {
		t.Errorf("the same callback again ends at %q", got)
	}
	if !b.session(t).Authenticated {
		t.Error("nobody is signed in")
	}
}
