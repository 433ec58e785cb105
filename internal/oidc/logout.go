package oidc

import (
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// The strategies of Config.Logout.
const (
	logoutAuto  = "auto"  // the provider's end_session_endpoint, if it has one
	logoutOIDC  = "oidc"  // the same, by name
	logoutLocal = "local" // the provider is not asked
)

// longestURL is what browsers, proxies and servers carry without complaint. An ID token
// with many groups goes beyond it.
const longestURL = 8000

// LogoutURL is where a logout navigates to at the provider (OpenID Connect RP-Initiated
// Logout 1.0 §2). It makes no call. It is empty if the provider is not to be asked: the
// strategy is local, or the metadata is unknown or has no end_session_endpoint.
//
// g may be nil, or of another issuer or client: then there is no hint, and the provider
// may ask the user. If the hint makes the URL longer than 8,000 bytes, the provider's
// session id takes its place as logout_hint.
func (c *Client) LogoutURL(g *session.Grant, state string) string {
	c.mu.Lock()
	m := c.meta
	c.mu.Unlock()
	endpoint := c.cfg.Endpoints.EndSession
	if m != nil {
		endpoint = m.EndSessionEndpoint
	}
	if endpoint == "" || c.cfg.Logout == logoutLocal {
		return ""
	}
	params := url.Values{"client_id": {c.cfg.ClientID}}
	if c.cfg.PostLogoutURL != "" {
		params.Set("post_logout_redirect_uri", c.cfg.PostLogoutURL)
		if state != "" {
			params.Set("state", state)
		}
	}
	if g == nil || c.cfg.NoIDTokenHint || !c.owns(g.Issuer, g.ClientID) {
		return withQuery(endpoint, params)
	}
	if g.IDToken != "" {
		params.Set("id_token_hint", g.IDToken.Reveal())
		if target := withQuery(endpoint, params); len(target) <= longestURL {
			return target
		}
		params.Del("id_token_hint")
	}
	if g.ProviderSession != "" {
		params.Set("logout_hint", g.ProviderSession)
	}
	return withQuery(endpoint, params)
}

// withQuery appends parameters to an endpoint that may have some (RFC 6749 §3.1).
func withQuery(endpoint string, params url.Values) string {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + params.Encode()
}
