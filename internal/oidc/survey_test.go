package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestAKeySetTellsWhichAlgorithmsItCanVerify(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		keys string
		want []string
	}{
		{"P-256", `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`, []string{"ES256"}},
		{"Ed25519", `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, []string{"EdDSA"}},
		{"RSA of 2048 bits", rsaKeys(t, 2048), []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{"RSA of 1024 bits", rsaKeys(t, 1024), nil},
		{"symmetric", `{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}]}`, nil},
		{"none", `{"keys":[]}`, nil},
		{"a page", `<html>`, nil},
	} {
		got, err := SigningAlgorithms([]byte(row.keys))
		if !slices.Equal(got, row.want) || (err == nil) != (row.want != nil) {
			t.Errorf("%s: %q, %v", row.name, got, err)
		}
	}
}

// rsaKeys is a key set with one RSA key.
func rsaKeys(t *testing.T, bits int) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public()}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
