package devidp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestRefreshTokensRotateAsTheModeSays(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mode devidp.RefreshTokenMode
		// What two refreshes with the newest token have: a new one, the same, or none.
		first, second string
		oldWorks      bool // the token of the login, in the end
	}{
		{"", "new", "new", false},
		{devidp.Rotating, "new", "new", false},
		{devidp.RotatingOptional, "none", "new", false},
		{devidp.Static, "none", "none", true},
		{devidp.StaticEcho, "same", "same", true},
		{devidp.Overlapping, "new", "new", true},
		{devidp.Idempotent, "new", "new", true},
	} {
		t.Run("mode "+string(row.mode), func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{RefreshTokenMode: row.mode})
			old := p.login().str("refresh_token")
			rt := old
			for _, want := range []string{row.first, row.second} {
				r, next := p.mustRefresh(rt)
				got := "new"
				if r.str("refresh_token") == "" {
					got = "none"
				} else if next == rt {
					got = "same"
				}
				if got != want {
					t.Errorf("the answer's refresh token: %s, want %s", got, want)
				}
				rt = next
			}
			if r := p.refresh(old); (r.status == http.StatusOK) != row.oldWorks {
				t.Errorf("the first token again: status %d", r.status)
			}
		})
	}
}

func TestALeewayForksTheFamilyOfThePreviousTokenOnly(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{ReuseLeeway: time.Minute})
	first := p.login().str("refresh_token")
	_, second := p.mustRefresh(first)
	_, sibling := p.mustRefresh(first)
	if sibling == second {
		t.Error("the leeway returned the same successor")
	}
	p.mustRefresh(sibling)
	p.mustRefuse(p.refresh(first), "invalid_grant")
	if s := p.idp.Stats(); s.Reuses != 1 || s.LiveGrants != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestALeewayEnds(t *testing.T) {
	t.Parallel()
	for _, mode := range []devidp.RefreshTokenMode{devidp.Rotating, devidp.Idempotent} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{RefreshTokenMode: mode, ReuseLeeway: time.Minute, ReuseSparesFamily: true})
			first := p.login().str("refresh_token")
			_, second := p.mustRefresh(first)
			if _, again := p.mustRefresh(first); mode == devidp.Idempotent && again != second {
				t.Error("an idempotent answer has another token")
			}
			p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = 2 * time.Minute })
			p.mustRefuse(p.refresh(first), "invalid_grant")
			p.mustRefresh(second) // the family was spared
		})
	}
}

func TestRefreshTokensExpire(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		knobs devidp.Knobs
		hint  float64
	}{
		{"without use", devidp.Knobs{RefreshTokenIdleTTL: time.Hour}, 3600},
		{"in the end", devidp.Knobs{RefreshTokenAbsoluteTTL: 100 * time.Minute}, 3000},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.knobs.RefreshTokenHint = "refresh_expires_in"
			p := newParty(t, row.knobs)
			rt := p.login().str("refresh_token")
			p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = 50 * time.Minute })
			r, rt := p.mustRefresh(rt)
			if got, ok := r.json["refresh_expires_in"].(float64); !ok || got > row.hint || got < row.hint-60 {
				t.Errorf("refresh_expires_in is %v, want %v", r.json["refresh_expires_in"], row.hint)
			}
			p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = 3 * time.Hour })
			p.mustRefuse(p.refresh(rt), "invalid_grant")
		})
	}
}

func TestTheOldestGrantGoesAboveTheLimit(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{RefreshTokenLimit: 2})
	var tokens []string
	for range 3 {
		tokens = append(tokens, p.login().str("refresh_token"))
	}
	p.mustRefuse(p.refresh(tokens[0]), "invalid_grant")
	p.mustRefresh(tokens[1])
	p.mustRefresh(tokens[2])
}

