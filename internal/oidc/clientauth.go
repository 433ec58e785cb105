package oidc

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// AuthMethod is how the client authenticates wherever it calls with a form: at the token and
// revocation endpoints.
type AuthMethod string

// The methods of client authentication.
const (
	SecretBasic   AuthMethod = "client_secret_basic" // RFC 6749 §2.3.1, id and secret form-urlencoded first
	SecretPost    AuthMethod = "client_secret_post"
	SecretJWT     AuthMethod = "client_secret_jwt"           // HS256 under the secret (RFC 7523 §2.2, OpenID Connect Core §9)
	PrivateKeyJWT AuthMethod = "private_key_jwt"             // under a key of ours
	MutualTLS     AuthMethod = "tls_client_auth"             // a certificate that a CA made (RFC 8705 §2.1)
	SelfSignedTLS AuthMethod = "self_signed_tls_client_auth" // one that the provider knows (§2.2)
	NoSecret      AuthMethod = "none"
)

// authenticate puts the client's credentials into a request to an address: by one method, never two, and
// never as an empty parameter (RFC 6749 §2.3). Each call makes fresh ones, where a method has
// such: a second attempt must not look like a replay.
func (c *Client) authenticate(address string, header http.Header, form url.Values) error {
	id, secret := c.cfg.ClientID, c.cfg.ClientSecret.Reveal()
	switch c.cfg.ClientAuth {
	case SecretPost:
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	case NoSecret, MutualTLS, SelfSignedTLS: // what proves it is the connection (RFC 8705 §2)
		form.Set("client_id", id)
	case SecretJWT, PrivateKeyJWT:
		proof, err := c.assertion(address)
		if err != nil {
			return err
		}
		form.Set("client_id", id)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", proof)
	default:
		// http.Request.SetBasicAuth would leave out the form encoding of §2.3.1, without
		// which an id with a colon or a secret with a percent sign is another one.
		pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return nil
}

// checkClient finds credentials that are missing, or are too many.
func (c *Config) checkClient() error {
	needsSecret := map[AuthMethod]bool{SecretBasic: true, SecretPost: true, SecretJWT: true}[c.ClientAuth]
	switch c.ClientAuth {
	case SecretBasic, SecretPost, SecretJWT, PrivateKeyJWT, MutualTLS, SelfSignedTLS, NoSecret:
	default:
		return fmt.Errorf("oidc: ClientAuth %q is not known", c.ClientAuth)
	}
	switch {
	case needsSecret && c.ClientSecret.IsZero():
		return fmt.Errorf("oidc: ClientSecret is missing; %s needs it", c.ClientAuth)
	case !needsSecret && !c.ClientSecret.IsZero():
		return fmt.Errorf("oidc: ClientAuth is %s, so there must be no ClientSecret", c.ClientAuth)
	case c.ClientAuth == SecretJWT && len(c.ClientSecret.Reveal()) < minSecret:
		return fmt.Errorf("oidc: ClientSecret has less than %d bytes, which is too short for HS256 (RFC 7518 §3.2)", minSecret)
	case c.ClientAuth == PrivateKeyJWT && c.ClientKeys == nil:
		return fmt.Errorf("oidc: ClientKeys are missing; %s needs them", c.ClientAuth)
	case c.presents() && c.ClientKeys.Certificate() == nil:
		return fmt.Errorf("oidc: ClientKeys have no certificate, which mutual TLS needs")
	}
	return nil
}

// Of assertions.
const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife = time.Minute
	minSecret     = 32 // bytes, for HS256
)
