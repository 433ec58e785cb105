package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// signingKeys fetches the provider's keys and sees whether they verify what it signs.
func (e *exam) signingKeys(ctx context.Context, c *chart, m *metadata) {
	const check = "provider.jwks"
	if m.JWKSURI == "" {
		return // told already
	}
	a, err := e.web.get(ctx, m.JWKSURI)
	switch {
	case err != nil:
		found, remedy := explain(err, "provider.ca_file")
		c.fail(check, "the keys cannot be fetched: "+found, remedy)
		return
	case a.status != http.StatusOK:
		c.fail(check, fmt.Sprintf("%s answers with status %d", m.JWKSURI, a.status), "look at the provider, or correct provider.endpoints.jwks")
		return
	}
	algs, err := oidc.SigningAlgorithms(a.body)
	if err != nil {
		c.fail(check, fmt.Sprintf("%s: %s", m.JWKSURI, quote(err.Error())), "give the provider an RSA, EC or Ed25519 key for signatures")
		return
	}
	if m.SigningAlgs != nil {
		algs = slices.DeleteFunc(algs, func(alg string) bool { return !slices.Contains(m.SigningAlgs, alg) })
	}
	if e.Provider.Profile == oidc.FAPI2 {
		algs = slices.DeleteFunc(algs, func(alg string) bool { return !slices.Contains(oidc.ProfileAlgorithms(), alg) })
	}
	if len(algs) == 0 && e.Provider.Profile == oidc.FAPI2 {
		c.fail(check, "the provider has no key that signs ID tokens as FAPI 2.0 has it", "give it one for "+algorithms+", and let it sign those of this client with it")
		return
	}
	if len(algs) == 0 {
		c.fail(check, fmt.Sprintf("the provider signs ID tokens with %s, and its keys verify none of these that the gateway takes", strings.Join(m.SigningAlgs, ", ")),
			"let it sign ID tokens for this client with RS256 or ES256; HS256 and none are never taken")
		return
	}
	c.pass(check, "the keys verify "+strings.Join(algs, ", "))
}
