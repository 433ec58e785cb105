package oidc

import "testing"

func TestWhatLooksLikeATokenIsMasked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"AADSTS700082: expired":                                     "AADSTS700082: expired",
		"trace 01234567-89ab-cdef-0123-456789abcdef":                "trace 01234567-89ab-cdef-0123-456789abcdef",
		"token 0123456789abcdef0123456789abcdef0123456789abcdef is": "token [masked] is",
		"lookup tenant.eu.auth0.com: no such host":                  "lookup tenant.eu.auth0.com: no such host",
	} {
		if got := maskTokens(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := short("a\nb\x00c"); got != "a b c" {
		t.Errorf("control characters: %q", got)
	}
}
