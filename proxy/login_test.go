package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// tab is what a browser sends when its user goes somewhere.
func tab(site string) []string {
	return []string{
		"Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document",
		"Accept", "text/html,application/xhtml+xml,*/*;q=0.8",
	}
}

func TestABadLoginIsRefusedAndLeavesNothingBehind(t *testing.T) {
	d := newDesk(t)
	frame := func(site string) []string {
		return []string{"Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}
	}
	for name, row := range map[string]struct {
		target string
		header []string
	}{
		"a fetch":               {"/bff/login", script},
		"a fetch without names": {"/bff/login", []string{"Accept", "*/*"}},
		"a form":                {"/bff/login", []string{"X-Requested-With", "XMLHttpRequest", "Accept", "text/html"}},
		"a prefetch":            {"/bff/login", append(tab("same-origin"), "Sec-Purpose", "prefetch")},
		"a frame":               {"/bff/login", frame("same-origin")},
		"a frame elsewhere":     {"/bff/login?prompt=none", frame("cross-site")},
		"a frame of a sibling":  {"/bff/login?prompt=none", frame("same-site")},
		"scope":                 {"/bff/login?scope=admin", tab("same-origin")},
		"redirect_uri":          {"/bff/login?redirect_uri=https%3A%2F%2Fevil.example", tab("same-origin")},
		"state":                 {"/bff/login?state=x", tab("same-origin")},
		"a parameter twice":     {"/bff/login?prompt=login&prompt=none", tab("same-origin")},
		"a returnUrl elsewhere": {"/bff/login?returnUrl=//evil.example", tab("same-origin")},
		"a returnUrl twice":     {"/bff/login?returnUrl=/a&returnUrl=/b", tab("same-origin")},
		"a returnUrl in a loop": {"/bff/login?returnUrl=/bff/login", tab("cross-site")},
		"a query with a hole":   {"/bff/login?a=%zz", tab("same-origin")},
		"a query of 9 kB":       {"/bff/login?login_hint=" + strings.Repeat("a", 9<<10), tab("same-origin")},
	} {
		t.Run(name, func(t *testing.T) {
			res := d.do(t, http.MethodGet, row.target, row.header...)
			wantProblem(t, res, http.StatusBadRequest, BadRequest)
			wantCookies(t, res, 0)
			if body := readAll(t, res); strings.Contains(body, "evil") {
				t.Errorf("the answer repeats what was sent: %s", body)
			}
		})
	}
}

func TestALoginFromAnotherSiteHopsFirst(t *testing.T) {
	d := newDesk(t)
	res := d.do(t, http.MethodGet, "/bff/login?returnUrl=%2Fa%3Fb%3Dc&login_hint=alice%26bob", tab("cross-site")...)
	wantCookies(t, res, 0)
	if got, want := hopTarget(t, res), "/bff/login?login_hint=alice%26bob&returnUrl=%2Fa%3Fb%3Dc"; got != want {
		t.Errorf("hops to %q, want %q", got, want)
	}
}

func TestALoginDoesNotBeginWithTheStoreAway(t *testing.T) {
	d := newDesk(t)
	d.store.away.Store(true)
	_, forgotten, err := newDesk(t).sessions.Begin(t.Context(), startOf(d.grant("alice")))
	if err != nil {
		t.Fatal(err)
	}
	// A ticket of other keys is nobody's; it needs no store.
	if _, err := d.gateway.currentID(requestWith(t, d.cookie(forgotten))); err != nil {
		t.Errorf("a foreign ticket: %v", err)
	}
	d.store.away.Store(false)
	_, ticket := d.begin(t, d.grant("alice"))
	d.forget(t)
	d.store.away.Store(true)
	res := d.do(t, http.MethodGet, "/bff/login", append(tab("same-origin"), "Cookie", d.cookie(ticket))...)
	wantProblem(t, res, http.StatusServiceUnavailable, StoreUnavailable)
	wantCookies(t, res, 0)
}

func TestTheLoginURLCarriesTheWayBack(t *testing.T) {
	g := &Gateway{base: "/bff"}
	for returnURL, want := range map[string]string{
		"":         "/bff/login?returnUrl=%2F",
		"/a?b=c&d": "/bff/login?returnUrl=%2Fa%3Fb%3Dc%26d",
	} {
		if got := g.loginURL(returnURL); got != want {
			t.Errorf("loginURL(%q) = %q, want %q", returnURL, got, want)
		}
	}
}

// A callback that no state of ours comes with never reaches the provider, whatever its
// query looks like, and never makes the gateway stumble.
func FuzzCallbackQuery(f *testing.F) {
	d := newDesk(f)
	a := d.gateway.newAttempt("binding", [32]byte{})
	sealed, err := d.gateway.sealState(state{id: a.ID, returnURL: "/"})
	if err != nil {
		f.Fatal(err)
	}
	for _, query := range []string{
		"", "code=x&state=y", "code=x", "state=", "error=access_denied&state=y&iss=https://idp.example.net",
		"code=a&code=b&state=c", "state=a&state=b", "code=%zz", "code=x;state=y", "state=y&stale=1", "error=%3Cscript%3E&error_description=%22&state=x",
		"code=x&state=" + sealed[:len(sealed)-1], "code=x&iss=&state=" + strings.Repeat("A", 5000), "code=x&session_state=y&state=" + strings.ToUpper(sealed),
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if values, err := url.ParseQuery(query); err == nil && slices.Contains(values["state"], sealed) {
			return
		}
		r := requestWith(t, d.gateway.loginCookieName()+"="+randomText())
		r.URL.Path, r.URL.RawQuery = "/bff/callback", query
		for pair := range slices.Chunk(tab("cross-site"), 2) {
			r.Header.Set(pair[0], pair[1])
		}
		w := httptest.NewRecorder()
		d.gateway.ServeHTTP(w, r)
		res := w.Result()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s, want 400", query, res.Status)
		}
		wantCookies(t, res, 0)
		if n := d.calls.Load(); n > 0 {
			t.Fatalf("%q: %d calls to the provider", query, n)
		}
	})
}

// Behind forward-auth, a link on another site brings a browser without its Strict ticket to
// the login, though it has a session.
func TestALoginThatMayResumeAsksTheProviderOnlyWithoutASession(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	const login = "/bff/login?resume=1&returnUrl=%2Fapi%2Fpage"
	if res := b.visit(t, "same-origin", hopTarget(t, b.visit(t, "cross-site", login))); !strings.HasPrefix(res.Header.Get("Location"), h.provider.URL) {
		t.Errorf("without a session: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	b.signIn(t, "alice", "/")
	attempts := b.attempts()
	res := b.visit(t, "same-origin", hopTarget(t, b.visit(t, "cross-site", login)))
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/api/page" || b.attempts() != attempts {
		t.Errorf("with one: %d to %q, %d attempts", res.StatusCode, res.Header.Get("Location"), b.attempts())
	}
	if res := b.visit(t, "same-origin", "/bff/login?returnUrl=%2Fapi%2Fpage"); !strings.HasPrefix(res.Header.Get("Location"), h.provider.URL) {
		t.Errorf("a login that somebody asked for: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}
