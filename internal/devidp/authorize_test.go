package devidp_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// location returns where a redirect leads.
func location(t *testing.T, r reply) *url.URL {
	t.Helper()
	if r.status != http.StatusSeeOther {
		t.Fatalf("status %d, want a redirect\n%s", r.status, r.text)
	}
	u, err := url.Parse(r.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAnAuthorizationRequestIsHeldToTheLetter(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	for _, row := range []struct {
		name, parameter, value string
		code                   string // of the redirect; empty means a page, and no redirect
	}{
		{"an unknown client", "client_id", "nobody", ""},
		{"a redirect URI with one slash more", "redirect_uri", callback + "/", ""},
		{"a redirect URI with a query", "redirect_uri", callback + "?x=1", ""},
		{"a redirect URI in capitals", "redirect_uri", strings.ToUpper(callback), ""},
		{"no redirect URI", "redirect_uri", "", ""},
		{"no PKCE", "code_challenge", "", "invalid_request"},
		{"plain PKCE", "code_challenge_method", "plain", "invalid_request"},
		{"no PKCE method", "code_challenge_method", "", "invalid_request"},
		{"a challenge that is no digest", "code_challenge", "abc", "invalid_request"},
		{"no state", "state", "", "invalid_request"},
		{"no nonce", "nonce", "", "invalid_request"},
		{"the implicit flow", "response_type", "token", "unsupported_response_type"},
		{"the fragment", "response_mode", "fragment", "invalid_request"},
		{"no openid", "scope", "profile", "invalid_scope"},
		{"a request object", "request", "e30.e30.", "request_not_supported"},
		{"a request URI", "request_uri", "urn:x", "request_uri_not_supported"},
		{"a prompt that contradicts itself", "prompt", "none login", "invalid_request"},
		{"a max_age that is no number", "max_age", "soon", "invalid_request"},
		{"a resource that is no URI", "resource", "orders", "invalid_target"},
		{"prompt=none without a session", "prompt", "none", "login_required"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := p.get(p.authorizeURL(url.Values{row.parameter: {row.value}}))
			if row.code == "" {
				if r.status != http.StatusBadRequest || r.header.Get("Location") != "" || !strings.Contains(r.text, `role="alert"`) {
					t.Errorf("status %d, Location %q", r.status, r.header.Get("Location"))
				}
				return
			}
			q := location(t, r).Query()
			if q.Get("error") != row.code || q.Get("iss") != p.idp.URL || q.Has("code") {
				t.Errorf("callback %v, want error %s", q, row.code)
			}
			if row.parameter != "state" && q.Get("state") != "the-state" {
				t.Errorf("state is %q", q.Get("state"))
			}
		})
	}
}

func TestAParameterTwiceIsRefused(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	if r := p.get(p.authorizeURL(url.Values{"client_id": {"app:1", "app:1"}})); r.status != http.StatusBadRequest {
		t.Errorf("two clients: status %d", r.status)
	}
	q := location(t, p.get(p.authorizeURL(url.Values{"nonce": {"a", "b"}}))).Query()
	if q.Get("error") != "invalid_request" {
		t.Errorf("two nonces: %v", q)
	}
}

func TestASessionAnswersWithoutThePage(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	p.signIn(url.Values{"acr_values": {"gold silver"}})
	for _, row := range []struct {
		name    string
		changes url.Values
		ahead   time.Duration // of the provider's clock since the login
		want    string        // "code", "page", or an error
	}{
		{"nothing asked", nil, time.Hour, "code"},
		{"silently", url.Values{"prompt": {"none"}}, time.Hour, "code"},
		{"a new login", url.Values{"prompt": {"login"}}, 0, "page"},
		{"another account", url.Values{"prompt": {"select_account"}}, 0, "page"},
		{"consent, which is always given", url.Values{"prompt": {"consent"}}, 0, "code"},
		{"a login young enough", url.Values{"max_age": {"60"}}, 30 * time.Second, "code"},
		{"a login too old", url.Values{"max_age": {"60"}}, time.Hour, "page"},
		{"a login too old, silently", url.Values{"max_age": {"60"}, "prompt": {"none"}}, time.Hour, "login_required"},
		{"a login at this moment", url.Values{"max_age": {"0"}}, 0, "page"},
		{"the same strength", url.Values{"acr_values": {"gold"}}, 0, "code"},
		{"more strength", url.Values{"acr_values": {"platinum"}}, 0, "page"},
		{"more strength, silently", url.Values{"acr_values": {"platinum"}, "prompt": {"none"}}, 0, "interaction_required"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = row.ahead })
			r := p.get(p.authorizeURL(row.changes))
			got := "page"
			if r.status != http.StatusOK {
				q := location(t, r).Query()
				if got = q.Get("error"); q.Has("code") {
					got = "code"
				}
			}
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestTheStepUpIsInTheIDToken(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	code := p.signIn(url.Values{"acr_values": {"gold"}}).Get("code")
	first := payload(t, p.mustAnswer(p.post("/token", p.codeForm(code))).str("id_token"))
	p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = time.Hour })
	code = p.signIn(url.Values{"prompt": {"login"}}).Get("code")
	second := payload(t, p.mustAnswer(p.post("/token", p.codeForm(code))).str("id_token"))
	if first["acr"] != "gold" || second["auth_time"].(float64)-first["auth_time"].(float64) < 3600 {
		t.Errorf("acr %v, auth_time %v and then %v", first["acr"], first["auth_time"], second["auth_time"])
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.IgnoreStepUp = true })
	if q := location(t, p.get(p.authorizeURL(url.Values{"prompt": {"login"}, "acr_values": {"platinum"}}))).Query(); !q.Has("code") {
		t.Errorf("with ignore_step_up: %v", q)
	}
}

