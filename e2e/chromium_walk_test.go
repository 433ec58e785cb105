//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Chromium in front of a certified provider on another site: the Strict cookie must not
// look like a logout, and no byte of a token may reach the browser.
func TestChromiumSignsInAcrossSites(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s := setStage(t)
	s.provider.accessTokensLast(2)
	b.open(s.gateway.url + "/api/report?year=2026")
	b.until(`location.hostname == "127.0.0.1"`)
	b.press("#go")
	b.until(`location.pathname == "/api/report" && document.body.innerText.includes("alice")`)
	if got := b.text("location.search"); got != "?year=2026" {
		t.Errorf("came back with query %q", got)
	}

	b.open(s.gateway.url + "/")
	for range 3 { // over three lifetimes of the access token
		status := b.text(`await fetch("/api/orders").then(r => r.status)`)
		if status != "200" {
			t.Errorf("a call got %s", status)
		}
		after(t, 2200*time.Millisecond)
	}
	if got := s.provider.stats(); got.Authorizations != 1 || got.Refreshes < 2 || got.MostPresentations != 1 {
		t.Errorf("the provider counts %+v: want one login, refreshes, none twice", got)
	}
	b.scriptsFindNothing()

	// A link on another site leads in, too.
	b.open(s.provider.issuer + "/control/stats")
	b.run(fmt.Sprintf(`location.assign("%s/api/linked")`, s.gateway.url))
	b.until(`location.pathname == "/api/linked" && document.body.innerText.includes("alice")`)
	if n := s.provider.stats().Authorizations; n != 1 {
		t.Errorf("a link from another site made %d logins of one", n)
	}

	b.open(s.gateway.url + "/")
	b.run(`fetch("/bff/logout", {method: "POST"}).then(r => r.json()).then(a => location.assign(a.redirect_url))`)
	b.press("button[value=yes]")
	b.until(fmt.Sprintf(`location.origin == %q && location.pathname == "/"`, s.gateway.url))
	if status := b.text(`await fetch("/api/orders").then(r => r.status)`); status != "401" {
		t.Errorf("after the logout a call got %s", status)
	}
	s.browser.seen = b.sightings()
	if s.tickets = ticketsIn(s.browser.seen); len(s.tickets) == 0 {
		t.Error("no ticket was seen, so none can be searched for")
	}
	s.search()
}

// ticketsIn returns the tickets that a browser was given.
func ticketsIn(seen []sighting) (all []string) {
	for _, s := range seen {
		for _, c := range (&http.Response{Header: s.header}).Cookies() {
			if c.Name == "cloakroom" && c.Value != "" && !slices.Contains(all, c.Value) {
				all = append(all, c.Value)
			}
		}
	}
	return all
}
