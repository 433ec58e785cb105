//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// A token by its looks, for the demo, whose provider lives inside the process: a JWT, or
// an answer of a token endpoint.
var (
	looksLikeJWT    = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)
	looksLikeAnswer = regexp.MustCompile(`"(access|refresh|id)_token"\s*:\s*"`)
)

// The demo as a stranger meets it: every button, several lifetimes of the access token, and
// at no moment a token in the browser.
func TestTheDemoShowsItselfToABrowser(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	g := startDemo(t)

	b.open(g.url + "/")
	b.until(shown("#sign-in"))
	b.picture("1-signed-out")
	b.press("#sign-in")
	b.until(`location.hostname == "127.0.0.1"`)
	b.picture("2-provider")
	b.press("button[value=alice]")
	b.until(fmt.Sprintf(`location.origin == %q && %s && /alice/i.test(document.querySelector("#who").textContent)`, g.url, shown("#sign-out")))
	b.picture("3-signed-in")
	b.scriptsFindNothing()

	b.run(`document.querySelector("#auto").click()`) // from here on, we call
	for range 3 {
		b.pressAndSee("#call", 1)
		after(t, 8*time.Second) // tokens of the demo live for fifteen
	}
	if b.refreshes() == 0 {
		t.Error("24 seconds of calls made no refresh")
	}
	b.pressAndSee("#call50", 50)
	b.picture("4-called")

	before := b.refreshes()
	b.press("#expire")
	b.pressAndSee("#call", 1)
	eventually(t, 10*time.Second, "a refresh after the token was expired", func() bool { return b.refreshes() > before })
	b.picture("5-expired")

	b.press("#break")
	b.until(`/down/i.test(document.querySelector("#provider-text").textContent)`)
	b.pressAndSee("#call", 1)
	b.picture("6-provider-broken")
	b.until(`/up/i.test(document.querySelector("#provider-text").textContent)`) // after 20 s
	b.pressAndSee("#call", 1)
	b.until(shown("#sign-out"))
	b.picture("7-provider-whole")
	b.scriptsFindNothing()

	b.press("#sign-out")
	b.until(fmt.Sprintf(`location.origin == %q && %s`, g.url, shown("#sign-in")))
	b.picture("8-signed-out-again")
	b.scriptsFindNothing()
	g.stop()

	for _, s := range b.sightings() {
		for part, text := range map[string]string{"request": s.request, "header": fmt.Sprint(s.header), "body": s.body} {
			if found := looksLikeJWT.FindString(allowed(text)) + looksLikeAnswer.FindString(text); found != "" {
				t.Errorf("%s: the %s shows the browser what looks like a token", s.where, part)
			}
		}
	}
	if found := looksLikeJWT.Find(g.log()); found != nil {
		t.Error("the log holds what looks like a token")
	}
}

// startDemo runs `cloakroom demo`.
func startDemo(t *testing.T) *gateway {
	t.Helper()
	at := fmt.Sprintf("localhost:%d", freePort(t))
	g := &gateway{t: t, dir: t.TempDir(), url: "http://" + at, args: []string{"demo", "--listen", at}}
	g.start()
	return g
}

// shown is an expression: the element is there and can be seen.
func shown(selector string) string {
	return fmt.Sprintf(`document.querySelector(%q)?.getClientRects().length > 0`, selector)
}

// pressAndSee presses a button and waits until the page made at least n calls of the API.
func (b *tab) pressAndSee(selector string, n int) {
	b.t.Helper()
	before := b.apiCalls()
	b.press(selector)
	eventually(b.t, 40*time.Second, fmt.Sprintf("%s makes %d calls", selector, n), func() bool { return b.apiCalls() >= before+n })
}

// refreshes is how many the page counts.
func (b *tab) refreshes() int {
	b.t.Helper()
	n, err := strconv.Atoi(b.text(`document.querySelector("#refresh-count").textContent`))
	if err != nil {
		b.t.Error(err)
	}
	return n
}

var apiCall = regexp.MustCompile(`^[A-Z]+ http://localhost:\d+/api/`)

func (b *tab) apiCalls() (n int) {
	for _, s := range b.sightings() {
		if apiCall.MatchString(s.where) {
			n++
		}
	}
	return n
}
