package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestALogoutGoesOnToTheProviderOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	s := h.live(t, "alice")[0]
	hint := s.State().Grant.IDToken.Reveal()
	ticket := b.jar["cloakroom/"]
	res := b.fetch(t, http.MethodPost, "/bff/logout")
	body := decode[struct {
		RedirectURL string `json:"redirect_url"`
	}](t, res)
	if !strings.HasPrefix(body.RedirectURL, "/bff/logout?onward=") || strings.Contains(body.RedirectURL, hint) {
		t.Fatalf("redirect_url %q, want a local one without the hint", body.RedirectURL)
	}
	if s.State().Ended != session.LoggedOut || b.cookie("cloakroom") != "" {
		t.Errorf("ended: %q, ticket left: %t", s.State().Ended, b.cookie("cloakroom") != "")
	}

	wantProblem(t, b.fetch(t, http.MethodGet, body.RedirectURL), http.StatusForbidden, CSRFFailed)
	onward, err := url.Parse(b.visit(t, "same-origin", body.RedirectURL).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := onward.Query()
	if got := onward.Scheme + "://" + onward.Host; got != h.provider.URL || q.Get("id_token_hint") != hint ||
		q.Get("post_logout_redirect_uri") != h.url+"/" || q.Get("client_id") != "app" || q.Get("state") == "" {
		t.Errorf("goes on to %s", onward.Redacted())
	}
	if got := b.visit(t, "same-origin", body.RedirectURL).Header.Get("Location"); got != "/" {
		t.Errorf("the second time it goes on to %q, want /", got)
	}

	b.jar["cloakroom/"] = ticket
	wantProblem(t, b.fetch(t, http.MethodGet, "/api/x"), http.StatusUnauthorized, SessionExpired)
}

func TestALogoutWithoutASessionIsFine(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	body := decode[map[string]string](t, b.fetch(t, http.MethodPost, "/bff/logout"))
	if got := body["redirect_url"]; got != "/" {
		t.Errorf("redirect_url %q, want /", got)
	}
	for site, want := range map[string]int{"same-origin": http.StatusFound, "none": http.StatusFound, "cross-site": http.StatusForbidden, "same-site": http.StatusForbidden} {
		res := b.visit(t, site, "/bff/logout")
		if res.StatusCode != want {
			t.Errorf("%s: %s, want %d", site, res.Status, want)
		}
		if want == http.StatusFound && res.Header.Get("Location") != "/" {
			t.Errorf("%s: to %q", site, res.Header.Get("Location"))
		}
	}
	for _, odd := range []string{"/bff/logout?onward=", "/bff/logout?onward=xyz"} {
		if got := b.visit(t, "same-origin", odd).Header.Get("Location"); got != "/" {
			t.Errorf("%s goes on to %q, want /", odd, got)
		}
	}
}

func TestOnlyItsOwnAddressEndsASessionByNavigation(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	s := h.live(t, "alice")[0]
	own := *b.session(t).LogoutURL
	for name, row := range map[string]struct{ site, dest, target string }{
		"no sid":         {"same-origin", "document", "/bff/logout"},
		"a sibling":      {"same-site", "document", "/bff/logout"},
		"a wrong sid":    {"same-origin", "document", "/bff/logout?sid=" + strings.Repeat("A", len(s.State().Proof))},
		"the provider's": {"same-origin", "document", "/bff/logout?sid=" + url.QueryEscape(s.State().Grant.ProviderSession)},
		"an image":       {"same-origin", "image", own},
		"a frame":        {"same-origin", "iframe", own},
		"another site":   {"cross-site", "document", own},
		"a fetch":        {"same-origin", "empty", own},
	} {
		res, err := b.send(t.Context(), http.MethodGet, row.site, row.dest, row.target)
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, res, http.StatusForbidden, CSRFFailed)
		wantCookies(t, res, 0)
		if strings.Contains(readAll(t, res), s.State().Proof) {
			t.Errorf("%s: the answer tells the right sid", name)
		}
	}
	wantProblem(t, b.visit(t, "same-origin", own+"&sid=x"), http.StatusBadRequest, BadRequest)
	if s.State().Ended != "" {
		t.Fatalf("the session has ended: %s", s.State().Ended)
	}

	res := b.visit(t, "same-origin", own)
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusFound || !strings.HasPrefix(got, h.provider.URL+"/") {
		t.Errorf("%s to %q, want 302 to the provider", res.Status, got)
	}
	if s.State().Ended != session.LoggedOut || b.cookie("cloakroom") != "" {
		t.Errorf("ended: %q, ticket left: %t", s.State().Ended, b.cookie("cloakroom") != "")
	}
}