func TestAnswersHaveTheFieldsThatTheKnobsSay(t *testing.T) {
	t.Parallel()
	type test struct {
		name  string
		knobs devidp.Knobs
		check func(r reply) bool
	}
	has := func(name string) func(reply) bool {
		return func(r reply) bool { _, ok := r.json[name]; return ok }
	}
	not := func(f func(reply) bool) func(reply) bool { return func(r reply) bool { return !f(r) } }
	for _, row := range []test{
		{"expires_in as text", devidp.Knobs{ExpiresIn: json.RawMessage(`"soon"`)}, func(r reply) bool { return r.str("expires_in") == "soon" }},
		{"expires_in negative", devidp.Knobs{ExpiresIn: json.RawMessage(`-96`)}, func(r reply) bool { return r.json["expires_in"] == -96.0 }},
		{"no expires_in", devidp.Knobs{OmitExpiresIn: true}, not(has("expires_in"))},
		{"a short life", devidp.Knobs{AccessTokenTTL: 5 * time.Second}, func(r reply) bool { return r.json["expires_in"] == 5.0 }},
		{"no access token", devidp.Knobs{OmitAccessToken: true}, not(has("access_token"))},
		{"another type", devidp.Knobs{TokenType: "bEARER"}, func(r reply) bool { return r.str("token_type") == "bEARER" }},
		{"no scope", devidp.Knobs{OmitScope: true}, not(has("scope"))},
		{"narrowed scope", devidp.Knobs{GrantScope: "openid email"}, func(r reply) bool { return r.str("scope") == "openid email" }},
		{"no refresh token", devidp.Knobs{NoRefreshToken: true}, not(has("refresh_token"))},
		{"no ID token", devidp.Knobs{NoIDTokenOnRefresh: true}, not(has("id_token"))},
		{"opaque", devidp.Knobs{AccessTokenFormat: devidp.Opaque}, func(r reply) bool { return !strings.Contains(r.str("access_token"), ".") }},
		{"opaque without an audience", devidp.Knobs{OpaqueWithoutAudience: true}, func(r reply) bool { return !strings.Contains(r.str("access_token"), ".") }},
		{"encrypted", devidp.Knobs{AccessTokenFormat: devidp.JWE}, func(r reply) bool { return strings.Count(r.str("access_token"), ".") == 4 }},
		{"a big JWT", devidp.Knobs{AccessTokenSize: 16 << 10}, func(r reply) bool { return len(r.str("access_token")) >= 16<<10 }},
		{"a big opaque one", devidp.Knobs{AccessTokenSize: 16 << 10, AccessTokenFormat: devidp.Opaque}, func(r reply) bool { return len(r.str("access_token")) == 16<<10 }},
		{"a big refresh token", devidp.Knobs{RefreshTokenSize: 16 << 10}, func(r reply) bool { return len(r.str("refresh_token")) == 16<<10 }},
		{"reserved letters", devidp.Knobs{RefreshTokenAlphabet: "+/=%&"}, func(r reply) bool {
			return strings.Trim(r.str("refresh_token"), "+/=%&") == "" && has("refresh_token")(r)
		}},
		{"an ES256 ID token", devidp.Knobs{IDTokenAlg: "ES256"}, func(r reply) bool { return strings.HasPrefix(r.str("id_token"), "eyJhbGciOiJFUzI1NiI") }},
		{"a bare ID token", devidp.Knobs{BareIDToken: true}, func(r reply) bool { return payload(t, r.str("id_token"))["name"] == nil }},
		{"a repeated nonce", devidp.Knobs{NonceOnRefresh: true}, func(r reply) bool { return payload(t, r.str("id_token"))["nonce"] == "the-nonce" }},
		{"a ceiling", devidp.Knobs{SessionExpiry: time.Hour}, func(r reply) bool {
			id := payload(t, r.str("id_token"))
			return id["session_expiry"].(float64)-id["auth_time"].(float64) == 3600
		}},
		{"a ceiling in milliseconds", devidp.Knobs{SessionExpiry: time.Hour, SessionExpiryMillis: true}, func(r reply) bool {
			return payload(t, r.str("id_token"))["session_expiry"].(float64) > 1e12
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{})
			code := p.signIn(nil).Get("code")
			p.idp.Adjust(func(k *devidp.Knobs) { *k = row.knobs })
			login := p.mustAnswer(p.post("/token", p.codeForm(code)))
			if rt := login.str("refresh_token"); rt != "" {
				login = p.mustAnswer(p.refresh(rt))
			}
			if !row.check(login) {
				t.Errorf("answer %v", login.json)
			}
		})
	}
}

func TestAudiencesAndScopesAreChosenAtTheRefresh(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{Audiences: []string{"orders", "https://stock.example"}, RefreshTokenMode: devidp.Static})
	rt := p.login().str("refresh_token")
	ask := func(name, value string) reply {
		form := refreshForm(rt)
		form.Set(name, value)
		return p.post("/token", form)
	}
	aud := func(r reply) any { return payload(t, p.mustAnswer(r).str("access_token"))["aud"] }
	if got := aud(p.refresh(rt)); got != p.idp.URL {
		t.Errorf("default audience %v", got)
	}
	if got := aud(ask("audience", "orders")); got != "orders" {
		t.Errorf("audience %v", got)
	}
	if got := aud(ask("resource", "https://stock.example")); got != "https://stock.example" {
		t.Errorf("resource %v", got)
	}
	if got := p.mustAnswer(ask("scope", "openid email")).str("scope"); got != "openid email" {
		t.Errorf("scope %q", got)
	}
	if r := p.mustAnswer(ask("scope", "email")); r.str("id_token") != "" {
		t.Error("an ID token without openid")
	}
	p.mustRefuse(ask("scope", "openid admin"), "invalid_scope")
	p.mustRefuse(ask("audience", "unknown"), "invalid_target")
	p.idp.Adjust(func(k *devidp.Knobs) { k.AudienceFallback = true })
	if got := aud(ask("audience", "unknown")); got != p.idp.URL {
		t.Errorf("fallback %v", got)
	}
}

