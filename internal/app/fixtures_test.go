package app

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/session"
)

// fixture is an answer to a refresh in the words of a provider, and what it means.
type fixture struct {
	name, preset string
	status       int
	headers      map[string]string
	body         string

	class  session.Class  // of the failure, if the session stays
	end    session.Reason // "" if it stays
	demand string         // the claims that the login has to ask for
	after  time.Duration  // least time until the next attempt
}

func fixtures() []fixture {
	return []fixture{
		{name: "an Action that revokes", preset: "auth0", status: 403, body: `{"error":"access_denied","error_description":"Invalid IP change"}`, end: session.AccessDenied},
		{name: "a rule's unauthorized", preset: "auth0", status: 401, body: `{"error":"unauthorized","error_description":"no"}`, end: session.AccessDenied},
		{name: "a second factor", preset: "auth0", status: 403, body: `{"error":"mfa_required","error_description":"Multifactor authentication required","mfa_token":"Fe26.2"}`, class: session.Interaction},
		{name: "a second factor without a token", preset: "auth0", status: 403, body: `{"error":"mfa_required"}`, class: session.Interaction},
		{name: "an Action that redirects", preset: "auth0", status: 403, body: `{"error":"interaction_required"}`, class: session.Interaction},
		{name: "a limit of the client's own", preset: "auth0", status: 429, headers: map[string]string{"Retry-After": "45", "Auth0-RateLimit": "client;q=10;t=1;r=0"}, body: `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`, class: session.Transient, after: 45 * time.Second},
		{name: "a firewall in front", preset: "auth0", status: 403, headers: map[string]string{"Content-Type": "text/html"}, body: "<html>blocked</html>", class: session.Transient},
		{name: "a secret that was changed", preset: "cognito", status: 400, body: `{"error":"invalid_client"}`, class: session.Operator},
		{name: "a step-up", preset: "entra", status: 400, body: `{"error":"invalid_grant","suberror":"basic_action","error_codes":[50076],"claims":"{\"access_token\":{\"acrs\":{\"value\":\"c1\"}}}"}`, class: session.Interaction, demand: `{"access_token":{"acrs":{"value":"c1"}}}`},
		{name: "a password that has expired", preset: "entra", status: 400, body: `{"error":"invalid_grant","suberror":"user_password_expired"}`, class: session.Interaction},
		{name: "inactivity", preset: "entra", status: 400, body: `{"error":"invalid_grant","error_description":"AADSTS700082: The refresh token has expired due to inactivity.","error_codes":[700082]}`, end: session.TokenRefused},
		{name: "a token that was claimed", preset: "dex", status: 400, body: `{"error":"invalid_request","error_description":"Refresh token is invalid or has already been claimed by another client."}`, end: session.TokenRefused},
		{name: "a connector that is down", preset: "dex", status: 500, body: `{"error":"server_error"}`, class: session.Transient},
		{name: "invalid_request from others", preset: "keycloak", status: 400, body: `{"error":"invalid_request"}`, class: session.Operator},
		{name: "an idle session", preset: "keycloak", status: 400, body: `{"error":"invalid_grant","error_description":"Session not active"}`, end: session.TokenRefused},
		{name: "a hook that denies", preset: "hydra", status: 403, body: `{"error":"access_denied"}`, end: session.AccessDenied},
		{name: "a text of its own", preset: "zitadel", status: 400, body: `{"error":"invalid_grant","error_description":"Errors.OIDCSession.RefreshTokenInvalid"}`, end: session.TokenRefused},
	}
}

func TestAProvidersWordsMeanWhatTheyMean(t *testing.T) {
	t.Parallel()
	keys, err := providerKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range fixtures() {
		t.Run(row.preset+": "+row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := openParlour(t, row.preset, pathOf(row.preset), keys)
				_, s := h.signIn()
				h.idp.Adjust(func(k *devidp.Knobs) {
					k.ErrorNext = []devidp.CannedAnswer{{Status: row.status, Headers: row.headers, Body: row.body}}
				})
				err := s.Refresh(t.Context())
				if ended, ok := errors.AsType[*session.EndedError](err); ok || row.end != "" {
					if !ok || ended.Reason != row.end || len(h.ends) != 1 {
						t.Errorf("got %v, %v; want the end, %s", err, h.ends, row.end)
					}
					return
				}
				failed, ok := errors.AsType[*session.RefreshError](err)
				if !ok || failed.Class != row.class || failed.Demand["claims"] != row.demand || failed.RetryAfter < row.after {
					t.Errorf("got %v, demand %v, after %s; want %s, %s, %s", err, failed.Demand, failed.RetryAfter, row.class, row.demand, row.after)
				}
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Errorf("the access token holds, and a request got %v", err)
				}
			})
		})
	}
}

// Keycloak has sent -96: its clock was wrong, and nobody may loop.
func TestANegativeLifetimeIsNoLoop(t *testing.T) {
	t.Parallel()
	keys, err := providerKeys()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := openParlour(t, "keycloak", "", keys)
		_, s := h.signIn()
		h.idp.Adjust(func(k *devidp.Knobs) { k.ExpiresIn = []byte("-96") })
		time.Sleep(time.Minute)
		for range 20 {
			if err := h.token(s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := h.idp.Stats().Refreshes; n > 3 {
			t.Errorf("%d refreshes in 20 seconds", n)
		}
	})
}

