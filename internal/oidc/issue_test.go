package oidc_test

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// lastForm is the newest request to the token endpoint.
func (b *bench) lastForm() url.Values {
	b.t.Helper()
	for _, r := range slices.Backward(b.idp.Requests()) {
		if r.Endpoint == devidp.TokenEndpoint {
			return r.Form
		}
	}
	b.t.Fatal("nothing reached the token endpoint")
	return nil
}

func TestAClientTokenIsAskedForItsTarget(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*oidc.Config)
		target session.Target
		want   url.Values
	}{
		{"nothing", nil, session.Target{}, nil},
		{"scopes", nil, session.Target{Scope: "a b"}, url.Values{"scope": {"a b"}}},
		{"an audience", func(c *oidc.Config) { c.Resource = []string{"urn:x"} }, session.Target{Audience: "orders"}, url.Values{"audience": {"orders"}}},
		{"a resource", func(c *oidc.Config) { c.Audience = "x" }, session.Target{Resource: "urn:r"}, url.Values{"resource": {"urn:r"}}},
		{"the login's audience", func(c *oidc.Config) { c.Audience = "x" }, session.Target{}, url.Values{"audience": {"x"}}},
		{"the login's resource", func(c *oidc.Config) { c.Resource = []string{"urn:x"} }, session.Target{}, url.Values{"resource": {"urn:x"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, devidp.Knobs{}, func(c *oidc.Config) {
				if row.change != nil {
					row.change(c)
				}
			})
			at, err := b.ClientToken(t.Context(), row.target)
			if err != nil || at.Token == "" || at.Expiry.IsZero() {
				t.Fatalf("got %+v, %v", at, err)
			}
			if row.want == nil {
				row.want = url.Values{}
			}
			row.want.Set("grant_type", "client_credentials")
			if got := b.lastForm(); !reflect.DeepEqual(got, row.want) {
				t.Errorf("asked for %v, want %v", got, row.want)
			}
		})
	}
}

func TestAClientTokenForAnotherAudienceIsNone(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{Audiences: []string{"a"}, AudienceFallback: true}, func(c *oidc.Config) { c.Audience = "b" })
	for _, target := range []session.Target{{}, {Audience: "orders"}, {Resource: "urn:r"}} {
		if at, err := b.ClientToken(t.Context(), target); failureOf(t, err).Class != session.BadTarget || at.Token != "" {
			t.Errorf("%v: got %v", target, err)
		}
	}
	if _, err := b.ClientToken(t.Context(), session.Target{Audience: "a"}); err != nil {
		t.Error(err)
	}
	// So it is where the login's resource is asked for.
	b = setUp(t, devidp.Knobs{Audiences: []string{"a"}, AudienceFallback: true}, func(c *oidc.Config) { c.Resource = []string{"urn:r"} })
	if at, err := b.ClientToken(t.Context(), session.Target{}); failureOf(t, err).Class != session.BadTarget || at.Token != "" {
		t.Error(err)
	}
}

func TestARefusedClientTokenHasItsClass(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		target session.Target
		knobs  devidp.Knobs
		want   session.Class
	}{
		{session.Target{Scope: "x"}, devidp.Knobs{Scopes: []string{"openid", "profile", "email", "offline_access"}}, session.BadScope},
		{session.Target{Audience: "x"}, devidp.Knobs{Audiences: []string{"a"}}, session.BadTarget},
		{session.Target{}, devidp.Knobs{TokenAuth: devidp.PostAuth}, session.Operator},
		{session.Target{}, devidp.Knobs{Flap: 1}, session.Transient},
	} {
		b := setUp(t, row.knobs)
		if _, err := b.ClientToken(t.Context(), row.target); failureOf(t, err).Class != row.want {
			t.Errorf("%v: got %v, want %v", row.target, err, row.want)
		}
	}
}

func TestATokenIsTradedForOneOfItsTarget(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	old := g.Access[session.Target{}]
	subject := old.Token
	at, err := b.ExchangeToken(t.Context(), old, session.AccessToken{}, session.Target{Audience: "orders", Scope: "orders:read"})
	if err != nil || at.Token == "" || at.Token == subject || at.Scope != "orders:read" || at.Expiry.IsZero() {
		t.Fatalf("got %+v, %v", at, err)
	}
	want := url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":        {subject.Reveal()},
		"subject_token_type":   {"urn:ietf:params:oauth:token-type:access_token"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"audience":             {"orders"}, "scope": {"orders:read"},
	}
	if got := b.lastForm(); !reflect.DeepEqual(got, want) {
		t.Errorf("asked %v", got)
	}
	if log := b.log.String(); strings.Contains(log, subject.Reveal()) || strings.Contains(log, at.Token.Reveal()) {
		t.Error("a token is in the log")
	}
}

func TestASubjectTokenThatIsDeadIsRefused(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	b.login()
	if _, err := b.ExchangeToken(t.Context(), session.AccessToken{Token: "never-issued"}, session.AccessToken{}, session.Target{Audience: "orders"}); failureOf(t, err).Class != session.Refused {
		t.Error(err)
	}
}

// An answer that is no bearer access token must not reach an API as one.
func TestWhatIsNoAccessTokenIsNoExchange(t *testing.T) {
	t.Parallel()
	const access = "urn:ietf:params:oauth:token-type:access_token"
	for _, row := range []struct {
		name string
		body map[string]any
		want string // "" is good
	}{
		{"an access token", map[string]any{"token_type": "bearer", "issued_token_type": access}, ""},
		{"a JWT", map[string]any{"token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}, ""},
		{"nothing to be sent", map[string]any{"token_type": "N_A", "issued_token_type": access}, "token_type"},
		{"a proof-bound one", map[string]any{"token_type": "DPoP", "issued_token_type": access}, "token_type"},
		{"an ID token", map[string]any{"token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "id_token"},
		{"a refresh token", map[string]any{"token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "refresh_token"},
		{"nobody knows what", map[string]any{"token_type": "Bearer"}, "issued_token_type"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.body["access_token"] = "new-one"
			c := desk(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(t, w, http.StatusOK, row.body) })
			at, err := c.ExchangeToken(t.Context(), session.AccessToken{Token: "the-subject-token"}, session.AccessToken{}, session.Target{})
			if row.want == "" {
				if err != nil || at.Token != "new-one" {
					t.Errorf("got %v", err)
				}
				return
			}
			failed := failureOf(t, err)
			if failed.Class != session.BadTarget || at.Token != "" || !strings.Contains(failed.Error(), row.want) {
				t.Errorf("got %+v, %v", at, err)
			}
		})
	}
}

func TestWhatIsSaidOfASubjectTokenIsCleanedOfIt(t *testing.T) {
	t.Parallel()
	c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(t, w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "the-subject-token is unknown"})
	})
	_, err := c.ExchangeToken(t.Context(), session.AccessToken{Token: "the-subject-token"}, session.AccessToken{}, session.Target{})
	if failed := failureOf(t, err); failed.Class != session.Refused || strings.Contains(failed.Error(), "the-subject-token") {
		t.Error(err)
	}
}
