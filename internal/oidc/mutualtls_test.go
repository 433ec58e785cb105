package oidc_test

import (
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

func TestAClientAuthenticatesWithItsCertificate(t *testing.T) {
	t.Parallel()
	keys := newCertificate(t)
	for _, row := range []struct {
		name  string
		known devidp.Client
	}{
		{"of an authority", devidp.Client{Auth: devidp.MutualTLS, SubjectDN: "CN=gateway"}},
		{"of its own", devidp.Client{Auth: devidp.SelfSignedTLS, JWKS: registration(t, keys)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUpFor(t, row.known, devidp.Knobs{Push: devidp.Demanded}, func(c *oidc.Config) { c.ClientKeys = keys })
			b.life()
			b.presentsAt(devidp.PushEndpoint, devidp.TokenEndpoint, devidp.RevocationEndpoint)
			for _, r := range b.calls() {
				if r.Form.Get("client_id") != clientID || r.Form.Has("client_assertion") || r.Header.Get("Authorization") != "" {
					t.Errorf("%s: the form names the client, and nothing proves it but the connection: %v", r.Endpoint, r.Form)
				}
			}
		})
	}
}

// presentsAt makes sure that these endpoints, and no others, were asked under mutual TLS.
func (b *bench) presentsAt(endpoints ...devidp.Endpoint) {
	b.t.Helper()
	at := map[devidp.Endpoint]bool{}
	for _, e := range endpoints {
		at[e] = true
	}
	for _, r := range b.idp.Requests() {
		if r.Secure != at[r.Endpoint] || (r.Thumbprint != "") != at[r.Endpoint] {
			b.t.Errorf("%s: under mutual TLS %v, with certificate %q", r.Endpoint, r.Secure, r.Thumbprint)
		}
	}
}

func TestBoundTokensAreAskedForUnderTheCertificate(t *testing.T) {
	t.Parallel()
	keys := newCertificate(t)
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{BoundTokens: true}, func(c *oidc.Config) {
		c.ClientKeys, c.SenderConstrained, c.UserInfo = keys, oidc.CertificateBound, true
	})
	b.life()
	b.presentsAt(devidp.TokenEndpoint, devidp.RevocationEndpoint, devidp.UserInfoEndpoint)
}

// Without a need for it nobody learns the certificate, and the aliases are others' business.
func TestAClientWithoutMutualTLSKeepsToThePlainEndpoints(t *testing.T) {
	t.Parallel()
	keys := newCertificate(t)
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{}, func(c *oidc.Config) { c.ClientKeys = keys })
	b.life()
	b.presentsAt()
}

func TestConfiguredEndpointsGoBeforeAliases(t *testing.T) {
	t.Parallel()
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, newKeys(t, "ES256"))}, devidp.Knobs{}, func(c *oidc.Config) {
		c.ClientAuth, c.ClientKeys, c.Endpoints.Token = oidc.MutualTLS, newCertificate(t), c.Issuer+"/token"
	})
	refuses(t, b)
	b.presentsAt()
}
