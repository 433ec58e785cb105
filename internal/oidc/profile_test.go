package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

// fapi makes a configuration meet FAPI 2.0.
func fapi(keys *clientkey.Set) func(*oidc.Config) {
	return func(c *oidc.Config) {
		c.Profile, c.ClientAuth, c.ClientKeys, c.ClientSecret = oidc.FAPI2, oidc.PrivateKeyJWT, keys, secret.Text{}
		c.PAR, c.SenderConstrained = oidc.Always, oidc.DPoP
	}
}

// setUpFAPI is a client in front of a provider that holds the profile, too.
func setUpFAPI(t *testing.T, keys *clientkey.Set, knobs devidp.Knobs, change ...func(*oidc.Config)) *bench {
	t.Helper()
	knobs.Push, knobs.IDTokenAlg = devidp.Demanded, "ES256"
	return setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, knobs, append([]func(*oidc.Config){fapi(keys)}, change...)...)
}

func TestAProfiledClientServesInEachCombination(t *testing.T) {
	t.Parallel()
	key, certificate := newKeys(t, "ES256"), newCertificate(t)
	for _, row := range []struct {
		name  string
		auth  oidc.AuthMethod
		keys  *clientkey.Set
		bound oidc.SenderConstraint
	}{
		{"a key, and keys", oidc.PrivateKeyJWT, key, oidc.DPoP},
		{"a key, and its certificate", oidc.PrivateKeyJWT, certificate, oidc.CertificateBound},
		{"a certificate, and keys", oidc.SelfSignedTLS, certificate, oidc.DPoP},
		{"a certificate, and itself", oidc.SelfSignedTLS, certificate, oidc.CertificateBound},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			knobs := devidp.Knobs{Push: devidp.Demanded, IDTokenAlg: "ES256", DPoPNonce: devidp.NonceOnce, BoundTokens: row.bound == oidc.CertificateBound, DPoPRequired: row.bound == oidc.DPoP}
			b := setUpFor(t, devidp.Client{Auth: devidp.ClientAuth(row.auth), JWKS: registration(t, row.keys)}, knobs, fapi(row.keys), func(c *oidc.Config) {
				c.ClientAuth, c.SenderConstrained = row.auth, row.bound
			})
			a := attempt()
			var err error
			if a.ProofKey, err = b.NewProofKey(); err != nil {
				t.Fatal(err)
			}
			g, err := b.try(a)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if r := b.refresh(g); r.IDToken != "" {
					if _, err := b.Verify(t.Context(), g, r.IDToken); err != nil {
						t.Error(err)
					}
				}
			}
			if s := b.idp.Stats(); s.Pushes == 0 || s.Refreshes != 3 || s.Reuses != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestAProfiledClientTakesNoRS256(t *testing.T) {
	t.Parallel()
	b := setUpFAPI(t, newKeys(t, "ES256"), devidp.Knobs{}, func(c *oidc.Config) { c.UserInfo = true })
	g := b.boundLogin()
	b.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenAlg = "RS256" })
	asked := len(b.at(devidp.UserInfoEndpoint))
	_, err := b.try(boundAttempt(t, b.Client))
	if wantRefusal(t, err); len(b.at(devidp.UserInfoEndpoint)) != asked {
		t.Error("the token was used all the same")
	}
	r := b.refresh(g)
	if _, err := b.Verify(t.Context(), g, r.IDToken); err == nil {
		t.Error("a refreshed ID token passed")
	}
}

