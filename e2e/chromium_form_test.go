//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// The answer comes in a form that the provider's page posts across sites, where no Strict or
// Lax cookie goes along.
func TestChromiumBringsAnAnswerByForm(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"form_post", "form_post.jwt"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := openTab(t)
			s := setStageIn(t, mode)
			b.open(s.gateway.url + "/api/report?year=2026")
			b.until(`location.hostname == "127.0.0.1"`)
			b.press("#go")
			b.until(`location.pathname == "/api/report" && document.body.innerText.includes("alice")`)
			if got := b.text("location.search"); got != "?year=2026" {
				t.Errorf("came back with query %q", got)
			}
			b.open(s.gateway.url + "/api/vault/deeds") // one more login, beside the session
			b.until(`location.hostname == "127.0.0.1"`)
			b.press("#go")
			b.until(`location.pathname == "/api/vault/deeds" && document.body.innerText.includes('"path":"/api/vault/deeds"')`)
			b.open(s.gateway.url + "/")
			if status := b.text(`await fetch("/api/orders").then(r => r.status)`); status != "200" {
				t.Errorf("a call got %s", status)
			}
			b.scriptsFindNothing()
			s.browser.seen = b.sightings()
			if !slices.ContainsFunc(s.browser.seen, func(at sighting) bool { return strings.HasPrefix(at.where, "POST "+s.gateway.url+"/bff/callback") }) {
				t.Error("the answer came in another mode")
			}
			if got := s.provider.stats(); got.Codes != 2 || got.Pushes != 2 || got.Refused != 0 {
				t.Errorf("%+v", got)
			}
			if s.tickets = ticketsIn(s.browser.seen); len(s.tickets) == 0 {
				t.Error("no ticket was seen, so none can be searched for")
			}
			s.search()
		})
	}
}
