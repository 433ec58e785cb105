package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// regulated is the smallest file that meets the profile.
var regulated = strings.NewReplacer(
	"client_secret: ${env:CLIENT_SECRET}", "client_key_file: client.json\n  profile: fapi2",
	"http://orders", "https://orders",
).Replace(smallest)

// keysOfRSA take a while to make.
var keysOfRSA = sync.OnceValues(func() (map[string][]byte, error) {
	old, err := clientkey.New("RS256", nil)
	if err != nil {
		return nil, err
	}
	key, err := clientkey.New("PS256", nil)
	return map[string][]byte{"RS256.json": old, "PS256.json": key}, err
})

// loadRegulated loads it with one change, and returns what is wrong with it.
func loadRegulated(t *testing.T, old, replacement string) (*config.Config, string) {
	t.Helper()
	if !strings.Contains(regulated, old) {
		t.Fatalf("the file has no %q", old)
	}
	path := write(t, strings.Replace(regulated, old, replacement, 1))
	writeKeys(t, path)
	keys, err := keysOfRSA()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range keys {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := config.Load(path, environ())
	if err == nil {
		return c, ""
	}
	return nil, strings.TrimSpace(strings.ReplaceAll(err.Error(), path+":", ""))
}

func TestOneKeyTurnsTheProfileOn(t *testing.T) {
	t.Parallel()
	c, wrong := loadRegulated(t, "", "")
	if wrong != "" {
		t.Fatal(wrong)
	}
	p := c.Provider
	if p.ClientAuth != config.PrivateKeyJWT || p.PAR != config.UseAlways || p.SenderConstrained != config.DPoP || p.ClientAssertion.Audience != config.ForIssuer {
		t.Errorf("%+v", p)
	}
	if printed := string(c.YAML()); !strings.Contains(printed, `sender_constrained: "dpop"`) || !strings.Contains(printed, `par: "always"`) {
		t.Errorf("print does not show it:\n%s", printed)
	}
	// A preset's provider may be used to less.
	if c, wrong = loadRegulated(t, "profile: fapi2", "profile: fapi2\n  preset: entra"); wrong != "" || c.Provider.ClientAssertion.Audience != config.ForIssuer {
		t.Errorf("with a preset: %s", wrong)
	}
}

func TestWhatWeakensTheProfileIsAnError(t *testing.T) {
	t.Parallel()
	const profile, file = "profile: fapi2", "client_key_file: client.json"
	and := func(line string) string { return profile + "\n  " + line }
	for _, row := range []struct{ name, old, new, want string }{
		{"no such profile", profile, "profile: fapi", `6:12: provider.profile: "fapi" is not known: did you mean fapi2?`},
		{"a certificate in the key's place", file, "client_auth: tls_client_auth\n  client_key_file: client.pem", ""},
		{"a certificate to bind to", file, "sender_constrained: mtls\n  client_key_file: client.pem", ""},
		{"a key that signs with PS256", file, "client_key_file: PS256.json", ""},
		{"metadata elsewhere at the issuer", profile, and("discovery_url: https://tenant.eu.auth0.com/.well-known/oauth-authorization-server"), ""},
		{"signed answers", profile, and("response_mode: jwt"), ""},
		{"an upstream on this machine", "https://orders:9000", "http://localhost:9000", ""},
		{"no token to send", "https://orders:9000", "http://orders:9000\n    token: none", ""},

		{"no key", file + "\n  ", "", "provider.client_auth: private_key_jwt needs a key: write client_key_file"},
		{"a secret", file, "client_auth: client_secret_basic\n  client_secret: x", "5:16: provider.client_auth: client_secret_basic is less than provider.profile: fapi2 asks for: write private_key_jwt, tls_client_auth or self_signed_tls_client_auth"},
		{"a secret that signs", file, "client_auth: client_secret_jwt\n  client_secret: 0123456789abcdef0123456789abcdef", "5:16: provider.client_auth: client_secret_jwt is less than"},
		{"nobody", file, "client_auth: none", "5:16: provider.client_auth: none is less than"},
		{"a secret beside the key", file, file + "\n  client_secret: x", "6:18: provider.client_secret: client_auth private_key_jwt has no secret"},
		{"bearer tokens", profile, and("sender_constrained: none"), "7:23: provider.sender_constrained: leaves tokens that whoever has them may use, which provider.profile: fapi2 rules out: write dpop or mtls"},
		{"requests through the browser", profile, and("par: never"), "7:8: provider.par: provider.profile: fapi2 pushes each authorization request: write always, or leave it out"},
		{"requests by the provider's leave", profile, and("par: auto"), "7:8: provider.par: "},
		{"assertions for an endpoint", profile, and("client_assertion: {audience: token_endpoint}"), "7:32: provider.client_assertion.audience: provider.profile: fapi2 makes assertions for the issuer alone, so that nobody else can use them: write issuer, or leave it out"},
		{"a key that signs with RS256", file, "client_key_file: RS256.json", "5:20: provider.client_key_file: its key 1 signs with RS256, and provider.profile: fapi2 with PS256, ES256 or EdDSA: write PS256 into its alg, or make another key with `cloakroom keys client`"},
		{"another spelling", profile, and("issuers: [tenant.eu.auth0.com]"), "7:3: provider.issuers: provider.profile: fapi2 knows one issuer with one spelling: take it out"},
		{"tenants", profile, and("preset: entra\n  allowed_tenants: [9188040d-6c67-4c5b-b112-36a304b66dad]"), "8:3: provider.allowed_tenants: provider.profile: fapi2 knows one issuer: write that of the tenant into provider.issuer, and take this out"},
		{"metadata elsewhere", profile, and("discovery_url: https://other.example/.well-known/openid-configuration"), "7:18: provider.discovery_url: is not at the issuer's own host, where provider.profile: fapi2 takes metadata from: take it out"},
		{"an endpoint", profile, and("endpoints: {token: \"https://tenant.eu.auth0.com/token\"}"), "7:22: provider.endpoints.token: provider.profile: fapi2 takes endpoints from the provider's metadata only: take it out"},
		{"tokens in the clear", "https://orders:9000", "http://orders:9000", "11:15: routes[0].upstream: gets tokens in the clear, which provider.profile: fapi2 rules out: write https://…, or token: none"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, got := loadRegulated(t, row.old, row.new); row.want == "" && got != "" || !strings.Contains(got, row.want) {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

// Every contradiction is told at once.
func TestAllThatWeakensIsNamed(t *testing.T) {
	t.Parallel()
	_, got := loadRegulated(t, "client_key_file: client.json", "client_auth: client_secret_post\n  client_secret: x\n  par: never\n  sender_constrained: none\n  endpoints: {userinfo: \"https://a.example/u\", jwks: \"https://a.example/k\"}")
	for _, key := range []string{"client_auth", "par", "sender_constrained", "endpoints.userinfo", "endpoints.jwks"} {
		if !strings.Contains(got, "provider."+key+": ") {
			t.Errorf("%s is not named in\n%s", key, got)
		}
	}
}
