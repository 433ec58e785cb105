//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// tabsPage is an app that does nothing but use the browser's helper.
const tabsPage = `<!doctype html><title>tabs</title><p id="app">…</p>
<script type="module">
import * as cloakroom from "/bff/cloakroom.js";
window.cloakroom = cloakroom;
window.heard = [];
window.at = {};
const show = (s) => { document.querySelector("#app").textContent = s.authenticated ? "in as " + s.claims.sub : "out"; };
cloakroom.onChange((change) => {
  heard.push(change.type);
  at[change.type] = Date.now();
  show(change.session);
});
show(await cloakroom.session());
</script>`

// twoTabs signs alice in and shows the app in two tabs of one browser.
func twoTabs(t *testing.T) (s *stage, here, there *tab) {
	t.Helper()
	here = openTab(t)
	s = setStage(t)
	s.gateway.write("dist/tabs.html", []byte(tabsPage))
	signedIn := `/in as alice/.test(document.querySelector("#app")?.textContent)`
	here.open(s.gateway.url + "/bff/login?returnUrl=/tabs.html")
	here.until(`location.hostname == "127.0.0.1"`)
	here.press("#go")
	here.until(fmt.Sprintf(`location.origin == %q && %s`, s.gateway.url, signedIn))
	there = here.another()
	there.open(s.gateway.url + "/tabs.html")
	there.until(signedIn)
	return s, here, there
}

// searchTabs searches what the tabs saw, too.
func (s *stage) searchTabs(tabs ...*tab) {
	s.t.Helper()
	for _, b := range tabs {
		s.browser.seen = append(s.browser.seen, b.sightings()...)
	}
	s.tickets = ticketsIn(s.browser.seen)
	s.search()
}

// Two tabs of one browser with cloakroom.js: one signs out, the other shows it.
func TestASignOutIsSeenInTheOtherTab(t *testing.T) {
	t.Parallel()
	s, here, there := twoTabs(t)
	if got := there.text(`await cloakroom.fetch("/api/orders").then(r => r.status)`); got != "200" {
		t.Errorf("a call by way of the helper got %s", got)
	}
	began := time.Now()
	here.run(`cloakroom.logout()`)
	there.until(`document.querySelector("#app").textContent == "out"`)
	if took := there.when("logged-out").Sub(began); took > time.Second {
		t.Errorf("the other tab shows the sign-out after %v, want it within a second", took)
	}
	if got := there.text(`heard.join()`); got != "logged-out" {
		t.Errorf("the other tab heard %s", got)
	}
	here.press("button[value=yes]") // the provider's question
	here.until(fmt.Sprintf(`location.origin == %q && location.pathname == "/"`, s.gateway.url))
	there.until(`location.pathname == "/tabs.html"`)

	// Fifty calls that nobody may make are one login.
	there.run(`Array.from({length: 50}, () => cloakroom.fetch("/api/orders", {login: true}))`)
	there.until(`location.hostname == "127.0.0.1"`)
	if got := s.provider.stats().Authorizations; got != 2 {
		t.Errorf("the provider was asked for %d logins, want the first and one for fifty calls", got)
	}
	s.searchTabs(here, there)
}

// Another browser of alice's ends all others: the event reaches both tabs over one stream.
func TestAnEndFromOutsideReachesEveryTab(t *testing.T) {
	t.Parallel()
	s, here, there := twoTabs(t)
	s.signIn()
	open := regexp.MustCompile(`(?m)^cloakroom_streams_open\{[^}]*events[^}]*\} 1$`)
	eventually(t, 10*time.Second, "one stream for two tabs", func() bool { return open.Match(s.gateway.metrics()) })
	if got := here.text(`await fetch("/bff/refresh", {method: "POST"}).then(r => r.status)`); got != "200" {
		t.Errorf("the refresh got %s", got)
	}
	for _, b := range []*tab{here, there} {
		b.until(`heard.join() == "refreshed"`)
	}
	began := time.Now()
	if p := s.browser.fetch(http.MethodDelete, "/bff/sessions?others=true"); p.status != http.StatusNoContent {
		t.Fatalf("ending the others got %d", p.status)
	}
	for i, b := range []*tab{here, there} {
		b.until(`document.querySelector("#app").textContent == "out"`)
		if took := b.when("logged-out").Sub(began); took > time.Second {
			t.Errorf("tab %d shows the end after %v, want it within a second", i, took)
		}
		if got := b.text(`heard.join()`); got != "refreshed,logged-out" {
			t.Errorf("tab %d heard %s", i, got)
		}
	}
	s.searchTabs(here, there)
}

// another opens a second tab in the same browser.
func (b *tab) another() *tab {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	b.t.Cleanup(stop)
	other := &tab{t: b.t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatal(err)
	}
	other.watch()
	return other
}

// when returns the time at which the page of tabsPage heard of a change.
func (b *tab) when(change string) time.Time {
	b.t.Helper()
	ms, err := strconv.ParseInt(b.text(fmt.Sprintf(`at[%q]`, change)), 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return time.UnixMilli(ms)
}
