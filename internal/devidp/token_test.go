package devidp_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestALoginGivesEverythingAndRefreshes(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	q := p.signIn(nil)
	if q.Get("state") != "the-state" || q.Get("iss") != p.idp.URL {
		t.Errorf("the callback has state %q and iss %q", q.Get("state"), q.Get("iss"))
	}
	r := p.mustAnswer(p.post("/token", p.codeForm(q.Get("code"))))
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" || r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %v", r.header)
	}
	if r.str("token_type") != "Bearer" || r.json["expires_in"] != 300.0 || r.str("scope") != "openid profile email offline_access" {
		t.Errorf("answer of the login: %v, %v, %v", r.json["token_type"], r.json["expires_in"], r.json["scope"])
	}
	id := payload(t, r.str("id_token"))
	if id["iss"] != p.idp.URL || id["sub"] != "alice" || id["aud"] != "app:1" || id["nonce"] != "the-nonce" || id["name"] != "Alice Archer" {
		t.Errorf("ID token %v", id)
	}
	rt := r.str("refresh_token")
	for range 3 {
		r, rt = p.mustRefresh(rt)
		if fresh := payload(t, r.str("id_token")); fresh["sub"] != "alice" || fresh["sid"] != id["sid"] || fresh["auth_time"] != id["auth_time"] || fresh["nonce"] != nil {
			t.Errorf("refreshed ID token %v", fresh)
		}
		if r := p.userinfo(r.str("access_token")); r.status != http.StatusOK || r.str("email") != "alice@example.com" {
			t.Errorf("userinfo %d, %v", r.status, r.json)
		}
	}
	got := p.idp.Stats()
	want := devidp.Stats{AuthorizeRequests: 1, TokenRequests: 4, UserInfoRequests: 3, SignIns: 1, Exchanges: 1, Refreshes: 3, MaxPresentations: 1, LiveGrants: 1}
	if got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	for _, text := range []string{q.Get("code"), r.str("access_token"), r.str("id_token"), rt} {
		if !slices.Contains(p.idp.Tokens(), text) {
			t.Error("a token is missing in Tokens")
		}
	}
}

func TestAUsedRefreshTokenKillsItsGrant(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	first := p.login()
	second, next := p.mustRefresh(first.str("refresh_token"))
	p.mustRefuse(p.refresh(first.str("refresh_token")), "invalid_grant")
	p.mustRefuse(p.refresh(next), "invalid_grant")
	for _, at := range []string{first.str("access_token"), second.str("access_token")} {
		if p.idp.Active(at) || p.userinfo(at).status != http.StatusUnauthorized {
			t.Error("an access token of the dead grant is alive")
		}
	}
	if got := p.idp.Presentations(first.str("refresh_token")); got != 2 || p.idp.MaxPresentations() != 2 {
		t.Errorf("presentations %d, max %d, want 2", got, p.idp.MaxPresentations())
	}
	if s := p.idp.Stats(); s.Reuses != 1 || s.LiveGrants != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestACodeWorksOnce(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	code := p.signIn(nil).Get("code")
	r := p.mustAnswer(p.post("/token", p.codeForm(code)))
	p.mustRefuse(p.post("/token", p.codeForm(code)), "invalid_grant")
	if p.idp.Active(r.str("access_token")) {
		t.Error("what came of the code lives on")
	}
	p.mustRefuse(p.refresh(r.str("refresh_token")), "invalid_grant")
	if s := p.idp.Stats(); s.CodeReuses != 1 || s.Reuses != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestACodeExchangeIsHeldToTheLetter(t *testing.T) {
	t.Parallel()
	other := basic("other", "other")
	for _, row := range []struct {
		name   string
		change func(*party, url.Values)
		code   string
	}{
		{"another redirect URI", func(_ *party, f url.Values) { f.Set("redirect_uri", callback+"/") }, "invalid_grant"},
		{"no redirect URI", func(_ *party, f url.Values) { f.Del("redirect_uri") }, "invalid_grant"},
		{"another verifier", func(_ *party, f url.Values) { f.Set("code_verifier", strings.Repeat("v", 43)) }, "invalid_grant"},
		{"no verifier", func(_ *party, f url.Values) { f.Del("code_verifier") }, "invalid_grant"},
		{"another client", func(p *party, _ url.Values) { p.auth = other }, "invalid_grant"},
		{"an unknown code", func(_ *party, f url.Values) { f.Set("code", "guess") }, "invalid_grant"},
		{"no code", func(_ *party, f url.Values) { f.Del("code") }, "invalid_grant"},
		{"a late client", func(p *party, _ url.Values) {
			p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = time.Minute })
		}, "invalid_grant"},
		{"an empty parameter", func(_ *party, f url.Values) { f.Set("audience", "") }, "invalid_request"},
		{"a parameter twice", func(_ *party, f url.Values) { f.Add("code", "guess") }, "invalid_request"},
		{"no grant type", func(_ *party, f url.Values) { f.Del("grant_type") }, "invalid_request"},
		{"a password", func(_ *party, f url.Values) { f.Set("grant_type", "password") }, "unsupported_grant_type"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{})
			form := p.codeForm(p.signIn(nil).Get("code"))
			row.change(p, form)
			p.mustRefuse(p.post("/token", form), row.code)
		})
	}
}
