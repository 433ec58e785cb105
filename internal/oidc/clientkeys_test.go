package oidc_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

const longSecret = "a secret that is long enough for HS256: % + / ü"

// newKeys makes a set with one key.
func newKeys(t *testing.T, alg string) *clientkey.Set {
	t.Helper()
	data, err := clientkey.New(alg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parseKeys(t, data)
}

// newCertificate makes a set with one key and its certificate.
func newCertificate(t *testing.T) *clientkey.Set {
	t.Helper()
	data, err := clientkey.NewCertificate("ES256", "gateway", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return parseKeys(t, data)
}

func parseKeys(t *testing.T, data []byte) *clientkey.Set {
	t.Helper()
	set, err := clientkey.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// registration is a key set as a provider gets it.
func registration(t *testing.T, set *clientkey.Set) json.RawMessage {
	t.Helper()
	public, err := set.Public()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"keys": public})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// setUpFor is a client in front of a provider that knows it in one way only.
func setUpFor(t *testing.T, known devidp.Client, knobs devidp.Knobs, change ...func(*oidc.Config)) *bench {
	t.Helper()
	known.ID, known.RedirectURIs = clientID, []string{callback}
	knobs.AutoLogin = "alice"
	idp, err := devidp.Listen(devidp.Config{Knobs: knobs, Clients: []devidp.Client{known}, MutualTLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(idp.Close)
	b := &bench{t: t, idp: idp, clock: new(clock), log: new(journal)}
	b.Client = newClient(t, idp.Issuer(), append([]func(*oidc.Config){func(cfg *oidc.Config) {
		cfg.Now, cfg.ClientSecret, cfg.ClientAuth = b.clock.now, secret.New(known.Secret), oidc.AuthMethod(known.Auth)
		trusting(t, cfg, idp.Roots)
	}}, change...)...)
	return b
}

// trusting makes a configuration trust another root.
func trusting(t *testing.T, cfg *oidc.Config, root []byte) {
	t.Helper()
	transport := new(http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(root) {
		t.Fatal("no certificate")
	}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.Transport = transport
}

// life is a login, two refreshes and a revocation.
func (b *bench) life() {
	b.t.Helper()
	g := b.login()
	for range 2 {
		g.RefreshToken = b.refresh(g).RefreshToken
	}
	if err := b.Revoke(b.t.Context(), session.Revocation{Issuer: g.Issuer, ClientID: g.ClientID, Token: g.RefreshToken}); err != nil {
		b.t.Error(err)
	}
	if s := b.idp.Stats(); s.Exchanges != 1 || s.Refreshes != 2 || s.Revocations != 1 || s.TokenRequests != 3 {
		b.t.Errorf("%+v", s)
	}
}

// calls are the requests that carried credentials.
func (b *bench) calls() (all []devidp.Request) {
	for _, r := range b.idp.Requests() {
		if r.Endpoint == devidp.PushEndpoint || r.Endpoint == devidp.TokenEndpoint || r.Endpoint == devidp.RevocationEndpoint {
			all = append(all, r)
		}
	}
	return all
}

func TestAClientAuthenticatesWithItsKey(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			keys := newKeys(t, alg)
			b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{Push: devidp.Demanded},
				func(c *oidc.Config) { c.ClientKeys = keys })
			b.life()
			seen := map[string]bool{}
			for _, r := range b.calls() {
				claims, header := readAssertion(t, r, jose.SignatureAlgorithm(alg))
				if claims["iss"] != clientID || claims["sub"] != clientID || claims["aud"] != b.idp.Issuer() || header != "JWT" {
					t.Errorf("%s: typ %s, %v", r.Endpoint, header, claims)
				}
				if life := claims["exp"].(float64) - claims["iat"].(float64); life <= 0 || life > 60 {
					t.Errorf("an assertion lives for %v seconds", life)
				}
				id, _ := claims["jti"].(string)
				if len(id) < 22 || seen[id] {
					t.Errorf("jti %q came before, or can be guessed", id)
				}
				seen[id] = true
				if r.Header.Get("Authorization") != "" || r.Form.Has("client_secret") {
					t.Error("there is a second method in the request")
				}
			}
		})
	}
}

// readAssertion reads an assertion that the provider has verified.
func readAssertion(t *testing.T, r devidp.Request, alg jose.SignatureAlgorithm) (claims map[string]any, typ any) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(r.Form.Get("client_assertion"), []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatalf("%s: %v", r.Endpoint, err)
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &claims); err != nil {
		t.Fatal(err)
	}
	return claims, signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]
}

