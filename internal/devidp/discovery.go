package devidp

import (
	"encoding/json"
	"net/http"
)

// serveDiscovery answers with the metadata (OpenID Connect Discovery 1.0 §3).
func (p *Provider) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	k := p.turned()
	issuer := p.issuer(k)
	if k.Tenant != "" {
		issuer = p.issuerOf(k, "{tenantid}")
	}
	if k.DiscoveryIssuer != "" {
		issuer = k.DiscoveryIssuer
	}
	m := map[string]any{
		"issuer":                                     issuer,
		"authorization_endpoint":                     p.base + "/authorize",
		"token_endpoint":                             p.base + "/token",
		"jwks_uri":                                   p.base + k.keysPath(),
		"userinfo_endpoint":                          p.base + "/userinfo",
		"revocation_endpoint":                        p.base + "/revoke",
		"end_session_endpoint":                       p.base + "/end_session",
		"response_types_supported":                   []string{"code"},
		"dpop_signing_alg_values_supported":          []string{"ES256", "RS256", "PS256", "EdDSA"},
		"response_modes_supported":                   responseModes(),
		"grant_types_supported":                      []string{"authorization_code", "refresh_token", "client_credentials", grantTokenExchange},
		"subject_types_supported":                    []string{"public"},
		"id_token_signing_alg_values_supported":      []string{"RS256", "ES256"},
		"scopes_supported":                           []string{"openid", "profile", "email", "offline_access"},
		"claims_supported":                           []string{"sub", "name", "email", "email_verified", "roles", "sid", "auth_time", "acr"},
		"code_challenge_methods_supported":           []string{"S256"},
		"token_endpoint_auth_methods_supported":      k.authMethods(),
		"revocation_endpoint_auth_methods_supported": k.authMethods(),

		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "EdDSA", "HS256"},
		"authorization_response_iss_parameter_supported":   true,
		"prompt_values_supported":                          []string{"none", "login", "consent", "select_account"},
		"authorization_details_types_supported":            k.DetailTypes,
		"request_parameter_supported":                      k.RequestObjects != "",
		"require_signed_request_object":                    k.RequestObjects == Demanded,
		"request_object_signing_alg_values_supported":      []string{"PS256", "ES256", "EdDSA"},
		"authorization_signing_alg_values_supported":       []string{"RS256"},
		"request_uri_parameter_supported":                  false,
		"frontchannel_logout_supported":                    true,
		"frontchannel_logout_session_supported":            true,
		"backchannel_logout_supported":                     true,
		"backchannel_logout_session_supported":             true,
	}
	if p.mutual != "" {
		m["mtls_endpoint_aliases"] = p.aliases(k, p.mutual)
		m["tls_client_certificate_bound_access_tokens"] = true
	}
	if k.Push != "" {
		m["pushed_authorization_request_endpoint"] = p.base + "/par"
		m["require_pushed_authorization_requests"] = k.Push == Demanded
	}
	if k.DiscoveryPlainPKCE {
		m["code_challenge_methods_supported"] = []string{"plain"}
	}
	for name, without := range map[string]bool{
		"end_session_endpoint":                           k.DiscoveryWithoutEndSession || k.Logout == LogoutCognito || k.Logout == NoLogout,
		"revocation_endpoint":                            k.DiscoveryWithoutRevocation,
		"userinfo_endpoint":                              k.DiscoveryWithoutUserInfo,
		"code_challenge_methods_supported":               k.DiscoveryWithoutPKCE,
		"authorization_response_iss_parameter_supported": k.DiscoveryWithoutIss,
		"authorization_details_types_supported":          k.DetailTypes == nil,
	} {
		if without {
			delete(m, name)
		}
	}
	writeJSON(w, http.StatusOK, m)
}

// authMethods are the names of what authenticate takes.
func (k Knobs) authMethods() []string {
	switch k.TokenAuth {
	case BasicAuth:
		return []string{"client_secret_basic"}
	case PostAuth:
		return []string{"client_secret_post"}
	case "":
		return []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"}
	}
	return []string{string(k.TokenAuth)}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// Only a knob's raw JSON can be at fault.
		http.Error(w, "The answer is no JSON: look at the knobs.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has left, and misses it
}
