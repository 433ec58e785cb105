//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// sessionInfo is what the walks below look at of /bff/session.
type sessionInfo struct {
	ACR       string `json:"acr"`
	AuthTime  int64  `json:"auth_time"`
	ExpiresIn int64  `json:"expires_in"`
}

func (s *stage) session() (info sessionInfo) {
	s.t.Helper()
	if p := s.browser.fetch(http.MethodGet, "/bff/session"); json.Unmarshal([]byte(p.body), &info) != nil {
		s.t.Fatalf("the session: %d\n%s", p.status, p.body)
	}
	return info
}

// mustStepUp fetches what is guarded, and then goes there and signs in once more.
func (s *stage) mustStepUp(path string) {
	s.t.Helper()
	before, ticket := s.session(), s.browser.ticket()
	p := s.browser.fetch(http.MethodGet, path)
	if p.status != http.StatusUnauthorized || p.header.Get("Cloakroom-Error") != "step_up_required" || !strings.Contains(p.body, `"login_url":"/bff/login?`) {
		s.t.Fatalf("a script got %d %s\n%s", p.status, p.header.Get("Cloakroom-Error"), p.body)
	}
	p = s.browser.fillIn(s.browser.visit(s.gateway.url+path), "login", "alice")
	if p.status != http.StatusOK || p.url.Path != path {
		s.t.Fatalf("the step-up ended with %d at %s\n%s", p.status, p.url.Redacted(), p.body)
	}
	s.tickets = append(s.tickets, s.browser.ticket())
	after := s.session()
	if after.ACR != "phr" || after.AuthTime == 0 || after.ExpiresIn > before.ExpiresIn || s.browser.ticket() == ticket {
		s.t.Errorf("%+v became %+v, another ticket %t", before, after, s.browser.ticket() != ticket)
	}
	if p := s.browser.fetch(http.MethodGet, path); p.status != http.StatusOK {
		s.t.Errorf("after the step-up a script got %d %s", p.status, p.header.Get("Cloakroom-Error"))
	}
}

func TestARouteAsksForAStrongerSignIn(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.signIn()
	s.mustStepUp("/api/vault/deeds")
	s.callAPI()
	s.search()
}

func TestAnAPIAsksForAStrongerSignIn(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.signIn()
	s.mustStepUp("/api/strict/transfer")
	s.callAPI()
	s.search()
}

func TestASignInThatStaysWeakEndsOnAPage(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.signIn()
	form := s.browser.visit(s.gateway.url + "/api/vault/deeds")
	p := s.browser.submit(form, form.url.String(), url.Values{"login": {"alice"}, "password": {"weak"}})
	if p.status != http.StatusBadRequest || p.header.Get("Cloakroom-Error") != "login_failed" {
		t.Errorf("it ended with %d %s at %s", p.status, p.header.Get("Cloakroom-Error"), p.url.Redacted())
	}
	readable(t, p)
	s.callAPI() // the session is as it was
	s.search()
}

func TestEveryFrontProxyLeadsToAStepUp(t *testing.T) {
	everyFrontProxy(t, func(t *testing.T, s *ingress) {
		old := s.signIn()
		path := "/api/vault/deeds?page=1"
		p := s.browser.fetch(http.MethodGet, path)
		if p.status != http.StatusUnauthorized || p.header.Get("Cloakroom-Error") != "step_up_required" {
			t.Errorf("a script got %d %q", p.status, p.header.Get("Cloakroom-Error"))
		}
		p = s.browser.fillIn(s.browser.visit(s.url+path), "login", "user00")
		if p.status != http.StatusOK || p.url.String() != s.url+path {
			t.Errorf("the step-up ended with %d at %s\n%s", p.status, p.url.Redacted(), p.body)
		}
		s.tickets = append(s.tickets, s.browser.ticket())
		if s.browser.ticket() == old {
			t.Error("the ticket is the same")
		}
	})
}
