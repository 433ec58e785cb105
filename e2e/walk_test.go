//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// The walks of a session in front of a certified provider, as an operator's users see them.

func TestTenRefreshesRotateAndNobodyIsAsked(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.provider.accessTokensLast(2)
	s.signIn()
	ticket := s.browser.ticket()
	eventually(t, time.Minute, "ten refreshes", func() bool {
		s.callAPI()
		return s.provider.stats().Refreshes >= 10
	})
	got := s.provider.stats()
	if got.Authorizations != 1 || got.Refused != 0 || got.MostPresentations != 1 || got.LiveRefreshTokens != 1 {
		t.Errorf("the provider counts %+v: want one login, none refused, no refresh token presented twice, one alive", got)
	}
	if s.browser.ticket() != ticket {
		t.Error("a refresh changed the ticket")
	}
	s.search()
}

func TestFiftyCallsAtExpiryShareOneRefresh(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.provider.accessTokensLast(2)
	s.signIn()
	s.fiftyAtExpiry()
	s.search()
}

func TestASignOutEndsTheSessionHereAndAtTheProvider(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.signIn()
	s.callAPI()
	s.signOut()
	s.search()
}

// The logout token is the provider's own. Nothing of ours takes part but the session.
func TestASignOutAtTheProviderEndsTheSessionHere(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.signIn()
	s.callAPI()
	phone := newBrowser(t, s.gateway.url)
	phone.mustSignIn(t, "alice")
	question := s.browser.visit(s.provider.issuer + "/session/end")
	s.browser.fillIn(question, "logout", "yes")
	if p := s.browser.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusUnauthorized || p.header.Get("Cloakroom-Error") != "session_expired" {
		t.Errorf("after a sign-out at the provider a call got %d %s", p.status, p.header.Get("Cloakroom-Error"))
	}
	if p := phone.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusOK {
		t.Errorf("a call from another device got %d %s", p.status, p.header.Get("Cloakroom-Error"))
	}
	if got := s.provider.stats(); got.LogoutTokens != 1 || got.LogoutsFailed != 0 {
		t.Errorf("the provider counts %+v: want one logout token, taken", got)
	}
	eventually(t, 10*time.Second, "the refresh token is dead at the provider", func() bool {
		got := s.provider.stats()
		return got.Revocations >= 1 && got.LiveRefreshTokens == 1
	})
	s.tickets = append(s.tickets, phone.ticket())
	s.search()
}

func TestAKilledGatewayKeepsItsSessions(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.provider.accessTokensLast(2)
	s.signIn()
	s.callAPI()
	s.gateway.kill()
	s.gateway.start()
	s.callAPI()
	s.fiftyAtExpiry()
	s.gateway.kill()
	s.gateway.start()
	if p := s.browser.fetch(http.MethodGet, "/bff/session"); !strings.Contains(p.body, `"authenticated":true`) {
		t.Errorf("after the second kill: %d\n%s", p.status, p.body)
	}
	s.signOut()
	if got := s.provider.stats(); got.Authorizations != 1 || got.MostPresentations != 1 {
		t.Errorf("the provider counts %+v: want one login, no refresh token presented twice", got)
	}
	s.search()
}

func TestWhoIsNotSignedInIsToldSo(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	if p := s.browser.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusUnauthorized || p.header.Get("Cloakroom-Error") != "no_session" {
		t.Errorf("a script got %d %s, want 401 no_session", p.status, p.header.Get("Cloakroom-Error"))
	}
	if p := s.browser.visit(s.gateway.url + "/deep/link"); p.status != http.StatusOK || !strings.Contains(p.body, "The app.") {
		t.Errorf("the app's page: %d\n%s", p.status, p.body)
	}
	form := s.browser.visit(s.gateway.url + "/api/report?year=2026")
	back := s.browser.fillIn(form, "login", "alice")
	if back.url.String() != s.gateway.url+"/api/report?year=2026" || back.status != http.StatusOK {
		t.Errorf("a navigation that had to sign in ended with %d at %s", back.status, back.url.Redacted())
	}
}

func TestALoginThatTheUserDeclinesIsAPageAndNoSession(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	p := s.browser.signIn("deny", "/")
	if p.status != http.StatusForbidden || p.header.Get("Cloakroom-Error") != "access_denied" || s.browser.ticket() != "" {
		t.Errorf("got %d %s, ticket %t", p.status, p.header.Get("Cloakroom-Error"), s.browser.ticket() != "")
	}
	readable(t, p)
}

// fiftyAtExpiry lets the access token run out and then calls fifty times at once. The
// next token is long, so that any second refresh is one too many.
func (s *stage) fiftyAtExpiry() {
	s.t.Helper()
	s.callAPI()
	after(s.t, 2500*time.Millisecond)
	s.provider.accessTokensLast(300)
	before, calls := s.provider.stats(), len(s.upstream.got())
	var wg sync.WaitGroup
	answers := make([]page, 50)
	for i := range answers {
		wg.Go(func() { answers[i] = s.browser.fetch(http.MethodGet, "/api/orders") })
	}
	wg.Wait()
	for _, p := range answers {
		if p.status != http.StatusOK {
			s.t.Errorf("one of fifty got %d %s", p.status, p.header.Get("Cloakroom-Error"))
		}
	}
	if n := s.provider.stats().Refreshes - before.Refreshes; n != 1 {
		s.t.Errorf("fifty calls at expiry made %d refreshes, want 1", n)
	}
	tokens := map[string]bool{}
	for _, c := range s.upstream.got()[calls:] {
		tokens[c.authorization] = true
	}
	if len(tokens) != 1 {
		s.t.Errorf("fifty calls went out with %d tokens, want the one new one", len(tokens))
	}
}

// signOut presses the app's button and walks through the provider's question.
func (s *stage) signOut() {
	s.t.Helper()
	answer := s.browser.fetch(http.MethodPost, "/bff/logout")
	var body struct {
		RedirectURL string `json:"redirect_url"`
	}
	if err := json.Unmarshal([]byte(answer.body), &body); err != nil || !strings.HasPrefix(body.RedirectURL, "/") {
		s.t.Fatalf("POST /bff/logout: %d %s, %v: want a local redirect_url", answer.status, answer.body, err)
	}
	if strings.Contains(answer.body, "id_token_hint") {
		s.t.Error("a script can read the hint")
	}
	question := s.browser.visit(s.gateway.url + body.RedirectURL)
	if !strings.Contains(question.url.Path, "/session/end") || !strings.Contains(question.url.RawQuery, "id_token_hint=") {
		s.t.Fatalf("the logout did not reach the provider with its hint: %d at %s", question.status, question.url.Path)
	}
	if landed := s.browser.fillIn(question, "logout", "yes"); landed.url.Host != strings.TrimPrefix(s.gateway.url, "http://") || landed.url.Path != "/" {
		s.t.Errorf("the logout landed at %s", landed.url.Redacted())
	}
	if p := s.browser.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusUnauthorized {
		s.t.Errorf("after the logout a call got %d", p.status)
	}
	eventually(s.t, 10*time.Second, "the refresh token is dead at the provider", func() bool {
		got := s.provider.stats()
		return got.Revocations >= 1 && got.LiveRefreshTokens == 0
	})
}

// readable checks that an error that a navigation meets is a small page and says what to do.
func readable(t *testing.T, p page) {
	t.Helper()
	if kind := p.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") || len(p.body) < 100 {
		t.Errorf("not a readable page: %s\n%s", kind, p.body)
	}
	if p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("an error page may be cached: %q", p.header.Get("Cache-Control"))
	}
}
