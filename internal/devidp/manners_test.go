package devidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func mannersOf(t *testing.T, preset string) devidp.Knobs {
	t.Helper()
	k, ok := devidp.Manners(preset)
	if !ok || k.Preset != preset {
		t.Fatalf("nobody knows the manners of %s", preset)
	}
	return k
}

// asks is what a provider's own client would ask for at a login.
func asks(preset string) url.Values {
	switch preset {
	case "google":
		return url.Values{"scope": {"openid profile email"}, "access_type": {"offline"}, "prompt": {"consent"}}
	case "cognito", "gitlab":
		return url.Values{"scope": {"openid profile email"}}
	}
	return nil
}

func TestEveryPresetsMannersMakeAProviderThatWorks(t *testing.T) {
	t.Parallel()
	for _, preset := range devidp.Presets() {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, mannersOf(t, preset))
			r := p.mustAnswer(p.post("/token", p.codeForm(p.signIn(asks(preset)).Get("code"))))
			if r.str("refresh_token") == "" || r.str("id_token") == "" || r.str("access_token") == "" {
				t.Fatalf("the login gave %v", r.json)
			}
			p.mustRefresh(r.str("refresh_token"))
		})
	}
	if _, ok := devidp.Manners("github"); ok {
		t.Error("GitHub has manners here")
	}
}

func TestADeadRefreshTokenIsRefusedInTheProvidersWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		preset string
		status int
		code   string
		text   string // part of the description
	}{
		{"auth0", 403, "invalid_grant", "Unknown or invalid refresh token."},
		{"keycloak", 400, "invalid_grant", "Maximum allowed refresh token reuse exceeded"},
		{"okta", 400, "invalid_grant", ""},
		{"zitadel", 400, "invalid_grant", ""},
		{"authentik", 400, "invalid_grant", ""},
		{"authelia", 400, "invalid_grant", ""},
		{"dex", 400, "invalid_request", "already been claimed"},
		{"hydra", 400, "invalid_grant", ""},
		{"gitlab", 400, "invalid_grant", ""},
		{"cognito", 400, "invalid_grant", ""},
	} {
		t.Run(row.preset, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, mannersOf(t, row.preset))
			r := p.mustAnswer(p.post("/token", p.codeForm(p.signIn(asks(row.preset)).Get("code"))))
			_, next := p.mustRefresh(r.str("refresh_token"))
			p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = 2 * time.Minute }) // beyond every leeway
			got := p.refresh(r.str("refresh_token"))
			if got.status != row.status || got.str("error") != row.code || !strings.Contains(got.str("error_description"), row.text) {
				t.Errorf("reuse is %d %v", got.status, got.json)
			}
			spared := p.refresh(next).status == http.StatusOK
			if want := row.preset == "dex" || row.preset == "authentik" || row.preset == "gitlab"; spared != want {
				t.Errorf("the newest refresh token lives: %t, want %t", spared, want)
			}
		})
	}
}

func TestARefreshGetsWhatItNames(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		preset, scope string
		status        int
		id, refresh   bool // the answer has them
	}{
		{"entra", "", 200, false, false},
		{"entra", "openid offline_access", 200, true, true},
		{"okta", "", 200, false, true},
		{"okta", "openid offline_access", 200, true, true},
		{"authentik", "", 200, true, true},
		{"authentik", "openid", 400, false, false},
		{"hydra", "unheard of", 200, true, true},
	} {
		t.Run(row.preset+" "+row.scope, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, mannersOf(t, row.preset))
			form := refreshForm(p.login().str("refresh_token"))
			if row.scope != "" {
				form.Set("scope", row.scope)
			}
			r := p.post("/token", form)
			if r.status != row.status || (r.str("id_token") != "") != row.id || (r.str("refresh_token") != "") != row.refresh {
				t.Errorf("status %d, ID token %t, refresh token %t", r.status, r.str("id_token") != "", r.str("refresh_token") != "")
			}
		})
	}
}

func TestARefreshTokenComesToWhoAsksInTheProvidersWay(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, preset string
		changes      url.Values
		code         string // of the authorization's refusal
		refresh      bool
	}{
		{"a scope that Google does not have", "google", nil, "invalid_scope", false},
		{"Google without access_type", "google", url.Values{"scope": {"openid"}}, "", false},
		{"Google without consent", "google", url.Values{"scope": {"openid"}, "access_type": {"offline"}}, "", false},
		{"Google", "google", asks("google"), "", true},
		{"a scope that Cognito does not have", "cognito", nil, "invalid_scope", false},
		{"Cognito, unasked", "cognito", asks("cognito"), "", true},
		{"Dex without offline_access", "dex", url.Values{"scope": {"openid"}}, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, mannersOf(t, row.preset))
			back := p.signIn(row.changes)
			if back.Get("error") != row.code {
				t.Fatalf("the callback has %v", back)
			}
			if row.code != "" {
				return
			}
			r := p.mustAnswer(p.post("/token", p.codeForm(back.Get("code"))))
			if got := r.str("refresh_token") != ""; got != row.refresh {
				t.Errorf("a refresh token: %t", got)
			}
		})
	}
}

