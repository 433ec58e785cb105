package doctor

import (
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// profile holds the provider against the profile that the configuration names: what FAPI 2.0
// asks of authorization servers (§5.3.2) and shows in their metadata. What the client may do
// there shows in the other checks.
func (e *exam) profile(c *chart, m *metadata) {
	const check = "provider.profile"
	if e.Provider.Profile != oidc.FAPI2 {
		return
	}
	fit := true
	fails := func(found, remedy string) { fit = false; c.fail(check, found, remedy) }
	warns := func(found, remedy string) { fit = false; c.warn(check, found, remedy) }
	if m.PAREndpoint == "" {
		fails("FAPI 2.0 has requests pushed, and the provider names no pushed_authorization_request_endpoint", "switch pushed authorization requests (RFC 9126) on there")
	}
	if lacksAll(m.SigningAlgs) {
		fails("the provider signs ID tokens with "+quote(strings.Join(m.SigningAlgs, ", "))+", and FAPI 2.0 takes "+algorithms+" only", "let it sign those of this client with one of them")
	}
	if e.cfg.Provider.ClientAuth == config.PrivateKeyJWT && lacksAll(m.AuthAlgs) {
		fails("the provider takes assertions with "+quote(strings.Join(m.AuthAlgs, ", "))+", and FAPI 2.0 makes them with "+algorithms+" only", "allow one of them there, or write provider.client_auth: tls_client_auth")
	}
	if !m.IssInResponse && !strings.HasSuffix(string(e.Provider.ResponseMode), "jwt") {
		warns("the provider does not announce that its answers name the issuer (authorization_response_iss_parameter_supported); one that does not is no login", "switch RFC 9207 on there, or write provider.response_mode: jwt")
	}
	if e.Provider.SenderConstrained == oidc.CertificateBound && !m.BindsTokens {
		warns("tokens are to be bound to the certificate, and the provider does not announce that (tls_client_certificate_bound_access_tokens)", "switch it on there for this client, or write provider.sender_constrained: dpop")
	}
	if fit {
		c.pass(check, "the provider announces what FAPI 2.0 asks for; see that it signs this client's ID tokens with one of "+algorithms+" (id_token_signed_response_alg)")
	}
}

// algorithms are those of FAPI 2.0, for a line.
var algorithms = strings.Join(oidc.ProfileAlgorithms(), ", ")

// lacksAll reports whether a provider announces algorithms, and none of FAPI 2.0.
func lacksAll(announced []string) bool {
	return announced != nil && !slices.ContainsFunc(oidc.ProfileAlgorithms(), func(alg string) bool { return slices.Contains(announced, alg) })
}
