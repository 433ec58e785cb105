package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// claimsOf reads a token as an API would.
func claimsOf(t *testing.T, at session.AccessToken) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(at.Token.Reveal(), ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT but %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// A refresh token is good for the resources that its login has named (RFC 8707 §2).
func TestALoginNamesTheResourcesOfAllRoutes(t *testing.T) {
	t.Parallel()
	const own, orders, ledger = "urn:own", "urn:orders", "urn:ledger"
	b := setUp(t, devidp.Knobs{ResourcesByLogin: true}, func(cfg *oidc.Config) {
		cfg.Resource, cfg.RouteResources = []string{own}, []string{orders, own, ledger}
	})
	if got := b.ask(attempt())["resource"]; !slices.Equal(got, []string{own, orders, ledger}) {
		t.Errorf("the login names %q", got)
	}
	g := b.login()
	if got := b.lastForm()["resource"]; !slices.Equal(got, []string{own}) || claimsOf(t, g.Access[session.Target{}])["aud"] != own {
		t.Errorf("the code is redeemed for %q", got)
	}
	for target, want := range map[session.Target]string{
		{}: own, {Scope: "openid"}: own, {Resource: orders}: orders, {Resource: ledger, Scope: "openid"}: ledger,
	} {
		r, err := b.Refresh(t.Context(), g, target)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.lastForm()["resource"]; !slices.Equal(got, []string{want}) || claimsOf(t, r.Access)["aud"] != want {
			t.Errorf("%v: refreshed for %q", target, got)
		}
		g.RefreshToken = r.RefreshToken
	}
	_, err := b.Refresh(t.Context(), g, session.Target{Resource: "urn:another"})
	if failureOf(t, err).Class != session.BadTarget {
		t.Error(err)
	}
}

// Where the login's own token is for no API in particular, its requests name none.
func TestWithoutAResourceOfItsOwnTheLoginsTokenIsTheDefaultOne(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{ResourcesByLogin: true}, func(cfg *oidc.Config) { cfg.RouteResources = []string{"urn:orders", "urn:ledger"} })
	g := b.login()
	if b.lastForm().Has("resource") || claimsOf(t, g.Access[session.Target{}])["aud"] != b.idp.Issuer() {
		t.Errorf("the code is redeemed by %v", b.lastForm())
	}
	r := b.refresh(g)
	if b.lastForm().Has("resource") || claimsOf(t, r.Access)["aud"] != b.idp.Issuer() {
		t.Errorf("refreshed by %v", b.lastForm())
	}
	if r, err := b.Refresh(t.Context(), g, session.Target{Audience: "orders"}); err != nil || b.lastForm().Has("resource") {
		t.Errorf("for an audience: %v, %v", r, err)
	}
}

// Some providers take one resource at a time, also at a login.
func TestAuthorizeParamsSayWhichResourceALoginNames(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) {
		cfg.RouteResources, cfg.AuthorizeParams = []string{"urn:orders", "urn:ledger"}, map[string]string{"resource": "urn:orders"}
	})
	if got := b.ask(attempt())["resource"]; !slices.Equal(got, []string{"urn:orders"}) {
		t.Errorf("the login names %q", got)
	}
	cfg := config(t, "https://id.example.com")
	cfg.RouteResources = []string{"orders"}
	if _, err := oidc.New(cfg); err == nil {
		t.Error("a resource that is no URI is taken")
	}
}

func TestATradedTokenNamesWhoActs(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	actor, err := b.ClientToken(t.Context(), session.Target{})
	if err != nil {
		t.Fatal(err)
	}
	subject := b.login().Access[session.Target{}]
	_, err = b.ExchangeToken(t.Context(), subject, actor, session.Target{Audience: "orders", Resource: "urn:orders", Scope: "read", Actor: true})
	if failureOf(t, err).Class != session.BadTarget { // one at a time, here
		t.Error(err)
	}
	at, err := b.ExchangeToken(t.Context(), subject, actor, session.Target{Resource: "urn:orders", Scope: "read", Actor: true})
	if err != nil {
		t.Fatal(err)
	}
	form := b.lastForm()
	for name, want := range map[string]string{
		"actor_token": actor.Token.Reveal(), "actor_token_type": "urn:ietf:params:oauth:token-type:access_token", "resource": "urn:orders", "scope": "read",
	} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if act, _ := claimsOf(t, at)["act"].(map[string]any); act["sub"] != clientID {
		t.Errorf("act is %v", act)
	}
	// The user's own token makes nobody an actor.
	_, err = b.ExchangeToken(t.Context(), subject, subject, session.Target{Actor: true})
	if failureOf(t, err).Class != session.Refused {
		t.Error(err)
	}
	if log := b.log.String(); strings.Contains(log, actor.Token.Reveal()) {
		t.Error("the actor's token is in the log")
	}
}
