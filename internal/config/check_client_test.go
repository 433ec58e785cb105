package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// keyed is the smallest file of a client that has a key in the place of a secret.
var keyed = strings.Replace(smallest, "client_secret: ${env:CLIENT_SECRET}", "client_auth: private_key_jwt\n  client_key_file: client.json", 1)

// writeKeys puts key files beside a configuration.
func writeKeys(t *testing.T, path string) {
	t.Helper()
	jwk, err := clientkey.New("ES256", nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := clientkey.NewCertificate("ES256", "gateway", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	old, err := clientkey.NewCertificate("ES256", "gateway", time.Now().Add(-48*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"client.json": jwk, "client.pem": pair, "old.pem": old} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatAClientAuthenticatesWithIsChecked(t *testing.T) {
	t.Parallel()
	const file = "client_key_file: client.json"
	for _, row := range []struct{ name, old, new, want string }{
		{"a key", "", "", ""},
		{"a certificate", keyedAuth, "client_auth: self_signed_tls_client_auth\n  client_key_file: client.pem", ""},
		{"a certificate signs, too", file, "client_key_file: client.pem", ""},
		{"no key", "\n  " + file, "", "5:16: provider.client_auth: private_key_jwt needs a key: write client_key_file, the path of one that `cloakroom keys client` made"},
		{"no file", file, "client_key_file: nowhere.pem", "6:20: provider.client_key_file: the file cannot be read (no such file or directory): write the path of a file that is there; a relative one begins at the configuration's directory"},
		{"another kind of file", file, "client_key_file: key", "6:20: provider.client_key_file: the file cannot be used: there is no private key in it: make one with `cloakroom keys client`"},
		{"a key without a certificate", "private_key_jwt", "tls_client_auth", "6:20: provider.client_key_file: has no certificate, which mutual TLS needs: put one into the file, in PEM, beside its private key, or make both with `cloakroom keys client --certificate`"},
		{"a secret beside the key", file, file + "\n  client_secret: x", "7:18: provider.client_secret: client_auth private_key_jwt has no secret, and a client authenticates in one way: take it out"},
		{"a key that signs requests, beside the secret", "client_auth: private_key_jwt", "client_secret: x\n  jar: always", ""},
		{"requests to sign, and no key", "client_auth: private_key_jwt\n  client_key_file: client.json", "client_secret: x\n  jar: always", "6:8: provider.jar: requests are signed with a key: write client_key_file"},
		{"a key beside the secret", "client_auth: private_key_jwt", "client_secret: x", "6:20: provider.client_key_file: client_auth client_secret_basic has no key: take it out, or write client_auth: private_key_jwt"},
		{"a certificate to bind to, beside a secret", keyedAuth, "client_secret: x\n  sender_constrained: mtls\n  client_key_file: client.pem", "12:15: routes[0].upstream: gets tokens that are bound to a certificate (provider.sender_constrained: mtls), which only TLS can present: write https://…, or token: none"},
		{"nothing to bind to", keyedAuth, "client_secret: x\n  sender_constrained: mtls", "6:23: provider.sender_constrained: mtls binds tokens to a certificate: write client_key_file, the path of one that `cloakroom keys client --certificate` made"},
		{"a key to bind to", file, file + "\n  sender_constrained: mtls", "6:20: provider.client_key_file: has no certificate"},
		{"a short secret", keyedAuth, "client_auth: client_secret_jwt\n  client_secret: 0123456789abcdef0123456789abcde", "6:18: provider.client_secret: has 31 bytes, and client_secret_jwt signs with 32 or more (RFC 7518, section 3.2): have the provider make a longer one, or write client_auth: private_key_jwt"},
		{"a secret that signs", keyedAuth, "client_auth: client_secret_jwt\n  client_secret: 0123456789abcdef0123456789abcdef", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(keyed, row.old) {
				t.Fatalf("the file has no %q", row.old)
			}
			path := write(t, strings.Replace(keyed, row.old, row.new, 1))
			writeKeys(t, path)
			_, _, err := config.Load(path, environ())
			var got string
			if err != nil {
				got = strings.TrimSpace(strings.ReplaceAll(err.Error(), path+":", ""))
			}
			if got != row.want && (row.want == "" || !strings.HasPrefix(got, row.want)) {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

func TestBoundTokensTravelOverTheCertificateTheyAreBoundTo(t *testing.T) {
	t.Parallel()
	bound := strings.Replace(keyed, "client_key_file: client.json", "client_key_file: client.pem\n  sender_constrained: mtls", 1)
	for _, row := range []struct{ name, upstream, want string }{
		{"TLS", "https://orders:9000", ""},
		{"plain", "http://orders:9000", "routes[0].upstream: gets tokens"},
		{"plain, without tokens", "http://orders:9000\n    token: none", ""},
		{"another certificate", "https://orders:9000\n    upstream_tls: {cert_file: client.pem, key_file: client.pem}", "routes[0].upstream_tls.cert_file: is another certificate than the one that the tokens are bound to"},
		{"another certificate, without tokens", "https://orders:9000\n    token: none\n    upstream_tls: {cert_file: client.pem, key_file: client.pem}", ""},
		{"other roots", "https://orders:9000\n    upstream_tls: {server_name: orders.internal}", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, strings.Replace(bound, "http://orders:9000", row.upstream, 1))
			writeKeys(t, path)
			_, _, err := config.Load(path, environ())
			switch {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("got %v, want it to say %q", err, row.want)
			}
		})
	}
}

const keyedAuth = "client_auth: private_key_jwt\n  client_key_file: client.json"

func TestAnOldCertificateIsAWarning(t *testing.T) {
	t.Parallel()
	path := write(t, strings.Replace(keyed, keyedAuth, "client_auth: tls_client_auth\n  client_key_file: old.pem", 1))
	writeKeys(t, path)
	_, warnings, err := config.Load(path, environ())
	if err != nil || !slices.ContainsFunc(warnings, func(p config.Problem) bool {
		return p.Line == 6 && strings.Contains(p.Text, "provider.client_key_file: the certificate has ended on ")
	}) {
		t.Errorf("%v, warned %v", err, warnings)
	}
}

// Keys are rotated in their file, and the configuration names the file only.
func TestAFileWithOtherKeysIsAChange(t *testing.T) {
	t.Parallel()
	path := write(t, keyed)
	writeKeys(t, path)
	load := func() *config.Config {
		cfg, _, err := config.Load(path, environ())
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	file := filepath.Join(filepath.Dir(path), "client.json")
	before, seen := load(), config.Fingerprint(path, environ(), file)
	if changed := config.Changed(before, load()); len(changed) > 0 {
		t.Errorf("%v has changed, and nothing has", changed)
	}
	writeKeys(t, path)
	if changed := config.Changed(before, load()); !slices.Equal(changed, []string{"provider.client_key_file"}) {
		t.Errorf("%v has changed", changed)
	}
	if config.Fingerprint(path, environ(), file) == seen {
		t.Error("the fingerprint is the same")
	}
}

func TestNoKeyIsPrinted(t *testing.T) {
	t.Parallel()
	path := write(t, keyed)
	writeKeys(t, path)
	cfg, _, err := config.Load(path, environ())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(cfg.Provider.ClientKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ D string } }
	if err := json.Unmarshal(data, &set); err != nil || set.Keys[0].D == "" {
		t.Fatal(err)
	}
	if strings.Contains(string(cfg.YAML()), set.Keys[0].D) {
		t.Error("the private key is printed")
	}
}
