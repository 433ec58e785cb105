package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// protocol judges what the discovery document announces, where nothing but it can tell.
func (e *exam) protocol(c *chart, m *metadata) {
	switch {
	case m.ChallengeMethods == nil:
		c.warn("provider.pkce", "the provider does not announce PKCE (code_challenge_methods_supported); the gateway uses S256 all the same",
			"see in the provider's documentation that it checks code_verifier")
	case lacks(m.ChallengeMethods, "S256"):
		c.fail("provider.pkce", fmt.Sprintf("the provider announces PKCE with %s and without S256", quote(strings.Join(m.ChallengeMethods, ", "))), "switch S256 on there; plain protects nothing")
	default:
		c.pass("provider.pkce", "PKCE with S256 is announced, and used in every login")
	}
	if lacks(m.ResponseTypes, "code") {
		c.fail("provider.response_type", fmt.Sprintf("the provider announces the response types %s, and not code", quote(strings.Join(m.ResponseTypes, ", "))), "switch the authorization-code flow on there")
	} else {
		c.pass("provider.response_type", "code")
	}
	e.pushedRequests(c, m)
	e.proofs(c, m)
	e.profile(c, m)
	e.userInfo(c, m)
	e.grantTypes(c, m)
	e.stepUp(c, m)
	e.details(c, m)
}

// proofs compares what the provider takes of proofs with what tokens are to be bound to
// (RFC 9449 §5.1).
func (e *exam) proofs(c *chart, m *metadata) {
	const check = "provider.dpop"
	switch bound := e.Provider.SenderConstrained == oidc.DPoP; {
	case bound && m.DPoPAlgs == nil:
		c.warn(check, "tokens are to be bound to keys, and the provider does not announce DPoP (dpop_signing_alg_values_supported); bearer tokens in their place are refused",
			"switch DPoP on there, or write provider.sender_constrained: none")
	case bound && lacks(m.DPoPAlgs, "ES256"):
		c.fail(check, "the provider takes DPoP proofs with "+quote(strings.Join(m.DPoPAlgs, ", "))+", and not with ES256", "allow ES256 there")
	case bound:
		c.pass(check, "tokens are bound to a key of their session; each upstream has to check the proofs")
	case len(m.DPoPAlgs) > 0:
		c.pass(check, "DPoP is offered and not used: the gateway's tokens are bearer tokens that no browser sees")
	default:
		c.pass(check, "DPoP is not offered, and not used")
	}
}

// grantTypes looks at the grants that routes need beside a login's.
func (e *exam) grantTypes(c *chart, m *metadata) {
	for i, rt := range e.cfg.Routes {
		grant := map[config.Token]string{
			config.ClientToken: "client_credentials", config.UserOrClientToken: "client_credentials",
			config.ExchangedToken: "urn:ietf:params:oauth:grant-type:token-exchange",
		}[rt.Token]
		if grant != "" && lacks(m.GrantTypes, grant) {
			c.warn(fmt.Sprintf("routes[%d].token", i), fmt.Sprintf("token: %s needs the grant %s, which the provider does not announce", rt.Token, grant), "allow it for this client there, or write another token")
		}
	}
}

// stepUp looks at the authentication contexts that routes ask a login for.
func (e *exam) stepUp(c *chart, m *metadata) {
	for i, rt := range e.cfg.Routes {
		for acr := range strings.FieldsSeq(rt.Require.ACR) {
			if lacks(m.ACRValues, acr) {
				c.warn(fmt.Sprintf("routes[%d].require", i), "the provider does not announce the authentication context "+acr+" (acr_values_supported); a step-up to it may never end well", "write one that it announces: "+quote(strings.Join(m.ACRValues, ", ")))
			}
		}
	}
}

// details looks at the authorization details that routes ask for (RFC 9396 §10).
func (e *exam) details(c *chart, m *metadata) {
	for i, rt := range e.cfg.Routes {
		if len(rt.AuthorizationDetails) == 0 {
			continue
		}
		types, err := oidc.DetailTypes("[" + strings.Join(rt.AuthorizationDetails, ",") + "]")
		if err != nil { // which the configuration has refused
			continue
		}
		for _, name := range types {
			if !slices.Contains(m.DetailTypes, name) {
				c.warn(fmt.Sprintf("routes[%d].authorization_details", i), "the provider does not announce authorization details of type "+quote(name)+" (authorization_details_types_supported)",
					"write one that it announces ("+quote(strings.Join(m.DetailTypes, ", "))+"), or allow it there; a token without it is not used")
			}
		}
	}
}

func (e *exam) userInfo(c *chart, m *metadata) {
	if e.cfg.Provider.UserInfo && m.UserInfoEndpoint != "" {
		c.pass("provider.userinfo", "its claims are merged at each login and refresh")
	}
}

// clientAuth compares the configured method with those that are announced. What the
// provider said to the client itself goes before what it announces.
func (e *exam) clientAuth(c *chart, m *metadata, accepted bool) {
	const check = "provider.client_auth"
	method := string(e.cfg.Provider.ClientAuth)
	offered := m.AuthMethods
	if offered == nil {
		offered = []string{"client_secret_basic"} // Discovery §3
	}
	switch {
	case slices.Contains(offered, method):
		c.pass(check, method+" is announced")
	case accepted:
		c.pass(check, method+" is not announced, and taken all the same")
	default:
		c.fail(check, fmt.Sprintf("%s is configured, and the provider announces %s", method, quote(strings.Join(offered, ", "))), "write provider.client_auth: "+nearMethod(offered))
	}
}

// nearMethod is the method to write, of those that are offered.
func nearMethod(offered []string) string {
	for _, method := range []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "client_secret_jwt"} {
		if slices.Contains(offered, method) {
			return method
		}
	}
	return "one of these"
}

// scopes compares what a login asks for with what is announced. refused says that the
// provider has refused the login for its scopes.
func (e *exam) scopes(c *chart, m *metadata, refused bool) {
	const check = "provider.scopes"
	var unknown []string
	for _, s := range e.Provider.Scopes {
		if lacks(m.Scopes, s) {
			unknown = append(unknown, s)
		}
	}
	which := strings.Join(unknown, ", ")
	switch {
	case refused && which != "":
		c.fail(check, "the provider refuses these scopes (invalid_scope); it does not announce "+which, "take "+which+" out of provider.scopes, or allow it for this client there")
	case refused:
		c.fail(check, "the provider refuses these scopes (invalid_scope): "+strings.Join(e.Provider.Scopes, " "), "allow them for this client there, or take them out of provider.scopes")
	case which != "":
		c.warn(check, "the provider does not announce "+which+"; many drop what they do not know without a word", "see that the client has them there, or take them out of provider.scopes")
	default:
		c.pass(check, strings.Join(e.Provider.Scopes, " "))
	}
}
