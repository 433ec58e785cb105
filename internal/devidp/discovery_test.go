package devidp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestDiscoveryTellsTheTruthUntilToldOtherwise(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	metadata := func(turn func(*devidp.Knobs)) reply {
		p.idp.Adjust(func(k *devidp.Knobs) { *k = devidp.Knobs{}; turn(k) })
		return p.get(p.endpoint("/.well-known/openid-configuration"))
	}
	r := metadata(func(*devidp.Knobs) {})
	if r.str("issuer") != p.idp.URL || r.str("token_endpoint") != p.idp.URL+"/token" || r.json["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("metadata %v", r.json)
	}
	for _, row := range []struct {
		name, missing string
		turn          func(*devidp.Knobs)
	}{
		{"no logout", "end_session_endpoint", func(k *devidp.Knobs) { k.DiscoveryWithoutEndSession = true }},
		{"no revocation", "revocation_endpoint", func(k *devidp.Knobs) { k.DiscoveryWithoutRevocation = true }},
		{"no userinfo", "userinfo_endpoint", func(k *devidp.Knobs) { k.DiscoveryWithoutUserInfo = true }},
		{"no PKCE", "code_challenge_methods_supported", func(k *devidp.Knobs) { k.DiscoveryWithoutPKCE = true }},
		{"no iss", "authorization_response_iss_parameter_supported", func(k *devidp.Knobs) { k.DiscoveryWithoutIss = true }},
	} {
		if r.json[row.missing] == nil {
			t.Errorf("%s is missing anyway", row.missing)
		}
		if got := metadata(row.turn).json; got["issuer"] == nil || got[row.missing] != nil {
			t.Errorf("%s: metadata %v", row.name, got)
		}
	}
	if got := metadata(func(k *devidp.Knobs) { k.DiscoveryPlainPKCE = true }).json["code_challenge_methods_supported"]; !slices.Equal(got.([]any), []any{"plain"}) {
		t.Errorf("plain PKCE: %v", got)
	}
	if got := metadata(func(k *devidp.Knobs) { k.DiscoveryIssuer = "https://evil.example" }).str("issuer"); got != "https://evil.example" {
		t.Errorf("wrong issuer: %q", got)
	}
	if got := metadata(func(k *devidp.Knobs) { k.IssuerStyle = devidp.IssuerWithSlash }).str("issuer"); got != p.idp.URL+"/" {
		t.Errorf("issuer with a slash: %q", got)
	}
	if got := metadata(func(k *devidp.Knobs) { k.DiscoveryDown = true }); got.status != http.StatusServiceUnavailable {
		t.Errorf("down: status %d", got.status)
	}
}

func TestAnIssuerMayHaveAPathAndASlash(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/tenant", "/tenant/"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			p := newPartyWith(t, devidp.Config{Issuer: path})
			if !strings.HasSuffix(p.idp.URL, path) || p.idp.Issuer() != p.idp.URL {
				t.Errorf("issuer %q, URL %q", p.idp.Issuer(), p.idp.URL)
			}
			r := p.get(p.endpoint("/.well-known/openid-configuration"))
			if r.str("issuer") != p.idp.URL || strings.Contains(strings.TrimPrefix(r.str("jwks_uri"), "http://"), "//") {
				t.Errorf("issuer %q, jwks_uri %q", r.str("issuer"), r.str("jwks_uri"))
			}
			if id := payload(t, p.login().str("id_token")); id["iss"] != p.idp.URL {
				t.Errorf("iss %v", id["iss"])
			}
		})
	}
}

func TestAProviderStaysOnLoopback(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{
		"", "127.0.0.1:5001", "http://example.com", "http://10.0.0.1:5001", "http://0.0.0.0:5001", "http://127.0.0.1.example.com",
		"ftp://127.0.0.1", "http://127.0.0.1/?q", "http://127.0.0.1/#f", "http://user@127.0.0.1", "http://[::2]", "http://%zz",
	} {
		if _, err := devidp.New(devidp.Config{Issuer: issuer}); err == nil || !strings.HasPrefix(err.Error(), "devidp: ") {
			t.Errorf("issuer %q: error %v", issuer, err)
		}
	}
	keys, err := sharedKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []string{"http://127.0.0.1:5001", "http://localhost:5001/", "http://[::1]:5001"} {
		if _, err := devidp.New(devidp.Config{Issuer: issuer, Keys: keys}); err != nil {
			t.Errorf("issuer %q: %v", issuer, err)
		}
	}
	if _, err := devidp.Listen(devidp.Config{Issuer: "http://127.0.0.1:5001"}); err == nil {
		t.Error("Listen took an address")
	}
}

func TestAConfigurationThatMeansNothingIsRefused(t *testing.T) {
	t.Parallel()
	client := devidp.Client{ID: "app"}
	for _, row := range []struct {
		name string
		cfg  devidp.Config
	}{
		{"a client without an id", devidp.Config{Clients: []devidp.Client{{}}}},
		{"a client twice", devidp.Config{Clients: []devidp.Client{client, client}}},
		{"a mode", devidp.Config{Knobs: devidp.Knobs{RefreshTokenMode: "spinning"}}},
		{"a fault", devidp.Config{Knobs: devidp.Knobs{IDTokenFault: "all"}}},
		{"a timing", devidp.Config{Knobs: devidp.Knobs{Timing: devidp.Timing{Mode: "late"}}}},
		{"an endpoint", devidp.Config{Knobs: devidp.Knobs{ErrorNext: []devidp.CannedAnswer{{At: "tokens"}}}}},
		{"a short refresh token", devidp.Config{Knobs: devidp.Knobs{RefreshTokenSize: 4}}},
		{"a short alphabet", devidp.Config{Knobs: devidp.Knobs{RefreshTokenAlphabet: "a"}}},
	} {
		row.cfg.Issuer = "http://127.0.0.1:5001"
		if _, err := devidp.New(row.cfg); err == nil || !strings.HasPrefix(err.Error(), "devidp: ") {
			t.Errorf("%s: error %v", row.name, err)
		}
	}
}
