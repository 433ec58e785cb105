package oidc

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
)

// Of request objects.
const (
	requestObjectType = "oauth-authz-req+jwt" // RFC 9101 §4
	requestObjectLife = 5 * time.Minute
)

func (c *Config) checkRequestObjects() error {
	if c.JAR == Always && c.ClientKeys == nil {
		return errors.New("oidc: JAR is always, so there must be ClientKeys, with which requests are signed")
	}
	return c.JAR.check("JAR")
}

// signsRequests reports whether authorization requests are signed.
func (c *Client) signsRequests(m *metadata) (bool, error) {
	switch {
	case c.cfg.JAR == Always:
		return true, nil
	case c.cfg.JAR == Never || !m.NeedsJAR:
		return false, nil
	case c.cfg.ClientKeys == nil:
		return false, misconfigured("the provider takes signed authorization requests only (require_signed_request_object): set provider.client_key_file, and provider.jar: always if the client authenticates with a secret")
	}
	return true, nil
}

// requestObject puts a request into a signed one (RFC 9101 §4), so that a browser, and who
// sits there, can change nothing of it. What is pushed has nothing beside it but the client's
// credentials (RFC 9126 §3). What the browser carries repeats what OpenID Connect Core §6.1
// wants to see outside; the provider goes by what is inside (RFC 9101 §6.3).
func (c *Client) requestObject(m *metadata, form url.Values, pushed bool) (url.Values, error) {
	now := c.now()
	claims := map[string]any{
		"iss": c.cfg.ClientID, "aud": m.Issuer, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(requestObjectLife).Unix(),
	}
	for name, values := range form {
		claims[name] = memberOf(name, values)
	}
	signed, err := c.cfg.ClientKeys.Sign(clientkey.Header{Type: requestObjectType, Offered: m.profile.offered(m.RequestAlgs)}, claims)
	if err != nil {
		return nil, fmt.Errorf("oidc: signing an authorization request: %w", err)
	}
	outside := url.Values{"request": {signed}}
	if !pushed {
		for _, name := range []string{"client_id", "response_type", "scope"} {
			outside[name] = form[name]
		}
	}
	return outside, nil
}

// memberOf is a parameter as a request object has it: JSON as such, numbers as numbers, and
// everything else as text.
func memberOf(name string, values []string) any {
	switch name {
	case "claims", "authorization_details":
		if json.Valid([]byte(values[0])) {
			return json.RawMessage(values[0])
		}
	case "max_age":
		if n, err := strconv.ParseInt(values[0], 10, 64); err == nil {
			return n
		}
	}
	if len(values) > 1 {
		return values
	}
	return values[0]
}
