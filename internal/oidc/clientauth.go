package oidc

import (
	"encoding/base64"
	"net/http"
	"net/url"
)

// authenticate puts the client's credentials into a request: by one method, never two, and
// never as an empty parameter (RFC 6749 §2.3).
func (c *Client) authenticate(header http.Header, form url.Values) {
	id, secret := c.cfg.ClientID, c.cfg.ClientSecret.Reveal()
	switch c.cfg.ClientAuth {
	case SecretPost:
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	case NoSecret:
		form.Set("client_id", id)
	default:
		// http.Request.SetBasicAuth would leave out the form encoding of §2.3.1, without
		// which an id with a colon or a secret with a percent sign is another one.
		pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
}