func TestARevocationReachesAsFarAsTheProviders(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		preset          string
		access, another bool // its access token lives, the user's other grant does
	}{
		{"auth0", true, true},
		{"cognito", false, true},
		{"google", false, false},
	} {
		t.Run(row.preset, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, mannersOf(t, row.preset))
			login := func() reply {
				return p.mustAnswer(p.post("/token", p.codeForm(p.signIn(asks(row.preset)).Get("code"))))
			}
			one, other := login(), login()
			if r := p.post("/revoke", url.Values{"token": {one.str("refresh_token")}}); r.status != http.StatusOK || r.text != "" {
				t.Fatalf("status %d: %s", r.status, r.text)
			}
			if got := p.idp.Active(one.str("access_token")); got != row.access {
				t.Errorf("the access token lives: %t", got)
			}
			if got := p.refresh(other.str("refresh_token")).status == http.StatusOK; got != row.another {
				t.Errorf("the other grant lives: %t", got)
			}
			if r := p.refresh(one.str("refresh_token")); r.status == http.StatusOK {
				t.Error("the revoked token lives")
			}
		})
	}
}

func TestLogoutsOfTheProvidersOwnKind(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, preset, path string
		form               url.Values
		status             int
	}{
		{"Auth0's", "auth0", "/v2/logout", url.Values{"client_id": {"app:1"}, "returnTo": {afterward}}, 303},
		{"Auth0's, to nobody's address", "auth0", "/v2/logout", url.Values{"client_id": {"app:1"}, "returnTo": {"https://evil.example/"}}, 400},
		{"Auth0's, at Dex", "dex", "/v2/logout", url.Values{"client_id": {"app:1"}, "returnTo": {afterward}}, 404},
		{"Cognito's", "cognito", "/logout", url.Values{"client_id": {"app:1"}, "logout_uri": {afterward}}, 303},
		{"Cognito's, of nobody", "cognito", "/logout", url.Values{"client_id": {"x"}, "logout_uri": {afterward}}, 400},
		{"the standard's, at Cognito", "cognito", "/end_session", url.Values{"client_id": {"app:1"}}, 404},
		{"the standard's, at Google", "google", "/end_session", url.Values{"client_id": {"app:1"}}, 404},
		{"Okta's without a hint", "okta", "/end_session", url.Values{"client_id": {"app:1"}, "post_logout_redirect_uri": {afterward}}, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, mannersOf(t, row.preset))
			p.signIn(asks(row.preset))
			r := p.get(p.endpoint(row.path + "?" + row.form.Encode()))
			if r.status != row.status {
				t.Fatalf("status %d, want %d", r.status, row.status)
			}
			if out := p.idp.Stats().Logouts == 1; out != (row.status == 303) || out && r.header.Get("Location") != afterward {
				t.Errorf("signed out: %t, on to %s", out, r.header.Get("Location"))
			}
		})
	}
}

func TestATenantIsInTheTokensAndATemplateInTheMetadata(t *testing.T) {
	t.Parallel()
	p := newPartyWith(t, devidp.Config{Issuer: "/organizations/v2.0", Knobs: devidp.Knobs{Tenant: "t-1"}})
	base := strings.TrimSuffix(p.idp.URL, "/organizations/v2.0")
	if got := p.get(p.endpoint("/.well-known/openid-configuration")).str("issuer"); got != base+"/{tenantid}/v2.0" {
		t.Errorf("the metadata name %s", got)
	}
	if claims := payload(t, p.login().str("id_token")); claims["iss"] != base+"/t-1/v2.0" || claims["tid"] != "t-1" {
		t.Errorf("the claims are %v", claims)
	}
}

func TestMannersAreTurnedOnByNameAndChangedOnTop(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.mustAnswer(d.call("POST", "/knobs", `{"preset": "dex", "at_ttl": "2s", "rt_refusals": {"used": {"status": 418, "error": "odd"}}}`))
	if r.str("preset") != "dex" || r.str("rt_mode") != "idempotent" || r.str("at_ttl") != "2s" {
		t.Errorf("knobs %v", r.json)
	}
	d.idp.Adjust(func(k *devidp.Knobs) {
		if got := k.RefreshRefusals; got[devidp.UsedToken].Code != "odd" || got[devidp.ExpiredToken].Code != "invalid_request" {
			t.Errorf("refusals %v", got)
		}
	})
	if k := mannersOf(t, "dex"); k.RefreshRefusals[devidp.UsedToken].Code != "invalid_request" {
		t.Error("turning one provider's knobs changed everybody's")
	}
	d.mustAnswer(d.call("POST", "/knobs", `{"auto_login": "bob"}`))
	d.idp.Adjust(func(k *devidp.Knobs) {
		if k.Preset != "dex" || k.AutoLogin != "bob" || k.AccessTokenTTL != 2*time.Second {
			t.Errorf("knobs %+v", *k)
		}
	})
	for _, body := range []string{`{"preset": "github"}`, `{"rt_refusals": {"dead": {}}}`, `{"logout": "x"}`, `{"ask_again": "x"}`, `{"rt_for": "x"}`, `{"revocation_reach": "x"}`, `{"preset": 1}`} {
		if r := d.call("POST", "/knobs", body); r.status != http.StatusBadRequest {
			t.Errorf("%s: status %d", body, r.status)
		}
	}
}
