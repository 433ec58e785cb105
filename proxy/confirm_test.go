package proxy

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// confirmed returns where the button of a confirming page leads.
func confirmed(t testing.TB, res *http.Response) string {
	t.Helper()
	page := readAll(t, res)
	found := regexp.MustCompile(`class="action" href="([^"]*)"`).FindStringSubmatch(page)
	if res.StatusCode != http.StatusOK || found == nil || !strings.Contains(page, "Sign in to localhost:") {
		t.Fatalf("%s is no confirming page: %s", res.Status, page)
	}
	return html.UnescapeString(found[1])
}

func careful(c *Config) { c.ConfirmLogins = true }

func TestALoginThatAnotherPageStartsIsConfirmed(t *testing.T) {
	h := newHouse(t, careful)
	for _, site := range []string{"cross-site", "same-site"} {
		t.Run(site, func(t *testing.T) {
			b := h.browser(t)
			res := b.visit(t, site, "/bff/login?returnUrl=/api/here&login_hint=%22%3E%3Cb%3Ealice")
			policy := res.Header.Get("Content-Security-Policy")
			if b.attempts() != 0 || !strings.Contains(policy, "frame-ancestors 'none'") || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d attempts began; policy %s", b.attempts(), policy)
			}
			login := confirmed(t, res)
			if want := "/bff/login?login_hint=%22%3E%3Cb%3Ealice&returnUrl=%2Fapi%2Fhere"; login != want {
				t.Fatalf("the button leads to %s, want %s", login, want)
			}
			if res := b.visit(t, "same-origin", login); !strings.HasPrefix(res.Header.Get("Location"), h.provider.URL) || b.attempts() != 1 {
				t.Errorf("the button leads on to %s", res.Header.Get("Location"))
			}
		})
	}
}

func TestALoginThatTheUserStartsIsNotConfirmed(t *testing.T) {
	h := newHouse(t, careful)
	for _, site := range []string{"same-origin", "none"} {
		if res := h.browser(t).visit(t, site, "/bff/login"); !strings.HasPrefix(res.Header.Get("Location"), h.provider.URL) {
			t.Errorf("%s: %s to %q", site, res.Status, res.Header.Get("Location"))
		}
	}
	b := h.browser(t)
	if got := b.signIn(t, "alice", "/here"); got != "/here" {
		t.Errorf("the login ends at %s", got)
	}
	if body := readAll(t, b.signInSilently(t)); !strings.Contains(body, "isLoggedIn: true") {
		t.Errorf("the silent login: %s", body)
	}
}

// A link to a page behind the login starts one as well as a link to the login itself.
func TestALinkToAPageStartsNoLoginUnasked(t *testing.T) {
	h := newHouse(t, careful)
	b := h.browser(t)
	login := hopTarget(t, b.visit(t, "cross-site", "/api/page?a=b"))
	res := b.visit(t, "same-origin", login)
	if again := confirmed(t, res); again != "/bff/login?returnUrl=%2Fapi%2Fpage%3Fa%3Db" || b.attempts() != 0 {
		t.Errorf("the button leads to %s, %d attempts", again, b.attempts())
	}
	b.signIn(t, "alice", "/")
	if res := b.visit(t, "same-origin", hopTarget(t, b.visit(t, "cross-site", "/api/page?a=b"))); res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/api/page?a=b" {
		t.Errorf("with a session: %s to %s", res.Status, res.Header.Get("Location"))
	}
	// From the start page it is the application's own link.
	if res := h.browser(t).visit(t, "same-origin", "/api/page"); res.Header.Get("Location") != "/bff/login?returnUrl=%2Fapi%2Fpage" {
		t.Errorf("from a page of ours: %s to %s", res.Status, res.Header.Get("Location"))
	}
}

func TestABrowserWithoutFetchMetadataIsBelievedByItsReferer(t *testing.T) {
	d := newDesk(t)
	d.gateway.cfg.ConfirmLogins = true
	for _, row := range []struct {
		name    string
		referer []string
		begins  bool
	}{
		{"a page of ours", []string{"Referer", d.gateway.origin + "/bff/login?returnUrl=/"}, true},
		{"another site", []string{"Referer", "https://evil.example/" + d.gateway.origin}, false},
		{"a longer name", []string{"Referer", d.gateway.origin + ".evil.example/"}, false},
		{"nobody", nil, false},
		{"two", []string{"Referer", d.gateway.origin + "/", "Referer", d.gateway.origin + "/"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			res := d.do(t, http.MethodGet, "/bff/login", append([]string{"Accept", "text/html"}, row.referer...)...)
			if begins := res.StatusCode != http.StatusOK; begins != row.begins || !begins && res.Header.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("%s to %s", res.Status, res.Header.Get("Location"))
			}
		})
	}
}
