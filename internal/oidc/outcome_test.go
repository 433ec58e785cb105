package oidc_test

import (
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// outcome is one answer of a token endpoint and what it means.
type outcome struct {
	name   string
	status int
	header map[string]string
	body   string

	want    session.Class
	code    string
	demand  map[string]string
	renewed string // the refresh token that comes beside the error
	after   time.Duration
}

func outcomes() []outcome {
	return []outcome{
		{name: "line 3: 302", status: 302, header: map[string]string{"Location": "https://evil.example/x"}, want: session.Transient},
		{name: "line 3: 307", status: 307, header: map[string]string{"Location": "/token2"}, body: `{"error":"invalid_grant"}`, want: session.Transient},
		{name: "line 4: nonce", status: 400, body: `{"error":"use_dpop_nonce"}`, want: session.Operator, code: "use_dpop_nonce"},
		{name: "line 5: proof", status: 400, body: `{"error":"invalid_dpop_proof"}`, want: session.Operator, code: "invalid_dpop_proof"},
		{name: "line 6: 503 whatever it says", status: 503, body: `{"error":"invalid_grant"}`, want: session.Transient, code: "invalid_grant"},
		{name: "line 6: 500", status: 500, body: `oops`, want: session.Transient},
		{name: "line 6: 502 of a proxy", status: 502, body: `<html>`, want: session.Transient},
		{name: "line 6: 408", status: 408, body: `{"error":"invalid_grant"}`, want: session.Transient, code: "invalid_grant"},
		{name: "line 6: 429", status: 429, header: map[string]string{"Retry-After": "7"}, body: `{"error":"too_many_requests"}`, want: session.Transient, code: "too_many_requests", after: 7 * time.Second},
		{name: "line 6: 429 with a reset", status: 429, header: map[string]string{"X-Rate-Limit-Reset": "9"}, want: session.Transient, after: 9 * time.Second},
		{name: "line 6: 503 for a day", status: 503, header: map[string]string{"Retry-After": "86400"}, want: session.Transient, after: 5 * time.Minute},
		{name: "line 6: slow_down", status: 400, body: `{"error":"slow_down"}`, want: session.Transient, code: "slow_down"},
		{name: "line 6: temporarily_unavailable", status: 400, body: `{"error":"temporarily_unavailable"}`, want: session.Transient, code: "temporarily_unavailable"},
		{name: "line 6: server_error with 400", status: 400, body: `{"error":"server_error"}`, want: session.Transient, code: "server_error"},
		{name: "line 7: invalid_client 401", status: 401, body: `{"error":"invalid_client"}`, want: session.Operator, code: "invalid_client"},
		{name: "line 7: invalid_client 400", status: 400, body: `{"error":"invalid_client"}`, want: session.Operator, code: "invalid_client"},
		{name: "line 7: unauthorized_client", status: 400, body: `{"error":"unauthorized_client"}`, want: session.Operator, code: "unauthorized_client"},
		{name: "line 7: unsupported_grant_type", status: 400, body: `{"error":"unsupported_grant_type"}`, want: session.Operator, code: "unsupported_grant_type"},
		{name: "line 7: GitHub", status: 200, body: `{"error":"incorrect_client_credentials"}`, want: session.Operator, code: "incorrect_client_credentials"},
		{name: "line 8: mfa_required", status: 403, body: `{"error":"mfa_required","mfa_token":"Fe26","mfa_requirements":{}}`, want: session.Interaction, code: "mfa_required"},
		{
			name: "line 8: with a demand", status: 400, body: `{"error":"interaction_required","acr_values":"gold","max_age":60,"claims":{"id_token":{}}}`,
			want: session.Interaction, code: "interaction_required", demand: map[string]string{"acr_values": "gold", "max_age": "60", "claims": `{"id_token":{}}`},
		},
		{name: "line 8: a demand that is none", status: 400, body: `{"error":"login_required","max_age":"soon","claims":"x"}`, want: session.Interaction, code: "login_required"},
		{name: "line 8: consent_required", status: 400, body: `{"error":"consent_required"}`, want: session.Interaction, code: "consent_required"},
		{name: "line 8: account_selection_required", status: 400, body: `{"error":"account_selection_required"}`, want: session.Interaction, code: "account_selection_required"},
		{
			name: "line 9: Entra's claims", status: 400, body: `{"error":"invalid_grant","suberror":"basic_action","claims":"{\"access_token\":{}}","error_codes":[50076]}`,
			want: session.Interaction, code: "invalid_grant", demand: map[string]string{"claims": `{"access_token":{}}`},
		},
		{name: "line 9: Entra's suberror", status: 400, body: `{"error":"invalid_grant","suberror":"user_password_expired"}`, want: session.Interaction, code: "invalid_grant"},
		{name: "line 11: Entra's dead token", status: 400, body: `{"error":"invalid_grant","suberror":"bad_token","error_codes":[700082]}`, want: session.Refused, code: "invalid_grant"},
		{name: "line 10: access_denied", status: 403, body: `{"error":"access_denied","error_description":"Invalid IP change"}`, want: session.Denied, code: "access_denied"},
		{name: "line 10: unauthorized", status: 401, body: `{"error":"unauthorized"}`, want: session.Denied, code: "unauthorized"},
		{name: "line 11: Auth0 with 403", status: 403, body: `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, want: session.Refused, code: "invalid_grant"},
		{name: "line 11: Keycloak with 400", status: 400, body: `{"error":"invalid_grant","error_description":"Session not active"}`, want: session.Refused, code: "invalid_grant"},
		{name: "line 11: 401", status: 401, body: `{"error":"invalid_grant"}`, want: session.Refused, code: "invalid_grant"},
		{name: "line 11: GitHub with 200", status: 200, body: `{"error":"bad_refresh_token"}`, want: session.Refused, code: "bad_refresh_token"},
		{name: "line 11: as a form", status: 200, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: `error=bad_refresh_token&error_description=x`, want: session.Refused, code: "bad_refresh_token"},
		{name: "line 13: invalid_scope", status: 400, body: `{"error":"invalid_scope"}`, want: session.BadScope, code: "invalid_scope"},
		{name: "line 13: scope_not_granted", status: 400, body: `{"error":"scope_not_granted"}`, want: session.BadScope, code: "scope_not_granted"},
		{name: "line 14: invalid_target", status: 400, body: `{"error":"invalid_target"}`, want: session.BadTarget, code: "invalid_target"},
		{name: "line 15: invalid_request", status: 400, body: `{"error":"invalid_request"}`, want: session.Operator, code: "invalid_request"},
		{name: "line 16: an unknown code", status: 400, body: `{"error":"dance_first"}`, want: session.Transient, code: "dance_first"},
		{name: "line 16: another case", status: 400, body: `{"error":"Invalid_Grant"}`, want: session.Transient, code: "Invalid_Grant"},
		{name: "line 16: only a description", status: 400, body: `{"error_description":"invalid_grant"}`, want: session.Transient},
		{name: "line 16: 403 of a firewall", status: 403, body: `<html>invalid_grant`, want: session.Transient},
		{name: "line 16: 404", status: 404, want: session.Transient},
		{name: "line 16: an error that is an object", status: 400, body: `{"error":{"code":"invalid_grant"}}`, want: session.Transient},
		{name: "line 16: a refusal that breaks off", status: 400, body: `{"error":"invalid_grant","error_desc`, want: session.Transient},
		{name: "line 16: HTML with 200", status: 200, body: `<html>`, want: session.Transient},
		{name: "line 16: an array with 200", status: 200, body: `[{"access_token":"a"}]`, want: session.Transient},
		{name: "line 16: something behind the object", status: 200, body: `{"access_token":"a","refresh_token":"new"} x`, want: session.Transient, renewed: "new"},
		{name: "line 2: JSON that breaks off", status: 200, body: `{"access_token":"a","refresh_token":"ne`, want: session.Unknown},
		{name: "line 2: JSON that has not begun", status: 200, want: session.Unknown},
		{name: "line 2: it breaks off behind the refresh token", status: 200, body: `{"refresh_token":"new","access_tok`, want: session.Transient, renewed: "new"},
		{name: "line 17: 200 with an error", status: 200, body: `{"error":"invalid_grant","access_token":"a"}`, want: session.Refused, code: "invalid_grant"},
		{name: "line 17: and a refresh token", status: 200, body: `{"error":"odd","refresh_token":"new"}`, want: session.Transient, code: "odd", renewed: "new"},
		{name: "line 18: no access token", status: 200, body: `{"token_type":"Bearer","refresh_token":"new"}`, want: session.Transient, renewed: "new"},
		{name: "line 18: one that fits no header", status: 200, body: `{"access_token":"a\r\nX: y","token_type":"Bearer"}`, want: session.Transient},
		{name: "line 18: a number", status: 200, body: `{"access_token":7,"token_type":"Bearer"}`, want: session.Transient},
		{name: "line 19: mac", status: 200, body: `{"access_token":"a","token_type":"mac","refresh_token":"new"}`, want: session.Operator, renewed: "new"},
		{name: "line 19: DPoP unasked", status: 200, body: `{"access_token":"a","token_type":"DPoP"}`, want: session.Operator},
	}
}

func TestEveryAnswerOfATokenEndpointHasItsClass(t *testing.T) {
	t.Parallel()
	for _, row := range outcomes() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				for name, value := range row.header {
					w.Header().Set(name, value)
				}
				answerWith(t, w, row.status, row.body)
			})
			r, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
			failed := failureOf(t, err)
			if failed.Class != row.want || failed.Code != row.code || failed.RetryAfter != row.after || !maps.Equal(failed.Demand, row.demand) {
				t.Errorf("got %+v, want class %v", failed, row.want)
			}
			if failed.Err == nil || !strings.Contains(failed.Err.Error(), "HTTP status") {
				t.Errorf("the log hears %v", failed.Err)
			}
			renewed := ""
			if r != nil {
				renewed = r.RefreshToken.Reveal()
			}
			if renewed != row.renewed {
				t.Errorf("the new refresh token is %q, want %q", renewed, row.renewed)
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("the refresh token was presented %d times", n)
			}
		})
	}
}