func TestAScriptChangesClaimsAndDenies(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{ClaimsScript: func(_ context.Context, protocol string, claims map[string]any) error {
		claims["via"] = protocol
		delete(claims, "email")
		return nil
	}})
	r := p.login()
	if id := payload(t, r.str("id_token")); id["via"] != devidp.ProtocolLogin || id["email"] != nil {
		t.Errorf("login: %v", id)
	}
	r, rt := p.mustRefresh(r.str("refresh_token"))
	if id := payload(t, r.str("id_token")); id["via"] != devidp.ProtocolRefresh {
		t.Errorf("refresh: %v", id)
	}
	p.idp.Adjust(func(k *devidp.Knobs) {
		k.ClaimsScript = func(context.Context, string, map[string]any) error {
			return &devidp.Refusal{Status: http.StatusForbidden, Code: "access_denied", Description: "Invalid IP change"}
		}
	})
	if r := p.refresh(rt); r.status != http.StatusForbidden || r.str("error") != "access_denied" {
		t.Errorf("denied: %d %v", r.status, r.json)
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.ClaimsScript = nil })
	r, _ = p.mustRefresh(rt) // the denial used nothing up, and the script's claims are gone
	if id := payload(t, r.str("id_token")); id["via"] != nil || id["email"] == nil {
		t.Errorf("afterwards: %v", id)
	}
}

func TestMFAIsAskedForWithAToken(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{MFARequired: true})
	rt := p.login().str("refresh_token")
	r := p.refresh(rt)
	p.mustRefuse(r, "mfa_required")
	if r.status != http.StatusForbidden || !slices.Contains(p.idp.Tokens(), r.str("mfa_token")) {
		t.Errorf("status %d", r.status)
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.MFARequired = false })
	p.mustRefresh(rt)
}

func TestARefreshCanKillTheOldAccessToken(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{RefreshKillsOldAccessTokens: true})
	first := p.login()
	second, _ := p.mustRefresh(first.str("refresh_token"))
	if p.idp.Active(first.str("access_token")) || !p.idp.Active(second.str("access_token")) {
		t.Error("the wrong access token is alive")
	}
}

func TestRevocationsOutOfBand(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		revoke func(*devidp.Server, string) bool
	}{
		{"by subject", func(s *devidp.Server, _ string) bool { return s.RevokeSubject("alice") == 1 }},
		{"by grant", func(s *devidp.Server, _ string) bool { return s.RevokeGrant(s.Grants()[0].ID) == 1 }},
		{"by refresh token", func(s *devidp.Server, rt string) bool { return s.RevokeRefreshToken(rt) }},
		{"everything", func(s *devidp.Server, _ string) bool { return s.RevokeAll() == 1 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{})
			r := p.login()
			if p.idp.RefreshToken("alice") != r.str("refresh_token") || !row.revoke(p.idp, r.str("refresh_token")) {
				t.Fatal("nothing was revoked")
			}
			if p.idp.Active(r.str("access_token")) || p.idp.RefreshToken("alice") != "" {
				t.Error("tokens are alive")
			}
			p.mustRefuse(p.refresh(r.str("refresh_token")), "invalid_grant")
			if s := p.idp.Stats(); s.Revocations != 0 || s.Reuses != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestARevocationTakesTheGrantAlong(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	r := p.login()
	if got := p.post("/revoke", url.Values{"token": {"unknown"}}); got.status != http.StatusOK || got.text != "" {
		t.Errorf("an unknown token: %d %q", got.status, got.text)
	}
	p.mustRefuse(p.post("/revoke", url.Values{"token_type_hint": {"refresh_token"}}), "invalid_request")
	p.auth = basic("other", "other")
	p.mustRefuse(p.post("/revoke", url.Values{"token": {r.str("refresh_token")}}), "invalid_grant")
	p.auth = basic("other", "wrong")
	p.mustRefuse(p.post("/revoke", url.Values{"token": {r.str("refresh_token")}}), "invalid_client")
	p.auth = nil
	p.mustAnswer(p.post("/revoke", url.Values{"token": {r.str("access_token")}}))
	if p.idp.Active(r.str("access_token")) {
		t.Error("the access token is alive")
	}
	fresh, rt := p.mustRefresh(r.str("refresh_token"))
	p.mustAnswer(p.post("/revoke", url.Values{"token": {rt}, "token_type_hint": {"refresh_token"}}))
	p.mustRefuse(p.refresh(rt), "invalid_grant")
	if p.idp.Active(fresh.str("access_token")) {
		t.Error("the grant's access token is alive")
	}
	if s := p.idp.Stats(); s.Revocations != 3 {
		t.Errorf("stats %+v", s)
	}
}