func TestNoAssertionGoesOutTwice(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "ES256")
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{AccessTokenFormat: devidp.Opaque},
		func(c *oidc.Config) { c.ClientKeys = keys })
	seen := map[string]bool{}
	for range 1000 {
		if _, err := b.ClientToken(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range b.calls() {
		claims, _ := readAssertion(t, r, jose.ES256)
		seen[claims["jti"].(string)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 assertions are fresh", len(seen))
	}
}

func TestAnAssertionCanBeWhatOldProvidersWant(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "ES256")
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{AssertionAudience: devidp.ForTokenEndpoint},
		func(c *oidc.Config) {
			c.ClientKeys, c.Assertion = keys, oidc.Assertion{Audience: oidc.ForTokenEndpoint, Typed: true}
		})
	b.life()
	for _, r := range b.calls() {
		claims, typ := readAssertion(t, r, jose.ES256)
		if claims["aud"] != b.idp.URL+"/token" || typ != "client-authentication+jwt" {
			t.Errorf("%s: typ %s, %v", r.Endpoint, typ, claims)
		}
	}
}

// Okta, for one, takes no other.
func TestAnAssertionCanBeForTheEndpointThatIsAsked(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "ES256")
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{AssertionAudience: devidp.ForEndpoint},
		func(c *oidc.Config) { c.ClientKeys, c.Assertion.Audience = keys, oidc.ForEndpoint })
	b.life()
}

func TestAClientAuthenticatesWithItsSecretAndDoesNotSendIt(t *testing.T) {
	t.Parallel()
	b := setUpFor(t, devidp.Client{Auth: devidp.SecretJWT, Secret: longSecret}, devidp.Knobs{})
	b.life()
	for _, r := range b.calls() {
		for name, values := range r.Form {
			if strings.Contains(values[0], longSecret) {
				t.Errorf("the secret stands in %s", name)
			}
		}
	}
}

// refuses makes sure that the provider does not know the client.
func refuses(t *testing.T, b *bench) {
	t.Helper()
	_, err := b.ClientToken(t.Context(), session.Target{})
	failed, ok := errors.AsType[*session.RefreshError](err)
	if !ok || failed.Code != "invalid_client" || failed.Class != session.Operator {
		t.Errorf("got %v", err)
	}
}

func TestTheKeyThatComesNextIsTakenAlready(t *testing.T) {
	t.Parallel()
	first, err := clientkey.New("ES256", nil)
	if err != nil {
		t.Fatal(err)
	}
	both, err := clientkey.New("ES256", first)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(both, &file); err != nil {
		t.Fatal(err)
	}
	file.Keys[0], file.Keys[1] = file.Keys[1], file.Keys[0]
	turned, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"the old key": both, "the new key": turned} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, parseKeys(t, both))}, devidp.Knobs{},
				func(c *oidc.Config) { c.ClientKeys = parseKeys(t, data) })
			b.life()
		})
	}
}

func TestAKeyThatTheProviderDoesNotKnowIsTheOperatorsBusiness(t *testing.T) {
	t.Parallel()
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, newKeys(t, "ES256"))}, devidp.Knobs{},
		func(c *oidc.Config) { c.ClientKeys = newKeys(t, "ES256") })
	refuses(t, b)
}

func TestClientCredentialsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "ES256")
	for _, row := range []struct {
		name   string
		change func(*oidc.Config)
		says   string
	}{
		{"a secret too short to sign with", func(c *oidc.Config) {
			c.ClientAuth, c.ClientSecret = oidc.SecretJWT, secret.New(strings.Repeat("x", 31))
		}, "less than 32 bytes"},
		{"no secret to sign with", func(c *oidc.Config) { c.ClientAuth, c.ClientSecret = oidc.SecretJWT, secret.Text{} }, "ClientSecret is missing"},
		{"no key", func(c *oidc.Config) { c.ClientAuth, c.ClientSecret = oidc.PrivateKeyJWT, secret.Text{} }, "ClientKeys are missing"},
		{"a secret beside the key", func(c *oidc.Config) { c.ClientAuth, c.ClientKeys = oidc.PrivateKeyJWT, keys }, "there must be no ClientSecret"},
		{"no certificate", func(c *oidc.Config) {
			c.ClientAuth, c.ClientKeys, c.ClientSecret = oidc.SelfSignedTLS, keys, secret.Text{}
		}, "have no certificate"},
		{"nothing to bind to", func(c *oidc.Config) { c.SenderConstrained = oidc.CertificateBound }, "have no certificate"},
		{"a transport of somebody's", func(c *oidc.Config) {
			c.SenderConstrained, c.ClientKeys, c.Transport = oidc.CertificateBound, newCertificate(t), roundTripper(nil)
		}, "no *http.Transport"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, "https://id.example.com")
			row.change(&cfg)
			_, err := oidc.New(cfg)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want it to say %q", err, row.says)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
