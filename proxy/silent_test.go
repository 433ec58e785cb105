package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

// Whatever the provider says, a frame shows nobody an error, the page around it hears false,
// the local session stays, and the provider is asked once.
func TestASilentLoginThatNeedsTheUserLeavesTheSessionAlone(t *testing.T) {
	for _, code := range []string{"login_required", "consent_required", "interaction_required", "account_selection_required", "access_denied", "temporarily_unavailable"} {
		t.Run(code, func(t *testing.T) {
			h := newHouse(t)
			b := h.browser(t)
			b.signIn(t, "alice", "/")
			ticket, asked := b.cookie("cloakroom"), h.provider.Stats().AuthorizeRequests
			res, err := b.send(t.Context(), http.MethodGet, "same-origin", "iframe", "/bff/login?prompt=none")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			to, err := url.Parse(res.Header.Get("Location"))
			if err != nil || !strings.HasPrefix(to.String(), h.provider.URL) || to.Query().Get("prompt") != "none" {
				t.Fatalf("%s to %q", res.Status, to)
			}
			callback := "/bff/callback?" + url.Values{"state": {to.Query().Get("state")}, "error": {code}, "iss": {h.provider.URL}}.Encode()
			if res, err = b.send(t.Context(), http.MethodGet, "same-site", "iframe", callback); err != nil {
				t.Fatal(err)
			}
			if body := readAll(t, res); res.StatusCode != http.StatusOK || !strings.Contains(body, `{source: "bff-silent-login", isLoggedIn: false}`) {
				t.Errorf("%s: %s", res.Status, body)
			}
			if b.cookie("cloakroom") != ticket || !b.session(t).Authenticated || b.attempts() != 0 {
				t.Error("the session has suffered, or an attempt is left")
			}
			if n := h.provider.Stats().AuthorizeRequests - asked; n != 0 { // the browser never went there
				t.Errorf("the gateway itself asked %d times", n)
			}
		})
	}
}

func TestASilentLoginAsksTheProviderOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	for n := 1; n <= 3; n++ { // a page that tries again decides so itself
		if body := readAll(t, b.signInSilently(t)); !strings.Contains(body, "isLoggedIn: false") {
			t.Fatal(body)
		}
		if got := h.provider.Stats().AuthorizeRequests; got != n {
			t.Fatalf("after %d tries the provider was asked %d times", n, got)
		}
		if b.attempts() != 0 {
			t.Fatal("an attempt is left")
		}
	}
}

func TestASilentLoginHearsOfAProviderThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		res := d.do(t, http.MethodGet, "/bff/login?prompt=none",
			"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html")
		if body := readAll(t, res); res.StatusCode != http.StatusOK || !strings.Contains(body, "isLoggedIn: false") || len(res.Cookies()) != 0 {
			t.Errorf("%s, cookies %v: %s", res.Status, res.Cookies(), body)
		}
		if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'self'") {
			t.Errorf("policy %q", got)
		}
	})
}
