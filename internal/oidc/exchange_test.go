package oidc_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestALoginGivesAWholeGrant(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	a := attempt()
	before := time.Now()
	g, err := b.try(a)
	if err != nil {
		t.Fatal(err)
	}
	at := g.Access[session.Target{}]
	switch {
	case g.Issuer != b.idp.Issuer(), g.ClientID != clientID, g.Subject != "alice", g.Nonce != a.Nonce:
		t.Errorf("whose is it? %+v", g)
	case g.RefreshToken == "", g.IDToken == "", at.Token == "":
		t.Errorf("a token is missing: %+v", g)
	case !strings.EqualFold(at.Type, "Bearer"), !strings.Contains(at.Scope, "openid"):
		t.Errorf("the access token is %+v", at)
	case at.Issued.Before(before), at.Expiry.Sub(at.Issued) != 5*time.Minute:
		t.Errorf("it lives from %v to %v", at.Issued, at.Expiry)
	case g.ProviderSession == "", g.AuthTime.IsZero(), time.Since(g.AuthTime) > time.Minute:
		t.Errorf("the session is %q, the user was seen %v", g.ProviderSession, g.AuthTime)
	}
	if exp, ok := g.Claims["exp"].(json.Number); !ok {
		t.Errorf("exp is a %T, not a json.Number", exp)
	}
}

func TestEveryMethodOfClientAuthenticationWorks(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		knobs  devidp.Knobs
		change func(*oidc.Config)
	}{
		{"basic", devidp.Knobs{TokenAuth: devidp.BasicAuth}, func(*oidc.Config) {}},
		{"post", devidp.Knobs{TokenAuth: devidp.PostAuth}, func(c *oidc.Config) { c.ClientAuth = oidc.SecretPost }},
		{"none", devidp.Knobs{}, func(c *oidc.Config) {
			c.ClientAuth, c.ClientID, c.ClientSecret = oidc.NoSecret, "public", secret.Text{}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, row.knobs, row.change)
			g := b.login()
			b.refresh(g)
			if err := b.Revoke(t.Context(), session.Revocation{Issuer: g.Issuer, ClientID: g.ClientID, Token: g.RefreshToken}); err != nil {
				t.Error(err)
			}
			if s := b.idp.Stats(); s.Exchanges != 1 || s.Refreshes != 1 || s.Revocations != 1 || s.TokenRequests != 2 {
				t.Errorf("%+v", s)
			}
			for _, r := range b.idp.Requests() {
				for name, values := range r.Form {
					if values[0] == "" && r.Method == http.MethodPost {
						t.Errorf("%s was sent empty to %s", name, r.Endpoint)
					}
				}
				if row.name == "basic" && r.Endpoint == devidp.TokenEndpoint && r.Form.Has("client_id") {
					t.Error("client_id stands in the header and in the form")
				}
			}
		})
	}
}

func TestAFaultyIDTokenIsARefusedLogin(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) { cfg.UserInfo = true })
	harmless := map[devidp.Fault]bool{
		devidp.AudienceList: true,
		// A login has nothing to compare these with.
		devidp.WrongSubject: true, devidp.MovedAuthTime: true,
	}
	for _, fault := range devidp.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			b.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = fault })
			before := b.idp.Stats().UserInfoRequests
			_, err := b.try(attempt())
			if harmless[fault] {
				if _, refused := errors.AsType[*oidc.LoginError](err); refused && fault == devidp.AudienceList {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err)
			if b.idp.Stats().UserInfoRequests != before {
				t.Error("the access token was used")
			}
		})
	}
}

func TestOnlyAnnouncedAlgorithmsAreTaken(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	announced := func(algs ...string) *oidc.Client {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			base := b.idp.Issuer()
			writeJSON(t, w, http.StatusOK, map[string]any{
				"issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
				"jwks_uri": base + "/jwks", "id_token_signing_alg_values_supported": algs,
			})
		}))
		t.Cleanup(front.Close)
		return newClient(t, b.idp.Issuer(), func(cfg *oidc.Config) { cfg.Transport = detour{front.URL} })
	}
	for alg, want := range map[string]bool{"RS256": true, "ES256": false} {
		b.Client = announced(alg, "HS256", "none")
		_, err := b.try(attempt()) // signed with RS256
		if (err == nil) != want {
			t.Errorf("%s is announced: %v", alg, err)
		}
	}
}

// detour sends discovery to another server.
type detour struct{ to string }

func (d detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/.well-known/") {
		u, err := url.Parse(d.to)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL.Host = u.Host
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestANastyKeySetIsRead(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{NastyKeys: true})
	for _, alg := range []string{"RS256", "ES256"} {
		for _, omit := range []bool{false, true} {
			b.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenAlg, k.OmitKid = alg, omit })
			b.login()
		}
	}
}

func TestWhatTheLoginAskedForIsChecked(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		params url.Values
		demand map[string]string
		ignore bool
		want   bool
	}{
		{"acr is met", url.Values{"acr_values": {"gold silver"}}, nil, false, true},
		{"acr is ignored", url.Values{"acr_values": {"gold"}}, nil, true, false},
		{"max_age is met", url.Values{"max_age": {"60"}}, nil, false, true},
		{"a demand is met", url.Values{"acr_values": {"silver"}}, map[string]string{"acr_values": "gold"}, false, true},
		{"a demand is ignored", nil, map[string]string{"acr_values": "gold"}, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, devidp.Knobs{IgnoreStepUp: row.ignore})
			var err error
			if b.jar, err = cookiejar.New(nil); err != nil {
				t.Fatal(err)
			}
			b.login() // a session that could be passed off as enough
			a := attempt()
			a.Params, a.Demand = row.params, row.demand
			_, err = b.try(a)
			if row.want {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if refused := refusalOf(t, err); refused.Code != oidc.DemandUnmet {
				t.Errorf("refused as %q: %v", refused.Code, err)
			}
		})
	}
}

