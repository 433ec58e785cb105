package oidc

import "testing"

func TestTheWellKnownAddressDoublesNoSlash(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://h":    "https://h/.well-known/openid-configuration",
		"https://h/":   "https://h/.well-known/openid-configuration",
		"https://h/a":  "https://h/a/.well-known/openid-configuration",
		"https://h/a/": "https://h/a/.well-known/openid-configuration",
	} {
		if got := (&Config{Issuer: issuer}).DiscoveryAddress(); got != want {
			t.Errorf("%s: %s", issuer, got)
		}
	}
}