func TestACancelledSignInIsAccessDenied(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	page := p.get(p.authorizeURL(nil))
	id := between(t, page.text, `name="request" value="`, `"`)
	q := location(t, p.post("/sign-in", url.Values{"request": {id}, "cancel": {"yes"}})).Query()
	if q.Get("error") != "access_denied" || q.Get("state") != "the-state" {
		t.Errorf("callback %v", q)
	}
	if r := p.post("/sign-in", url.Values{"request": {id}, "login": {"alice"}}); r.status != http.StatusBadRequest {
		t.Errorf("the same form again: status %d", r.status)
	}
}

func TestTheSignInPageIsInert(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	r := p.get(p.authorizeURL(url.Values{"login_hint": {`bob"><script>`}}))
	for _, needle := range []string{`value="alice"`, `value="bob"`, `name="cancel"`, "app:1"} {
		if !strings.Contains(r.text, needle) {
			t.Errorf("the page has no %s", needle)
		}
	}
	for _, needle := range []string{"<script", "//", " src=", " onclick=", "<link", "@import", "url("} {
		if strings.Contains(r.text, needle) {
			t.Errorf("the page has %s", needle)
		}
	}
	policy := r.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "form-action 'self' http://localhost:8080") {
		t.Errorf("policy %q", policy)
	}
}

func TestNobodyIsSignedInFromAnotherSite(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	id := between(t, p.get(p.authorizeURL(nil)).text, `name="request" value="`, `"`)
	p.auth = func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	if r := p.post("/sign-in", url.Values{"request": {id}, "login": {"alice"}}); r.status != http.StatusForbidden {
		t.Errorf("status %d, want 403", r.status)
	}
	p.auth = func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "same-origin") }
	if r := p.post("/sign-in", url.Values{"request": {id}, "login": {"mallory"}}); r.status != http.StatusBadRequest {
		t.Errorf("an unknown name: status %d, want the page again", r.status)
	}
	location(t, p.post("/sign-in", url.Values{"request": {id}, "login": {"alice"}}))
	if r := p.post("/sign-in", url.Values{"request": {id}, "login": {"alice"}}); r.status != http.StatusBadRequest {
		t.Errorf("the same form again: status %d", r.status)
	}
}

func TestAutoLoginNeedsNoPage(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{AutoLogin: "bob"})
	if q := location(t, p.get(p.authorizeURL(url.Values{"prompt": {"none"}}))).Query(); q.Get("error") != "login_required" {
		t.Errorf("silent, before: %v", q)
	}
	q := location(t, p.get(p.authorizeURL(nil))).Query()
	if id := payload(t, p.mustAnswer(p.post("/token", p.codeForm(q.Get("code")))).str("id_token")); id["sub"] != "bob" {
		t.Errorf("sub %v", id["sub"])
	}
	if q := location(t, p.get(p.authorizeURL(url.Values{"prompt": {"none"}}))).Query(); !q.Has("code") {
		t.Errorf("silent, after: %v", q)
	}
}

func TestTheCallbackCanBeSpoilt(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		knobs devidp.Knobs
		check func(url.Values) bool
	}{
		{"wrong iss", devidp.Knobs{IssInCallback: devidp.IssWrong}, func(q url.Values) bool { return q.Get("iss") == "https://evil.example" && q.Has("code") }},
		{"missing iss", devidp.Knobs{IssInCallback: devidp.IssMissing}, func(q url.Values) bool { return !q.Has("iss") && q.Has("code") }},
		{"another state", devidp.Knobs{StateInCallback: devidp.StateOther}, func(q url.Values) bool { return q.Get("state") != "" && q.Get("state") != "the-state" && q.Has("code") }},
		{"no state", devidp.Knobs{StateInCallback: devidp.StateMissing}, func(q url.Values) bool { return !q.Has("state") && q.Has("code") }},
		{"an error", devidp.Knobs{AuthorizeError: "consent_required"}, func(q url.Values) bool { return q.Get("error") == "consent_required" && q.Has("iss") }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.knobs.AutoLogin = "alice"
			p := newParty(t, row.knobs)
			if q := location(t, p.get(p.authorizeURL(nil))).Query(); !row.check(q) {
				t.Errorf("callback %v", q)
			}
		})
	}
}

func TestTwoBrowsersAreTwoSessions(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	first := payload(t, p.login().str("id_token"))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.http.Jar = jar
	second := payload(t, p.login().str("id_token"))
	if first["sid"] == second["sid"] {
		t.Error("two browsers share a sid")
	}
	if all := p.idp.Grants(); len(all) != 2 || all[0].SID != first["sid"] || all[1].Subject != "alice" {
		t.Errorf("grants %+v", all)
	}
}

func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, before)
	found, _, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		t.Fatalf("no %q … %q in the page", before, after)
	}
	return found
}
