package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	wayBack  = "http%3A%2F%2Flocalhost%3A8080%2F"
	clientAs = "gate%3Away"
)

func TestEachStrategyHasItsOwnURL(t *testing.T) {
	t.Parallel()
	ended := func(c *oidc.Client) *session.Grant {
		g := grantOf(c)
		g.ProviderSession, g.IDToken = "s&d", "an.id.token"
		return g
	}
	for _, row := range []struct {
		name   string
		change func(*oidc.Config)
		want   string
	}{
		{"Auth0's, before discovery", func(c *oidc.Config) { c.Logout = "auth0_v2" }, "https://id.example.com/v2/logout?client_id=" + clientAs + "&returnTo=" + wayBack},
		{"Auth0's, elsewhere", func(c *oidc.Config) {
			c.Logout, c.Endpoints.EndSession = "auth0_v2", "https://login.example.com/v2/logout"
		}, "https://login.example.com/v2/logout?client_id=" + clientAs + "&returnTo=" + wayBack},
		{"Auth0's, with nowhere to return to", func(c *oidc.Config) { c.Logout, c.PostLogoutURL = "auth0_v2", "" }, "https://id.example.com/v2/logout?client_id=" + clientAs},
		{"Cognito's, before discovery", func(c *oidc.Config) { c.Logout = "cognito" }, ""},
		{"Cognito's, on the host of the login pages", func(c *oidc.Config) {
			c.Logout, c.Endpoints.Authorization = "cognito", "https://shop.auth.example.com/oauth2/authorize?x=1"
		}, "https://shop.auth.example.com/logout?client_id=" + clientAs + "&logout_uri=" + wayBack},
		{"Cognito's, elsewhere", func(c *oidc.Config) {
			c.Logout, c.Endpoints.EndSession = "cognito", "https://shop.auth.example.com/out"
		}, "https://shop.auth.example.com/out?client_id=" + clientAs + "&logout_uri=" + wayBack},
		{"a template", func(c *oidc.Config) {
			c.Logout = "https://login.example.com/out?to={return_url}&c={client_id}&s={sid}&t={id_token}&x=1"
		}, "https://login.example.com/out?to=" + wayBack + "&c=" + clientAs + "&s=s%26d&t=an.id.token&x=1"},
		{"a template that shall not tell", func(c *oidc.Config) {
			c.Logout, c.NoIDTokenHint = "https://login.example.com/out?t={id_token}", true
		}, "https://login.example.com/out?t="},
		{"a template without places", func(c *oidc.Config) { c.Logout = "https://login.example.com/out" }, "https://login.example.com/out"},
		{"auto, with nothing known", func(*oidc.Config) {}, ""},
		{"auto, with a fallback", func(c *oidc.Config) { c.LogoutFallback = "auth0_v2" }, "https://id.example.com/v2/logout?client_id=" + clientAs + "&returnTo=" + wayBack},
		{"oidc, with a fallback for auto", func(c *oidc.Config) { c.Logout, c.LogoutFallback = "oidc", "auth0_v2" }, ""},
		{"local, with an endpoint", func(c *oidc.Config) { c.Logout, c.Endpoints.EndSession = "local", "https://id.example.com/out" }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, "https://id.example.com", row.change)
			if got := c.LogoutURL(ended(c), "st"); got != row.want {
				t.Errorf("got %s\nwant %s", got, row.want)
			}
		})
	}
}

// Auth0's tenant switch decides whether there is an end-session endpoint.
func TestTheFallbackIsForWhereThereIsNoEndpoint(t *testing.T) {
	t.Parallel()
	for _, without := range []bool{true, false} {
		b := setUp(t, devidp.Knobs{DiscoveryWithoutEndSession: without}, func(cfg *oidc.Config) { cfg.LogoutFallback = "auth0_v2" })
		g := b.login()
		if got := strings.Contains(b.LogoutURL(g, "st"), "/v2/logout?"); got != without {
			t.Errorf("endpoint missing: %t, but /v2/logout: %t", without, got)
		}
	}
}

// A template with a token in it grows as long as the token.
func TestATemplateStaysShort(t *testing.T) {
	t.Parallel()
	c := newClient(t, "https://id.example.com", func(c *oidc.Config) { c.Logout = "https://login.example.com/out?t={id_token}&s={sid}" })
	g := grantOf(c)
	g.IDToken, g.ProviderSession = session.Token(strings.Repeat("x", 9000)), "sid-1"
	if got := c.LogoutURL(g, ""); got != "https://login.example.com/out?t=&s=sid-1" {
		t.Errorf("got %s", got)
	}
}

func TestSomebodyElsesGrantFillsNoTemplate(t *testing.T) {
	t.Parallel()
	c := newClient(t, "https://id.example.com", func(c *oidc.Config) { c.Logout = "https://login.example.com/out?t={id_token}&s={sid}" })
	g := grantOf(c)
	g.Issuer, g.IDToken, g.ProviderSession = "https://other.example.com", "an.id.token", "sid-1"
	if got := c.LogoutURL(g, ""); got != "https://login.example.com/out?t=&s=" {
		t.Errorf("got %s", got)
	}
}

// Entra names the user by a claim of its own, and an ended session has no claims any more.
func TestALogoutHintIsTheClaimThatTheConfigurationNames(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim  string
		noHint bool
		want   func(*session.Grant) string
	}{
		{"", false, func(*session.Grant) string { return "" }},
		{"email", false, func(*session.Grant) string { return "alice@example.com" }},
		{"email", true, func(*session.Grant) string { return "alice@example.com" }},
		{"sid", true, func(g *session.Grant) string { return g.ProviderSession }},
		{"nobody_has_this", false, func(*session.Grant) string { return "" }},
	} {
		b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) { cfg.LogoutHint, cfg.NoIDTokenHint = row.claim, row.noHint })
		g := b.login()
		g.Claims = nil
		u, err := url.Parse(b.LogoutURL(g, "st"))
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Query().Get("logout_hint"); got != row.want(g) || u.Query().Has("id_token_hint") == row.noHint {
			t.Errorf("%s: the hint is %q, the ID token goes along: %t", row.claim, got, u.Query().Has("id_token_hint"))
		}
	}
}

// formOf is a token endpoint that keeps the form of the last request.
func formOf(t *testing.T, form *url.Values) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		*form = r.PostForm
		answerWith(t, w, http.StatusOK, `{"access_token":"a","token_type":"Bearer","expires_in":60}`)
	}
}

func TestARefreshNamesTheScopesThatItHasTo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		send    bool
		keep    []string
		target  session.Target
		want    string
		nothing bool // no scope parameter at all
	}{
		{"nothing is asked for", false, []string{"offline_access"}, session.Target{}, "", true},
		{"the login's", true, nil, session.Target{}, "openid profile email offline_access", false},
		{"a route's", true, nil, session.Target{Scope: "read write"}, "read write", false},
		{"a route's, and what must be there", false, []string{"openid", "offline_access"}, session.Target{Scope: "read openid"}, "read openid offline_access", false},
		{"nothing that the login did not ask for", false, []string{"phone"}, session.Target{Scope: "read"}, "read", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var form url.Values
			c := desk(t, formOf(t, &form), func(cfg *oidc.Config) { cfg.ScopeOnRefresh, cfg.RefreshScopes = row.send, row.keep })
			if _, err := c.Refresh(t.Context(), grantOf(c), row.target); err != nil {
				t.Fatal(err)
			}
			if form.Get("scope") != row.want || form.Has("scope") == row.nothing {
				t.Errorf("the form is %s", form.Encode())
			}
		})
	}
}
