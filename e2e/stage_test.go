//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// A stage is all that a walk needs: provider, upstream, gateway, browser.
type stage struct {
	t        *testing.T
	provider *provider
	upstream *upstream
	gateway  *gateway
	browser  *browser

	tickets []string
}

// setStage starts a gateway in front of oidc-provider. When the test is over, the search
// for tokens closes it.
func setStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, gateway: newGateway(t)}
	s.provider = startProvider(t, s.gateway.url)
	s.upstream = startUpstream(t)
	s.browser = newBrowser(t, s.gateway.url)
	s.gateway.configure(s.provider.client(), s.upstream.url)
	s.gateway.start()
	return s
}

// signIn signs alice in and notes the ticket, to search for it.
func (s *stage) signIn() {
	s.t.Helper()
	s.browser.mustSignIn(s.t, "alice")
	s.tickets = append(s.tickets, s.browser.ticket())
}

// callAPI is one call of the app that must succeed.
func (s *stage) callAPI() {
	s.t.Helper()
	if p := s.browser.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusOK {
		s.t.Fatalf("the call got %d %s\n%s", p.status, p.header.Get("Cloakroom-Error"), p.body)
	}
}

// search ends a walk: nothing of what is secret stands anywhere.
func (s *stage) search() {
	s.t.Helper()
	minted := s.provider.minted()
	metrics := string(s.gateway.metrics())
	s.gateway.stop()
	secrets := append(append([]string{}, minted...), s.tickets...)
	searchFiles(s.t, s.gateway.dir, secrets)
	if holds(metrics, secrets) >= 0 {
		s.t.Error("the metrics hold a secret")
	}
	if !strings.Contains(s.gateway.traces(), "GET bff") { // which lie among the files
		s.t.Error("the login is in no trace")
	}
	searchSightings(s.t, s.browser.seen, minted)
	searchUpstream(s.t, s.upstream.got(), secrets)
	known := map[string]bool{}
	for _, token := range minted {
		known["Bearer "+token] = true
	}
	for _, c := range s.upstream.got() {
		if !known[c.authorization] {
			s.t.Error("the upstream got an Authorization that the provider never made")
		}
	}
}