func TestAPresetsCodesComeFirst(t *testing.T) {
	t.Parallel()
	dex := func(cfg *oidc.Config) {
		cfg.RefreshErrors = map[string]session.Class{"invalid_request": session.Refused}
	}
	for status, want := range map[int]session.Class{400: session.Refused, 500: session.Transient} {
		c := desk(t, func(w http.ResponseWriter, _ *http.Request) { answerWith(t, w, status, `{"error":"invalid_request"}`) }, dex)
		_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
		if failed := failureOf(t, err); failed.Class != want {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestATokenForAnotherAudienceIsDroppedAndTheRefreshTokenKept(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	for _, row := range []struct {
		name, token string
		target      session.Target
		want        bool
	}{
		{"the default's", jwt(`{"aud":"default"}`), session.Target{Audience: "orders"}, false},
		{"one of several", jwt(`{"aud":["userinfo","orders"]}`), session.Target{Audience: "orders"}, true},
		{"no aud", jwt(`{"client_id":"x"}`), session.Target{Audience: "orders"}, true},
		{"an aud that is none", jwt(`{"aud":{"orders":1}}`), session.Target{Audience: "orders"}, false},
		{"opaque", "opaque", session.Target{Audience: "orders"}, true},
		{"another resource", jwt(`{"aud":"urn:x"}`), session.Target{Resource: "urn:y"}, false},
		{"nobody asked", jwt(`{"aud":"default"}`), session.Target{Scope: "read"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(t, w, http.StatusOK, map[string]any{"access_token": row.token, "token_type": "Bearer", "refresh_token": "new"})
			})
			r, err := c.Refresh(t.Context(), grantOf(c), row.target)
			if r == nil || r.RefreshToken.Reveal() != "new" {
				t.Fatal("the new refresh token is lost")
			}
			if row.want {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if failureOf(t, err).Class != session.BadTarget || r.Access.Token != "" {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestAWholeRefreshTokenInABrokenBodyIsSaved(t *testing.T) {
	t.Parallel()
	c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		if _, err := io.WriteString(w, `{"refresh_token":"new","access_token":"a`); err != nil {
			t.Error(err)
		}
	})
	r, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
	if failureOf(t, err).Class != session.Transient || r == nil || r.RefreshToken.Reveal() != "new" {
		t.Errorf("got %+v, %v", r, err)
	}
}

// The last value of half a form looks whole, and would take the place of a good token.
func TestHalfARefreshTokenIsNone(t *testing.T) {
	t.Parallel()
	for kind, body := range map[string]string{
		"application/json":                  `{"access_token":"a","token_type":"Bearer","refresh_token":"ne`,
		"application/x-www-form-urlencoded": `access_token=a&token_type=bearer&refresh_token=ne`,
	} {
		c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Length", "1000")
			if _, err := io.WriteString(w, body); err != nil {
				t.Error(err)
			}
		})
		r, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
		if failureOf(t, err).Class != session.Unknown || r != nil {
			t.Errorf("%s: got %+v, %v", kind, r, err)
		}
	}
}

func TestWhatAProviderSaysIsCleanedOfTokens(t *testing.T) {
	t.Parallel()
	for name, description := range map[string]string{
		"what was sent":           "the-refresh-token is unknown",
		"the client's secret":     "wrong secret " + password,
		"what came":               "use Fe26 at the challenge endpoint",
		"what looks like a token": strings.Repeat("0a", 20),
	} {
		c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(t, w, http.StatusForbidden, map[string]any{"error": "mfa_required", "mfa_token": "Fe26", "error_description": description})
		})
		_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
		if failed := failureOf(t, err); !strings.Contains(failed.Err.Error(), "[masked]") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
