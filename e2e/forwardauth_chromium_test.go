//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// Chromium in front of nginx in front of the app; the provider is on another site.
func TestChromiumSignsInThroughNginx(t *testing.T) {
	t.Parallel()
	s := setIngress(t, frontProxies()[0])
	b := openTab(t)
	s.tokensLast(2 * time.Second)
	b.open(s.url + "/api/report?year=2026")
	b.until(`location.hostname == "127.0.0.1"`)
	b.press("button[value=user00]")
	b.until(`location.pathname == "/api/report" && location.search == "?year=2026" && document.body.innerText.includes("user00")`)

	b.open(s.url + "/")
	for range 3 { // over three lifetimes of the access token
		if status := b.text(`await fetch("/api/orders").then(r => r.status)`); status != "200" {
			t.Errorf("a call got %s", status)
		}
		after(t, 2200*time.Millisecond)
	}
	const socket = `await new Promise((heard, failed) => {
		const socket = new WebSocket("/api/live");
		socket.onmessage = e => heard(e.data);
		socket.onerror = () => failed("no WebSocket");
	})`
	if heard := b.text(socket); heard != "hello" {
		t.Errorf("the WebSocket said %q", heard)
	}
	b.scriptsFindNothing()

	// A link on another site leads in without a second login: the Strict ticket comes along
	// from the hop on.
	b.open(s.provider.URL + "/.well-known/openid-configuration")
	b.run(fmt.Sprintf(`location.assign("%s/api/linked")`, s.url))
	b.until(`location.pathname == "/api/linked" && document.body.innerText.includes("user00")`)
	if got := s.provider.Stats(); got.AuthorizeRequests != 1 || got.Refreshes < 2 || got.MaxPresentations != 1 {
		t.Errorf("the provider counts %+v: want one login, refreshes, none twice", got)
	}

	b.open(s.url + "/")
	b.run(`fetch("/bff/logout", {method: "POST"}).then(r => r.json()).then(a => location.assign(a.redirect_url))`)
	b.until(fmt.Sprintf(`location.origin == %q && location.search.startsWith("?state=")`, s.url)) // back from the provider
	eventually(t, 10*time.Second, "the refresh token is revoked", func() bool { return s.provider.Stats().LiveGrants == 0 })
	if got := b.text(`await fetch("/api/orders").then(r => r.status + " " + r.headers.get("Cloakroom-Error"))`); got != "401 no_session" {
		t.Errorf("after the logout a call got %s", got)
	}
	s.browser.seen = b.sightings()
	if len(ticketsIn(s.browser.seen)) == 0 {
		t.Error("no ticket was seen, so none can be searched for")
	}
	s.tickets = ticketsIn(s.browser.seen)
}