func TestAUserSeenTooLongAgoIsRefused(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	a := attempt()
	a.Params = url.Values{"max_age": {"30"}}
	answer := b.authorize(a)
	b.clock.advance(2 * time.Minute) // beyond max_age and skew; the ID token itself lives for five
	_, err := b.Exchange(t.Context(), answer.Get("code"), a)
	wantRefusal(t, err)
	if !strings.Contains(err.Error(), "max_age") {
		t.Error(err)
	}
}

func TestAClockThatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-90 * time.Second, 90 * time.Second, 10 * time.Minute} {
		b := setUp(t, devidp.Knobs{ClockOffset: offset}, func(cfg *oidc.Config) { cfg.ClockSkew = time.Minute })
		_, err := b.try(attempt())
		if offset < 0 {
			// Slow by less than the token lives: nothing to see.
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if wantRefusal(t, err); !strings.Contains(err.Error(), "clock") {
			t.Errorf("the error does not name the cause: %v", err)
		}
	}
}

func TestACodeThatIsRefusedIsARefusedLogin(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	_, err := b.Exchange(t.Context(), "never-issued", attempt())
	if refused := refusalOf(t, err); refused.Code != "invalid_grant" {
		t.Error(err)
	}
	a := attempt()
	answer := b.authorize(a)
	a.Verifier = attempt().Verifier
	_, err = b.Exchange(t.Context(), answer.Get("code"), a)
	wantRefusal(t, err)
}

func TestALoginTellsAProviderThatCannotFromOneThatWillNot(t *testing.T) {
	t.Parallel()
	const login = -1 // a *LoginError
	for _, row := range []struct {
		name   string
		status int
		body   string
		want   session.Class
		code   string
	}{
		{"an outage", 503, `{"error":"invalid_grant"}`, session.Transient, ""},
		{"a limit", 429, `{"error":"too_many_requests"}`, session.Transient, ""},
		{"a proxy", 403, `<html>`, session.Transient, ""},
		{"a redirect", 302, ``, session.Transient, ""},
		{"HTML with 200", 200, `<html>`, session.Transient, ""},
		{"half an answer", 200, `{"access_token":"a`, session.Unknown, ""},
		{"a wrong secret", 401, `{"error":"invalid_client"}`, session.Operator, ""},
		{"a dead code", 400, `{"error":"invalid_grant"}`, login, "invalid_grant"},
		{"a malformed code", 400, `{"error":"invalid_request"}`, login, "invalid_request"},
		{"GitHub's dead code", 200, `{"error":"bad_verification_code"}`, login, "bad_verification_code"},
		{"a rule", 403, `{"error":"access_denied","error_description":"not on a Sunday"}`, login, "access_denied"},
		{"mfa", 403, `{"error":"mfa_required","mfa_token":"Fe26"}`, login, "mfa_required"},
		{"no access token", 200, `{"id_token":"x","token_type":"Bearer"}`, login, ""},
		{"another kind of token", 200, `{"access_token":"a","token_type":"mac"}`, login, ""},
		{"no ID token", 200, `{"access_token":"a","token_type":"bearer"}`, login, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := desk(t, func(w http.ResponseWriter, _ *http.Request) { answerWith(t, w, row.status, row.body) })
			_, err := c.Exchange(t.Context(), "the-code", attempt())
			if row.want == login {
				if refused := refusalOf(t, err); refused.Code != row.code {
					t.Errorf("the code is %q", refused.Code)
				}
				return
			}
			if failed := failureOf(t, err); failed.Class != row.want {
				t.Errorf("got %v, want class %v", err, row.want)
			}
		})
	}
}

func TestKeysThatAreNotToBeHadAreTransient(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{JWKSDown: true})
	_, err := b.try(attempt())
	if failureOf(t, err).Class != session.Transient {
		t.Error(err)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.JWKSDown = false })
	b.clock.advance(time.Second)
	b.login()
}

func TestAMissingRefreshTokenIsExplainedOnce(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{NoRefreshToken: true})
	for range 3 {
		if g := b.login(); g.RefreshToken != "" {
			t.Error("where does it come from?")
		}
	}
	if n := strings.Count(b.log.String(), "offline_access was asked for"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestUserInfoIsMergedAndMustBeTheSameUsers(t *testing.T) {
	t.Parallel()
	with := func(cfg *oidc.Config) { cfg.UserInfo = true }
	t.Run("merged", func(t *testing.T) {
		t.Parallel()
		b := setUp(t, devidp.Knobs{BareIDToken: true}, with)
		g := b.login()
		if g.Claims["name"] == nil || g.Claims["nonce"] != g.Nonce {
			t.Errorf("claims: %v", g.Claims)
		}
	})
	t.Run("another user", func(t *testing.T) {
		t.Parallel()
		_, err := setUp(t, devidp.Knobs{UserInfoFault: devidp.UserInfoWrongSub}, with).try(attempt())
		wantRefusal(t, err)
	})
	for _, fault := range []devidp.UserInfoFault{devidp.UserInfoError, devidp.UserInfoArray} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			_, err := setUp(t, devidp.Knobs{UserInfoFault: fault}, with).try(attempt())
			if failureOf(t, err).Class != session.Transient {
				t.Error(err)
			}
		})
	}
}
