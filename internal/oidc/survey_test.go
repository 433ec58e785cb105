package oidc

import (
	"slices"
	"testing"
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
