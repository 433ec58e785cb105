package oidc_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func anySlash(cfg *oidc.Config) { cfg.Issuers.AnySlash = true }

// Operators write Auth0's issuer without its slash, and its ID tokens have it.
func TestASlashMoreOrLessFindsTheProvider(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		configured func(issuer string) string
		slash      devidp.IssuerStyle
	}{
		{"configured without, documented with", func(s string) string { return strings.TrimSuffix(s, "/") }, devidp.IssuerWithSlash},
		{"configured with, documented without", func(s string) string { return strings.TrimSuffix(s, "/") + "/" }, devidp.IssuerWithoutSlash},
		{"the same", func(s string) string { return s }, devidp.IssuerWithSlash},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, devidp.Knobs{IssuerStyle: row.slash}, anySlash, func(cfg *oidc.Config) { cfg.Issuer = row.configured(cfg.Issuer) })
			g := b.login() // with iss in the callback
			want := strings.TrimSuffix(b.idp.URL, "/") + "/"
			if g.Issuer != want || b.Issuer() != want {
				t.Errorf("the grant is %s's, the client %s's, want %s for both", g.Issuer, b.Issuer(), want)
			}
			r := b.refresh(g)
			if _, err := b.Verify(t.Context(), g, r.IDToken); err != nil {
				t.Error(err)
			}
		})
	}
}

// What finds the provider must not let an iss pass that is not its own.
func TestOnceFoundTheIssuerIsComparedToTheLetter(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{IssuerStyle: devidp.IssuerWithSlash}, anySlash, func(cfg *oidc.Config) { cfg.Issuer = strings.TrimSuffix(cfg.Issuer, "/") })
	g := b.login()
	wantRefusal(t, b.CheckIssuer(t.Context(), strings.TrimSuffix(b.idp.URL, "/"), true))
	b.idp.Adjust(func(k *devidp.Knobs) { k.IssuerStyle = devidp.IssuerWithoutSlash })
	if _, err := b.try(attempt()); err == nil {
		t.Error("a login passed whose iss differs from the document's in a slash")
	}
	r := b.refresh(g)
	if _, err := b.Verify(t.Context(), g, r.IDToken); !errors.Is(err, session.ErrIdentity) {
		t.Errorf("a refresh whose iss differs in a slash: %v", err)
	}
}

func TestWithoutThePresetEverySlashCounts(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{IssuerStyle: devidp.IssuerWithSlash}, func(cfg *oidc.Config) { cfg.Issuer = strings.TrimSuffix(cfg.Issuer, "/") })
	_, err := b.AuthorizationURL(t.Context(), attempt())
	if failed := failureOf(t, err); failed.Class != session.Operator {
		t.Errorf("got %v", err)
	}
}

// A session that began under one spelling goes on under the other.
func TestCorrectingTheSlashOrphansNoSession(t *testing.T) {
	t.Parallel()
	with := newClient(t, "https://id.example.com/", anySlash)
	without := newClient(t, "https://id.example.com", anySlash)
	if g := grantOf(with); !without.Owns(g) || with.Issuer() != without.Issuer() {
		t.Errorf("%s's grant is not %s's", with.Issuer(), without.Issuer())
	}
}

func TestOtherSpellingsOfTheIssuerMeanTheSameProvider(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{TokenIssuer: "accounts.example.com"}, func(cfg *oidc.Config) { cfg.Issuers.Also = []string{"accounts.example.com"} })
	g := b.login()
	if g.Issuer != b.idp.URL {
		t.Errorf("the grant is %s's", g.Issuer)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.TokenIssuer = "" })
	r := b.refresh(g)
	if _, err := b.Verify(t.Context(), g, r.IDToken); err != nil {
		t.Errorf("the spelling changed at a refresh: %v", err)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.TokenIssuer = "https://accounts.example.com" })
	if _, err := b.try(attempt()); err == nil {
		t.Error("a spelling that is not listed passed")
	}
}

