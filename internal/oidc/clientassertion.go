package oidc

import (
	"crypto/rand"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
)

// assertion is the client's word about itself, signed, for one request (RFC 7523 §3). Its aud
// is the issuer, as one string: what named an endpoint could be meant for an attacker's, in
// whose metadata another provider's endpoints stand (rfc7523bis). Providers that never heard
// of that want an endpoint all the same.
func (c *Client) assertion(endpoint string) (string, error) {
	c.mu.Lock()
	m := c.meta
	c.mu.Unlock()
	if m == nil {
		return "", ErrNotReady
	}
	audience := m.Issuer
	switch c.cfg.Assertion.Audience {
	case ForTokenEndpoint:
		audience = m.plainToken
	case ForEndpoint:
		audience = endpoint
	}
	now := c.now()
	claims := map[string]any{
		"iss": c.cfg.ClientID, "sub": c.cfg.ClientID, "aud": audience,
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(), "jti": rand.Text(),
	}
	header := clientkey.Header{Type: "JWT", Offered: m.profile.offered(m.AuthAlgs)}
	if c.cfg.Assertion.Typed {
		header.Type = "client-authentication+jwt"
	}
	if c.cfg.ClientAuth == SecretJWT {
		return clientkey.SignWithSecret([]byte(c.cfg.ClientSecret.Reveal()), header, claims)
	}
	return c.cfg.ClientKeys.Sign(header, claims)
}
