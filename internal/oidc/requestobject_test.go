package oidc_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// The development provider verifies type, signature, iss, aud, jti, times and that nothing
// stands beside the request.
func TestARequestIsSignedWhereTheProviderDemandsIt(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		knobs  devidp.Knobs
		usage  oidc.Usage
		alg    string
		signed bool
	}{
		{"nobody asks", devidp.Knobs{RequestObjects: devidp.Offered}, oidc.ByProvider, "ES256", false},
		{"demanded", devidp.Knobs{RequestObjects: devidp.Demanded}, "", "ES256", true},
		{"demanded and pushed", devidp.Knobs{RequestObjects: devidp.Demanded, Push: devidp.Demanded}, "", "EdDSA", true},
		{"wanted here", devidp.Knobs{RequestObjects: devidp.Offered}, oidc.Always, "PS256", true},
		{"wanted here and pushed", devidp.Knobs{RequestObjects: devidp.Offered, Push: devidp.Offered}, oidc.Always, "PS256", true},
		{"not wanted", devidp.Knobs{RequestObjects: devidp.Offered}, oidc.Never, "ES256", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			keys := newKeys(t, row.alg)
			b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, row.knobs, func(cfg *oidc.Config) {
				cfg.ClientKeys, cfg.JAR = keys, row.usage
				cfg.Resource = []string{"urn:b"}
				cfg.AuthorizeParams = map[string]string{"claims": `{"id_token":{"acr":null}}`}
			})
			a := attempt()
			a.Params = url.Values{"max_age": {"600"}, "login_hint": {"alice"}}
			if _, err := b.try(a); err != nil {
				t.Fatal(err)
			}
			where := devidp.AuthorizeEndpoint
			if row.knobs.Push != "" {
				where = devidp.PushEndpoint
			}
			requests := b.idp.Requests()
			i := slices.IndexFunc(requests, func(r devidp.Request) bool { return r.Endpoint == where })
			sent := requests[i].Form
			if sent.Has("request") != row.signed || row.signed && (sent.Has("state") || sent.Has("login_hint") || sent.Has("nonce")) {
				t.Errorf("the request has %v", sent)
			}
		})
	}
}

func TestARequestThatCannotBeSignedIsNoLogin(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{RequestObjects: devidp.Demanded})
	target, err := b.AuthorizationURL(t.Context(), attempt())
	if failed := failureOf(t, err); failed.Class != session.Operator || target != "" || !strings.Contains(err.Error(), "client_key_file") {
		t.Errorf("%s, %v", target, err)
	}
	cfg := config(t, "https://id.example.com")
	cfg.JAR = oidc.Always
	if _, err := oidc.New(cfg); err == nil || !strings.Contains(err.Error(), "ClientKeys") {
		t.Errorf("without keys: %v", err)
	}
}