const (
	contoso  = "11111111-1111-1111-1111-111111111111"
	fabrikam = "22222222-2222-2222-2222-222222222222"
	stranger = "33333333-3333-3333-3333-333333333333"
)

// tenants is a client of a provider with many tenants, two of which may sign in.
func tenants(t *testing.T) *bench {
	t.Helper()
	return setUpAt(t, "/organizations/v2.0", devidp.Knobs{Tenant: contoso, DiscoveryWithoutIss: true, IssInCallback: devidp.IssMissing}, func(cfg *oidc.Config) {
		cfg.Issuers = oidc.Issuers{
			Template: strings.Replace(cfg.Issuer, "organizations", "{tenantid}", 1), Tenants: []string{contoso, fabrikam},
		}
	})
}

func TestAllowedTenantsSignInAndOthersDoNot(t *testing.T) {
	t.Parallel()
	b := tenants(t)
	for _, row := range []struct {
		tenant string
		in     bool
	}{{contoso, true}, {fabrikam, true}, {stranger, false}, {"organizations", false}, {"{tenantid}", false}} {
		b.idp.Adjust(func(k *devidp.Knobs) { k.Tenant = row.tenant })
		g, err := b.try(attempt())
		if !row.in {
			wantRefusal(t, err)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", row.tenant, err)
		}
		if want := strings.Replace(b.idp.URL, "organizations", row.tenant, 1); g.Issuer != want || !b.Owns(g) {
			t.Errorf("the grant is %s's, want %s's; owned: %t", g.Issuer, want, b.Owns(g))
		}
	}
}

// The subject is told apart by issuer and sub: another tenant's sub is another person.
func TestARefreshThatMovesToAnotherTenantIsSomebodyElse(t *testing.T) {
	t.Parallel()
	b := tenants(t)
	g := b.login()
	r := b.refresh(g)
	if _, err := b.Verify(t.Context(), g, r.IDToken); err != nil {
		t.Fatal(err)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.Tenant = fabrikam })
	r = b.refresh(g)
	if _, err := b.Verify(t.Context(), g, r.IDToken); !errors.Is(err, session.ErrIdentity) {
		t.Errorf("got %v", err)
	}
}

func TestAGrantOfATenantThatLeftIsNotPresented(t *testing.T) {
	t.Parallel()
	b := tenants(t)
	g := b.login()
	g.Issuer = strings.Replace(b.idp.URL, "organizations", stranger, 1)
	if _, err := b.Refresh(t.Context(), g, session.Target{}); !errors.Is(err, oidc.ErrForeign) {
		t.Errorf("got %v", err)
	}
	if n := b.idp.Stats().Refreshes; n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

// A gateway inside a cluster reads the document at an inner address, and it names the
// outer one.
func TestTheDiscoveryDocumentCanBeElsewhere(t *testing.T) {
	t.Parallel()
	var asked string
	var body string
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(inner.Close)
	doc := func(issuer string) string {
		return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"https://id.example.com/auth","token_endpoint":"%s/token","jwks_uri":"%s/keys"}`, issuer, inner.URL, inner.URL)
	}
	body = doc("https://id.example.com")
	c := newClient(t, "https://id.example.com", func(cfg *oidc.Config) { cfg.DiscoveryURL = inner.URL + "/inner/document" })
	if target, err := c.AuthorizationURL(t.Context(), attempt()); err != nil || !strings.HasPrefix(target, "https://id.example.com/auth?") || asked != "/inner/document" {
		t.Errorf("leads to %s, %v; asked at %s", target, err, asked)
	}
	body = doc("https://evil.example")
	c = newClient(t, "https://id.example.com", func(cfg *oidc.Config) { cfg.DiscoveryURL = inner.URL + "/inner/document" })
	_, err := c.AuthorizationURL(t.Context(), attempt())
	if failed := failureOf(t, err); failed.Class != session.Operator || !strings.Contains(err.Error(), "calls itself") {
		t.Errorf("got %v", err)
	}
}