// pathOf is the path of a provider's issuer in these tests.
func pathOf(preset string) string {
	rows := table()
	return rows[slices.IndexFunc(rows, func(row habits) bool { return row.preset == preset })].path
}

// What a route asks for travels in the way that the provider has for it.
func TestARoutesTokenIsAskedForInTheProvidersWay(t *testing.T) {
	t.Parallel()
	keys, err := providerKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, preset string
		lines        []string
		target       session.Target
		scope        string        // that the refresh names
		class        session.Class // of the failure; -1 for none
	}{
		{"scopes without offline_access are invalid_scope", "authentik", nil, session.Target{Scope: "profile"}, "profile offline_access", -1},
		{"an ID token needs openid", "okta", nil, session.Target{Scope: "profile"}, "profile openid offline_access", -1},
		{"one API at a time", "entra", []string{"scopes: [openid, profile, offline_access, api://a/read, api://b/read]"}, session.Target{Scope: "api://b/read"}, "api://b/read openid profile offline_access", -1},
		{"an unknown audience brings the default one's token", "auth0", []string{"audience: https://api.example.com/"}, session.Target{Audience: "https://other.example.com/"}, "", session.BadTarget},
		{"an access token without aud passes", "cognito", nil, session.Target{Audience: "orders"}, "", -1},
	} {
		t.Run(row.preset+": "+row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := openParlour(t, row.preset, pathOf(row.preset), keys, row.lines...)
				if row.preset == "auth0" {
					h.idp.Adjust(func(k *devidp.Knobs) {
						k.Audiences, k.DefaultAudience, k.OpaqueWithoutAudience = []string{"https://api.example.com/"}, "https://api.example.com/", false
					})
				}
				_, s := h.signIn()
				before := s.State().Grant.RefreshToken
				_, err := s.Token(t.Context(), row.target)
				failed, ok := errors.AsType[*session.RefreshError](err)
				switch {
				case row.class < 0 && err != nil, row.class >= 0 && (!ok || failed.Class != row.class):
					t.Errorf("got %v, want class %d", err, row.class)
				case s.State().Grant.RefreshToken == before:
					t.Error("the new refresh token is lost")
				}
				all := h.idp.Requests()
				if got := all[len(all)-1].Form.Get("scope"); got != row.scope {
					t.Errorf("the refresh named the scope %q, want %q", got, row.scope)
				}
				if err := h.token(s); err != nil {
					t.Errorf("the session's own token: %v", err)
				}
			})
		})
	}
}

// Switching rotation on at Auth0 ends the static refresh tokens of the user's other
// devices: they end, cleanly and once, and this one goes on.
func TestSwitchingRotationOnLosesNoSessionThatCanLive(t *testing.T) {
	t.Parallel()
	keys, err := providerKeys()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := openParlour(t, "auth0", "", keys)
		h.idp.Adjust(func(k *devidp.Knobs) { k.RefreshTokenMode = devidp.Static })
		_, s := h.signIn()
		time.Sleep(time.Minute)
		if err := h.token(s); err != nil {
			t.Fatal(err)
		}
		h.idp.Adjust(func(k *devidp.Knobs) { k.RefreshTokenMode = devidp.Rotating })
		for range 3 {
			time.Sleep(time.Minute)
			if err := h.token(s); err != nil {
				t.Fatal(err)
			}
		}
		if len(h.ends) != 0 || h.idp.Stats().Reuses != 0 {
			t.Errorf("ended %v, %+v", h.ends, h.idp.Stats())
		}
	})
}

// A tenant's users sign in with the preset and one key, and a stranger's do not.
func TestEntrasTenantsAreLetInByTheirIDs(t *testing.T) {
	t.Parallel()
	keys, err := providerKeys()
	if err != nil {
		t.Fatal(err)
	}
	const contoso, stranger = "11111111-1111-1111-1111-111111111111", "33333333-3333-3333-3333-333333333333"
	synctest.Test(t, func(t *testing.T) {
		h := openParlour(t, "entra", "/organizations/v2.0", keys,
			"issuer_template: "+providerURL+"/{tenantid}/v2.0", "allowed_tenants: ["+contoso+"]")
		h.idp.Adjust(func(k *devidp.Knobs) { k.Tenant = contoso })
		_, s := h.signIn()
		if got := s.State().Grant.Issuer; got != providerURL+"/"+contoso+"/v2.0" {
			t.Errorf("the session is %s's", got)
		}
		time.Sleep(time.Minute)
		if err := h.token(s); err != nil {
			t.Error(err)
		}
		if target := h.signOut(); target.Host == "" {
			t.Error("the provider was not asked to sign the user out")
		}
		h.idp.Adjust(func(k *devidp.Knobs) { k.Tenant = stranger })
		res := h.send(http.MethodGet, "/bff/login?returnUrl=/", "same-origin", "navigate")
		back, err := devidp.SignIn(t.Context(), &http.Client{Transport: h.wire, Jar: h.jar}, res.Header.Get("Location"), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if res = h.send(http.MethodGet, back, "cross-site", "navigate"); res.StatusCode < 400 {
			t.Errorf("a stranger's user got %s", res.Status)
		}
	})
}
