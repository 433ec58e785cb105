package oidc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestTenRefreshesPresentEachTokenOnce(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{RefreshTokenSize: 16 << 10, RefreshTokenAlphabet: "ab+/=%& ü", AccessTokenFormat: devidp.Opaque})
	g := b.login()
	for range 10 {
		if r := b.refresh(g); r.RefreshToken == "" || r.IDToken == "" || r.Access.Token == "" {
			t.Fatalf("got %+v", r)
		}
	}
	if s := b.idp.Stats(); s.Refreshes != 10 || s.TokenRequests != 11 || s.MaxPresentations != 1 {
		t.Errorf("%+v", s)
	}
}

func TestARefreshTokenThatStaysIsNotReturned(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{RefreshTokenMode: devidp.Static, NoIDTokenOnRefresh: true, OmitScope: true})
	r := b.refresh(b.login())
	if r.RefreshToken != "" || r.IDToken != "" {
		t.Errorf("got %+v", r)
	}
	if r.Access.Scope != "openid profile email offline_access" {
		t.Errorf("the scope is %q, want as asked for", r.Access.Scope)
	}
}

func TestARefreshAsksForItsTargetAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		target session.Target
		want   url.Values
	}{
		{"the login's", session.Target{}, nil},
		{"an audience", session.Target{Audience: "a"}, url.Values{"audience": {"a"}}},
		{"a resource", session.Target{Resource: "urn:r", Scope: "read write"}, url.Values{"resource": {"urn:r"}, "scope": {"read write"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"the-refresh-token"}}
			maps.Copy(want, row.want)
			c := desk(t, func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseForm(); err != nil {
					t.Error(err)
				}
				if got := r.PostForm.Encode(); got != want.Encode() {
					t.Errorf("the form is %s, want %s", got, want.Encode())
				}
				wantUser := url.QueryEscape(clientID) + ":" + url.QueryEscape(password)
				if got := r.Header.Get("Authorization"); got != "Basic "+base64.StdEncoding.EncodeToString([]byte(wantUser)) {
					t.Errorf("Authorization is %s", got)
				}
				if r.Header.Get("Accept") != "application/json" || r.Header.Get("Idempotency-Key") != "" || r.ContentLength <= 0 {
					t.Errorf("the header is %v", r.Header)
				}
				answerWith(t, w, http.StatusOK, `{"access_token":"a","token_type":"bEARER","expires_in":60,"junk":{"x":[1]}}`)
			})
			r, err := c.Refresh(t.Context(), grantOf(c), row.target)
			if err != nil {
				t.Fatal(err)
			}
			if r.Access.Type != "bEARER" || r.Access.Expiry.Sub(r.Access.Issued) != time.Minute {
				t.Errorf("got %+v", r.Access)
			}
		})
	}
}

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

func TestABombIsNotUnpacked(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.WriteString(z, `{"access_token":"`+strings.Repeat("a", 4<<20)+`","token_type":"Bearer"}`); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		answerWith(t, w, http.StatusOK, bomb.String())
	})
	_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
	if failureOf(t, err).Class != session.Unknown {
		t.Error(err)
	}
}

func TestARedirectIsNotFollowedWithTheRefreshToken(t *testing.T) {
	t.Parallel()
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the refresh token went elsewhere") }))
	t.Cleanup(evil.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := desk(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, status) })
		_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
		if failed := failureOf(t, err); failed.Class != session.Transient || !strings.Contains(failed.Error(), strings.TrimPrefix(evil.URL, "http://")) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestARequestThatNobodyReadIsTransient(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	silence(secure.Config)
	t.Cleanup(secure.Close)
	for name, token := range map[string]string{"nobody listens": address, "an unknown certificate": secure.URL, "no such host": "https://cloakroom.invalid/token"} {
		c := desk(t, http.NotFound, func(cfg *oidc.Config) { cfg.Endpoints.Token = token })
		_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
		if failureOf(t, err).Class != session.Transient {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAnswerThatNeverComesWholeIsUnknown(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"a reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a hang": func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				<-r.Context().Done()
			}
		},
		"a body that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			if _, err := io.WriteString(w, `{"access_token":"a","tok`); err != nil {
				t.Error(err)
			}
		},
		"a body that drips": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			c := desk(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				handler(w, r)
			}, func(cfg *oidc.Config) { cfg.Timeout = 200 * time.Millisecond })
			_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
			if failureOf(t, err).Class != session.Unknown {
				t.Error(err)
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("the refresh token was presented %d times", n)
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

func TestALostAnswerIsPresentedOnceByUs(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	b.idp.Adjust(func(k *devidp.Knobs) { k.Timing.Mode = devidp.CommitThenDrop })
	_, err := b.Refresh(t.Context(), g, session.Target{})
	if failureOf(t, err).Class != session.Unknown {
		t.Error(err)
	}
	if n := b.idp.Presentations(g.RefreshToken.Reveal()); n != 1 {
		t.Errorf("presented %d times", n)
	}
}

// A pooled connection that died is found out when the next request is written to it. The
// provider has seen no whole form then, and the user must not hear of it.
func TestAConnectionThatDiedInThePoolHurtsNobody(t *testing.T) {
	t.Parallel()
	for writes, name := range []string{"before the header", "before the form"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls, dials atomic.Int32
			var pooled atomic.Pointer[dying]
			c := desk(t, func(w http.ResponseWriter, r *http.Request) {
				if r.ParseForm() != nil {
					return // torn
				}
				calls.Add(1)
				answerWith(t, w, http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`)
			}, func(cfg *oidc.Config) {
				cfg.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					dials.Add(1)
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					d := &dying{Conn: conn, left: 1 << 20}
					pooled.Store(d)
					return d, err
				}}
			})
			for n := range int32(3) {
				if _, err := c.Refresh(t.Context(), grantOf(c), session.Target{}); err != nil {
					t.Fatalf("refresh %d: %v", n, err)
				}
				if calls.Load() != n+1 || dials.Load() != n+1 {
					t.Fatalf("%d presentations over %d connections after %d refreshes", calls.Load(), dials.Load(), n+1)
				}
				pooled.Load().dieAfter(writes)
			}
		})
	}
}

// dying is a connection that fails after so many writes, which no reader notices.
type dying struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (d *dying) dieAfter(writes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = writes
}

func (d *dying) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return 0, errors.New("broken pipe")
	}
	return d.Conn.Write(p)
}

func TestOurTransportSpeaksHTTP1(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("it speaks %s, of which parts are repeated", r.Proto)
		}
		answerWith(t, w, http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	c := desk(t, http.NotFound, func(cfg *oidc.Config) {
		cfg.Endpoints.Token, cfg.Transport = server.URL, server.Client().Transport
	})
	if _, err := c.Refresh(t.Context(), grantOf(c), session.Target{}); err != nil {
		t.Error(err)
	}
}

func TestACallerThatLeavesEndsTheCall(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	held := b.idp.Hold(devidp.TokenEndpoint)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-held.Arrived()
		leave()
	}()
	_, err := b.Refresh(ctx, g, session.Target{})
	if failureOf(t, err).Class != session.Unknown {
		t.Error(err)
	}
	held.Release()
}

func TestAnOddLifetimeIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{ExpiresIn: []byte(`-96`)})
	g := b.login()
	for range 3 {
		r := b.refresh(g)
		if !r.Access.Expiry.Equal(r.Access.Issued) || !r.Access.Due(time.Now(), 0) {
			t.Errorf("the token lives from %v to %v", r.Access.Issued, r.Access.Expiry)
		}
	}
	if n := strings.Count(b.log.String(), "expired already"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
