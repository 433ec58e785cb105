//go:build e2e

package e2e

import (
	"net/http"
	"testing"
)

// The provider takes pushed requests only, and answers in each mode; then it wants to see the
// user once more.
func TestLoginsAreAskedForAndAnsweredInEachMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"query", "form_post", "jwt", "form_post.jwt"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := &stage{t: t, gateway: newGateway(t)}
			s.provider = startProvider(t, s.gateway.url, "DEMAND=par")
			s.upstream = startUpstream(t)
			s.browser = newBrowser(t, s.gateway.url)
			known := s.provider.client()
			known.lines = []string{"response_mode: " + mode}
			s.gateway.configure(known, s.upstream.url)
			s.gateway.start()
			for _, path := range []string{"/api/orders", "/api/vault/deeds"} {
				p := s.browser.fillIn(s.browser.visit(s.gateway.url+path), "login", "alice")
				if p.status != http.StatusOK || p.url.Path != path {
					t.Fatalf("%s: it ended with %d at %s\n%s", path, p.status, p.url.Redacted(), p.body)
				}
				s.tickets = append(s.tickets, s.browser.ticket())
			}
			s.callAPI()
			if got := s.provider.stats(); got.Pushes != 2 || got.Codes != 2 || got.Refused != 0 {
				t.Errorf("%+v", got)
			}
			s.search()
		})
	}
}