func TestALogoutNeedsNoProvider(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	s := h.live(t, "alice")[0]
	h.provider.Close()
	if res := b.fetch(t, http.MethodPost, "/bff/logout"); res.StatusCode != http.StatusOK {
		t.Errorf("%s", res.Status)
	}
	if s.State().Ended != session.LoggedOut {
		t.Error("the session lives")
	}
}

func TestALogoutWithAReplacedTicketLeavesTheNewerOneAlone(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	old := b.jar["cloakroom/"]
	b.signIn(t, "alice", "/")
	b.jar["cloakroom/"] = old
	res := b.fetch(t, http.MethodPost, "/bff/logout")
	wantProblem(t, res, http.StatusUnauthorized, SessionExpired)
	wantCookies(t, res, 0)
	if n := len(h.live(t, "alice")); n != 1 {
		t.Errorf("%d live sessions, want one", n)
	}
}

func TestARefreshIsThrottledAndTellsTheSameAsTheSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	before := h.live(t, "alice")[0].State().Grant.Generation
	if got := decode[sessionInfo](t, b.fetch(t, http.MethodPost, "/bff/refresh")); !got.Authenticated || got.Claims["sub"] != "alice" {
		t.Errorf("%+v", got)
	}
	if after := h.live(t, "alice")[0].State().Grant.Generation; after != before+1 {
		t.Errorf("generation %d after %d", after, before)
	}
	res := b.fetch(t, http.MethodPost, "/bff/refresh")
	wantProblem(t, res, http.StatusTooManyRequests, RefreshThrottled)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b2 := h.browser(t)
	wantProblem(t, b2.fetch(t, http.MethodPost, "/bff/refresh"), http.StatusUnauthorized, NoSession)
}

func TestALogoutAfterSomebodyElseEndedTheSessionStillGoesToTheProvider(t *testing.T) {
	for _, row := range []struct {
		why    session.Reason
		onward bool
	}{
		{session.ByProvider, true},
		{session.ByOperator, true},
		{session.ByUser, true},
		{session.FrontChannel, true},
		{session.LoggedOut, false},
	} {
		h := newHouse(t)
		post, get := h.browser(t), h.browser(t)
		var sids []string
		for _, b := range []*browser{post, get} {
			b.signIn(t, "alice", "/")
			sids = append(sids, url.QueryEscape(proofOf(t, b)))
		}
		for _, s := range h.live(t, "alice") {
			if err := s.End(t.Context(), row.why); err != nil {
				t.Fatal(err)
			}
		}
		onward := decode[struct {
			RedirectURL string `json:"redirect_url"`
		}](t, post.fetch(t, http.MethodPost, "/bff/logout")).RedirectURL
		if post.cookie("cloakroom") != "" {
			t.Errorf("%s: the ticket is still there", row.why)
		}
		if row.onward {
			onward = post.visit(t, "same-origin", onward).Header.Get("Location")
		}
		// Another session's proof is none, and neither is one that another site brings along.
		wrong := get.visit(t, "same-site", "/bff/logout?sid="+sids[0])
		wantProblem(t, wrong, http.StatusForbidden, CSRFFailed)
		wantCookies(t, wrong, 0)
		there := get.visit(t, "same-origin", "/bff/logout?sid="+sids[1])
		if there.Header.Get("Clear-Site-Data") != `"cache"` || get.cookie("cloakroom") != "" {
			t.Errorf("%s: the browser keeps what it has", row.why)
		}
		for how, target := range map[string]string{"POST": onward, "GET": there.Header.Get("Location")} {
			toProvider := strings.HasPrefix(target, h.provider.URL+"/") && strings.Contains(target, "id_token_hint=")
			if toProvider != row.onward || !row.onward && target != "/" {
				t.Errorf("%s, %s: goes on to %q, want the provider with the hint: %t", row.why, how, target, row.onward)
			}
		}
	}
}

// proofOf is the sid of a browser's session.
func proofOf(t *testing.T, b *browser) string {
	t.Helper()
	logout, err := url.Parse(*b.session(t).LogoutURL)
	if err != nil {
		t.Fatal(err)
	}
	return logout.Query().Get("sid")
}