// What our own keys sign has the same algorithms, whatever the provider would take.
func TestAProfiledClientSignsWithPS256(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	keys := parseKeys(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	b := setUpFAPI(t, keys, devidp.Knobs{RequestObjects: devidp.Demanded})
	b.boundLogin()
	for _, r := range b.calls() {
		for _, name := range []string{"client_assertion", "request"} {
			if r.Form.Has(name) {
				if _, err := jose.ParseSignedCompact(r.Form.Get(name), []jose.SignatureAlgorithm{jose.PS256}); err != nil {
					t.Errorf("%s at %s: %v", name, r.Endpoint, err)
				}
			}
		}
	}
}

func TestAProfiledClientTakesNoAnswerWithoutIssuer(t *testing.T) {
	t.Parallel()
	b := setUpFAPI(t, newKeys(t, "ES256"), devidp.Knobs{DiscoveryWithoutIss: true})
	b.boundLogin()
	before := b.idp.Stats().TokenRequests
	b.idp.Adjust(func(k *devidp.Knobs) { k.IssInCallback = devidp.IssMissing })
	_, err := b.try(boundAttempt(t, b.Client))
	if wantRefusal(t, err); b.idp.Stats().TokenRequests != before {
		t.Error("the code was redeemed")
	}
}

func TestAProviderThatTakesNoPushedRequestsCannotBeUsed(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "ES256")
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{}, fapi(keys))
	_, err := b.AuthorizationURL(t.Context(), boundAttempt(t, b.Client))
	if failed := failureOf(t, err); failed.Class != session.Operator || !strings.Contains(err.Error(), "pushed_authorization_request_endpoint") {
		t.Error(err)
	}
	if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "FAPI 2.0") {
		t.Errorf("ready: %v", err)
	}
}

func TestWhatWeakensTheProfileMakesNoClient(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "ES256")
	for _, row := range []struct {
		says   string
		change func(*oidc.Config)
	}{
		{"authenticate with a key", func(c *oidc.Config) { c.ClientAuth, c.ClientSecret = oidc.SecretJWT, secret.New(longSecret) }},
		{"authenticate with a key", func(c *oidc.Config) { c.ClientAuth = oidc.NoSecret }},
		{"bound to a key", func(c *oidc.Config) { c.SenderConstrained = oidc.NotConstrained }},
		{"pushed", func(c *oidc.Config) { c.PAR = oidc.ByProvider }},
		{"issuer alone", func(c *oidc.Config) { c.Assertion.Audience = oidc.ForTokenEndpoint }},
		{"metadata only", func(c *oidc.Config) { c.Endpoints.JWKS = c.Issuer + "/jwks" }},
		{"one spelling", func(c *oidc.Config) { c.Issuers.AnySlash = true }},
		{"key 1 of ClientKeys with RS256", func(c *oidc.Config) { c.ClientKeys = newKeys(t, "RS256") }},
		{"is not known", func(c *oidc.Config) { c.Profile = "fapi1" }},
	} {
		cfg := config(t, "https://id.example.com")
		fapi(keys)(&cfg)
		if _, err := oidc.New(cfg); err != nil {
			t.Fatal(err)
		}
		row.change(&cfg)
		if _, err := oidc.New(cfg); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("got %v, want it to say %q", err, row.says)
		}
	}
}

func TestAProfiledClientSpeaksNoWeakTLS(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		server *tls.Config
		speaks bool
	}{
		{"TLS 1.3", &tls.Config{MinVersion: tls.VersionTLS13}, true},
		{"TLS 1.2 with AES-GCM", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}}, true},
		{"TLS 1.2 with CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}, false},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			spoken := make(chan struct{}, 1)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				spoken <- struct{}{}
				w.WriteHeader(http.StatusNotFound)
			}))
			server.TLS, server.Config.ErrorLog = row.server, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.StartTLS()
			t.Cleanup(server.Close)
			root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			c := newClient(t, server.URL, fapi(newKeys(t, "ES256")), func(c *oidc.Config) { trusting(t, c, root) })
			if _, err := c.AuthorizationURL(t.Context(), boundAttempt(t, c)); err == nil {
				t.Fatal("there are no metadata")
			}
			if got := len(spoken) > 0; got != row.speaks {
				t.Errorf("the request arrived: %v", got)
			}
		})
	}
}
