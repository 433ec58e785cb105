package oidc_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestALogoutNamesSessionClientAndTheWayBack(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	hint := url.Values{"client_id": {clientID}, "post_logout_redirect_uri": {afterwards}, "state": {"st"}}
	with := func(name, value string) url.Values {
		v := url.Values{name: {value}}
		maps.Copy(v, hint)
		return v
	}
	long := *g
	long.IDToken = session.Token(strings.Repeat("x", 20<<10))
	foreign := *g
	foreign.ClientID = "another"
	for _, row := range []struct {
		name  string
		grant *session.Grant
		want  url.Values
	}{
		{"with the hint", g, with("id_token_hint", g.IDToken.Reveal())},
		{"a hint too long for a URL", &long, with("logout_hint", g.ProviderSession)},
		{"somebody else's grant", &foreign, hint},
		{"no grant", nil, hint},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(b.LogoutURL(row.grant, "st"))
			if err != nil {
				t.Fatal(err)
			}
			if got := u.Query().Encode(); got != row.want.Encode() {
				t.Errorf("got %s, want %s", got, row.want.Encode())
			}
		})
	}
}

func TestWhereALogoutDoesNotAskTheProvider(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) { cfg.Logout = "local" })
	if target := b.LogoutURL(b.login(), "st"); target != "" {
		t.Errorf("local leads to %s", target)
	}
	b = setUp(t, devidp.Knobs{DiscoveryWithoutEndSession: true})
	if target := b.LogoutURL(b.login(), "st"); target != "" {
		t.Errorf("without an endpoint it leads to %s", target)
	}
}

func TestTheIDTokenStaysWithUsIfItShall(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) { cfg.NoIDTokenHint = true })
	g := b.login()
	if target := b.LogoutURL(g, "st"); strings.Contains(target, "hint") || !strings.Contains(target, "client_id=") {
		t.Errorf("got %s", target)
	}
}

func TestAnEndpointsOwnQueryStays(t *testing.T) {
	t.Parallel()
	c := desk(t, http.NotFound, func(cfg *oidc.Config) { cfg.Endpoints.EndSession = "https://id.example.com/end?p=policy" })
	if target := c.LogoutURL(nil, "st"); !strings.HasPrefix(target, "https://id.example.com/end?p=policy&client_id=") {
		t.Errorf("got %s", target)
	}
}

func TestARevokedRefreshTokenIsDead(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	r := session.Revocation{Issuer: g.Issuer, ClientID: g.ClientID, Token: g.RefreshToken}
	for range 2 { // the second time it is unknown, and that is a success
		if err := b.Revoke(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	_, err := b.Refresh(t.Context(), g, session.Target{})
	if failureOf(t, err).Class != session.Refused {
		t.Error(err)
	}
	last := b.idp.Requests()
	for _, req := range last {
		if req.Endpoint == devidp.RevocationEndpoint && req.Form.Get("token_type_hint") != "refresh_token" {
			t.Errorf("the form is %v", req.Form)
		}
	}
}

func TestARevocationThatFailedIsAnErrorSoThatItIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		status int
		body   string
		dead   bool
	}{
		{"200", 200, "", true},
		{"204", 204, "", true},
		{"200 with HTML", 200, "<html>", true},
		{"invalid_token", 400, `{"error":"invalid_token"}`, true},
		{"invalid_grant", 400, `{"error":"invalid_grant"}`, true},
		{"not for refresh tokens", 400, `{"error":"unsupported_token_type"}`, true},
		{"a wrong secret", 401, `{"error":"invalid_client"}`, false},
		{"a firewall", 403, "<html>", false},
		{"an outage", 503, `{"error":"invalid_token"}`, false},
		{"a redirect", 302, "", false},
		{"a limit", 429, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
				if row.body == "" {
					w.WriteHeader(row.status)
					return
				}
				answerWith(t, w, row.status, row.body)
			})
			err := c.Revoke(t.Context(), session.Revocation{Issuer: c.Issuer(), ClientID: c.ClientID(), Token: "the-refresh-token"})
			if (err == nil) != row.dead {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "the-refresh-token") {
				t.Errorf("the token is in the error: %v", err)
			}
		})
	}
}

func TestNoRevocationEndpointIsNothingToDo(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{DiscoveryWithoutRevocation: true})
	g := b.login()
	if err := b.Revoke(t.Context(), session.Revocation{Issuer: g.Issuer, ClientID: g.ClientID, Token: g.RefreshToken}); err != nil {
		t.Error(err)
	}
	if b.idp.Stats().Revocations != 0 {
		t.Error("it was revoked somewhere")
	}
}
