package doctor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

// newRegulatedSetup is a sound set-up that meets FAPI 2.0, with further lines.
func newRegulatedSetup(t *testing.T, lines ...string) *setup {
	t.Helper()
	s := newSetup(t)
	data, err := clientkey.NewCertificate("ES256", "gateway", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := clientkey.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.Public()
	if err != nil {
		t.Fatal(err)
	}
	registered, err := json.Marshal(map[string]any{"keys": public})
	if err != nil {
		t.Fatal(err)
	}
	shared, err := keysOfAll()
	if err != nil {
		t.Fatal(err)
	}
	s.idp, err = devidp.Listen(devidp.Config{
		Keys: shared, Knobs: devidp.Knobs{Push: devidp.Demanded, DPoPNonce: devidp.NonceOnce, IDTokenAlg: "ES256"}, MutualTLS: true,
		Clients: []devidp.Client{{
			ID: "app", Auth: devidp.PrivateKeyJWT, JWKS: registered, RedirectURIs: []string{s.public + "/bff/callback"}, PostLogoutRedirectURIs: []string{s.public + "/"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.idp.Close)
	s.issuer, s.secret = s.idp.URL, ""
	s.write("client.pem", string(data))
	s.write("provider.pem", string(s.idp.Roots))
	s.provider = append(s.provider, append([]string{"profile: fapi2", "client_key_file: client.pem", "ca_file: provider.pem"}, lines...)...)
	return s
}

func TestASoundSetUpMeetsTheProfile(t *testing.T) {
	t.Parallel()
	r := newRegulatedSetup(t).examine()
	named := false
	for _, l := range r.Lines {
		t.Log(text(l))
		named = named || l.Check == "provider.profile" && l.Verdict == doctor.Pass
	}
	if bad := troubles(r); len(bad) > 0 || !named {
		t.Errorf("found wrong: %q", bad)
	}
}

func TestWhatAProviderLacksForTheProfileIsNamed(t *testing.T) {
	t.Parallel()
	const check = "provider.profile"
	for _, f := range []struct {
		fault
		lines []string
	}{
		{fault{
			name: "no pushed requests", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.Push = "" }) },
			verdict: doctor.Fail, found: "pushed_authorization_request_endpoint", remedy: "RFC 9126", also: []string{"provider", "provider.authorization", "provider.client_secret", "provider.refresh_token"},
		}, nil},
		{fault{
			name: "RS256 alone", broken: func(s *setup) {
				s.announce(map[string]any{"id_token_signing_alg_values_supported": []string{"RS256"}})
			},
			verdict: doctor.Fail, found: "“RS256”, and FAPI 2.0 takes PS256, ES256, EdDSA only", remedy: "this client", also: []string{"provider", "provider.jwks", "provider.authorization", "provider.client_secret", "provider.refresh_token"},
		}, nil},
		{fault{
			name: "assertions with RS256 alone", broken: func(s *setup) {
				s.announce(map[string]any{"token_endpoint_auth_signing_alg_values_supported": []string{"RS256"}})
			},
			verdict: doctor.Fail, found: "takes assertions with “RS256”", remedy: "allow one of them",
		}, nil},
		{fault{
			name: "no issuer in answers", broken: func(s *setup) { s.turn(func(k *devidp.Knobs) { k.DiscoveryWithoutIss = true }) },
			verdict: doctor.Warn, found: "authorization_response_iss_parameter_supported", remedy: "response_mode: jwt",
		}, nil},
		{fault{
			name: "tokens that are bound to nothing", broken: func(s *setup) {
				s.announce(map[string]any{"tls_client_certificate_bound_access_tokens": nil})
			},
			verdict: doctor.Warn, found: "tls_client_certificate_bound_access_tokens", remedy: "sender_constrained: dpop", also: []string{"routes[0].upstream"}, // nobody trusts it
		}, []string{"sender_constrained: mtls"}},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newRegulatedSetup(t, f.lines...)
			if len(f.lines) > 0 { // tokens that are bound to a certificate travel over TLS only
				s.upstream = httptest.NewTLSServer(http.NotFoundHandler())
				t.Cleanup(s.upstream.Close)
			}
			f.broken(s)
			f.check = check
			f.hold(t, s.examine())
		})
	}
}
