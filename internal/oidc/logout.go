package oidc

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// The strategies of Config.Logout.
const (
	logoutAuto    = "auto"     // the provider's end_session_endpoint, if it has one
	logoutOIDC    = "oidc"     // the same, by name
	logoutAuth0   = "auth0_v2" // Auth0's own, from before it had one
	logoutCognito = "cognito"  // Cognito's own
	logoutLocal   = "local"    // the provider is not asked
)

// longestURL is what browsers, proxies and servers carry without complaint. An ID token
// with many groups goes beyond it.
const longestURL = 8000

// LogoutURL is where a logout navigates to at the provider (OpenID Connect RP-Initiated
// Logout 1.0 §2). It makes no call. It is empty if the provider is not to be asked: the
// strategy is local, or it needs an endpoint that is not known.
//
// g may be nil, or of another issuer or client: then there is no hint, and the provider
// may ask the user. If the hint makes the URL longer than 8,000 bytes, the provider's
// session id takes its place as logout_hint.
func (c *Client) LogoutURL(g *session.Grant, state string) string {
	c.mu.Lock()
	m := c.meta
	c.mu.Unlock()
	if m == nil {
		m = fromConfig(c.cfg)
	}
	if g == nil || !c.Owns(g) {
		g = &session.Grant{}
	}
	strategy := c.cfg.Logout
	if strategy == logoutAuto && m.EndSessionEndpoint == "" {
		strategy = c.cfg.LogoutFallback
	}
	switch strategy {
	case logoutAuto, logoutOIDC:
		return c.endSessionURL(m, g, state)
	case logoutAuth0:
		return c.auth0LogoutURL()
	case logoutCognito:
		return c.cognitoLogoutURL(m)
	case "", logoutLocal:
		return ""
	}
	return c.templateURL(strategy, g)
}

// endSessionURL is the standard's.
func (c *Client) endSessionURL(m *metadata, g *session.Grant, state string) string {
	if m.EndSessionEndpoint == "" {
		return ""
	}
	params := url.Values{"client_id": {c.cfg.ClientID}}
	if c.cfg.PostLogoutURL != "" {
		params.Set("post_logout_redirect_uri", c.cfg.PostLogoutURL)
		if state != "" {
			params.Set("state", state)
		}
	}
	if hint := c.logoutHint(g); hint != "" {
		params.Set("logout_hint", hint)
	}
	if g.IDToken == "" || c.cfg.NoIDTokenHint {
		return withQuery(m.EndSessionEndpoint, params)
	}
	params.Set("id_token_hint", g.IDToken.Reveal())
	if target := withQuery(m.EndSessionEndpoint, params); len(target) <= longestURL {
		return target
	}
	params.Del("id_token_hint")
	if !params.Has("logout_hint") && g.ProviderSession != "" {
		params.Set("logout_hint", g.ProviderSession)
	}
	return withQuery(m.EndSessionEndpoint, params)
}

// logoutHint is the claim that the configuration names. An ended session has forgotten its
// claims, but not the ID token that they came in.
func (c *Client) logoutHint(g *session.Grant) string {
	switch c.cfg.LogoutHint {
	case "":
		return ""
	case "sid":
		return g.ProviderSession
	}
	return jwtClaims(g.IDToken.Reveal()).text(c.cfg.LogoutHint)
}

// auth0LogoutURL needs nothing but the issuer, so that a logout works while discovery is
// down. Without returnTo the user lands wherever the tenant has listed first.
func (c *Client) auth0LogoutURL() string {
	params := url.Values{"client_id": {c.cfg.ClientID}}
	if c.cfg.PostLogoutURL != "" {
		params.Set("returnTo", c.cfg.PostLogoutURL)
	}
	endpoint := c.cfg.Endpoints.EndSession
	if endpoint == "" {
		endpoint = strings.TrimSuffix(c.cfg.Issuer, "/") + "/v2/logout"
	}
	return withQuery(endpoint, params)
}

// cognitoLogoutURL is on the host of the login pages, which is not the issuer's. What the
// metadata say of an end-session endpoint is not what that understands.
func (c *Client) cognitoLogoutURL(m *metadata) string {
	endpoint := c.cfg.Endpoints.EndSession
	if endpoint == "" {
		u, err := url.Parse(m.AuthorizationEndpoint)
		if err != nil || u.Host == "" {
			return ""
		}
		endpoint = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/logout"}).String()
	}
	params := url.Values{"client_id": {c.cfg.ClientID}}
	if c.cfg.PostLogoutURL != "" {
		params.Set("logout_uri", c.cfg.PostLogoutURL)
	}
	return withQuery(endpoint, params)
}

// placeholders are what the query of a template may hold.
var placeholders = [...]string{"{return_url}", "{client_id}", "{id_token}", "{sid}"}

// templateURL fills a template in. What is not known, or not to be told, is empty.
func (c *Client) templateURL(template string, g *session.Grant) string {
	fill := func(idToken session.Token) string {
		values := [...]string{c.cfg.PostLogoutURL, c.cfg.ClientID, idToken.Reveal(), g.ProviderSession}
		var pairs []string
		for i, name := range placeholders {
			pairs = append(pairs, name, url.QueryEscape(values[i]))
		}
		return strings.NewReplacer(pairs...).Replace(template)
	}
	if c.cfg.NoIDTokenHint {
		return fill("")
	}
	if target := fill(g.IDToken); len(target) <= longestURL {
		return target
	}
	return fill("")
}

// checkLogout refuses strategies that nobody here follows.
func (c *Config) checkLogout() error {
	for _, s := range []struct{ name, strategy string }{{"Logout", c.Logout}, {"LogoutFallback", c.LogoutFallback}} {
		words := []string{"", logoutAuto, logoutOIDC, logoutAuth0, logoutCognito, logoutLocal}
		switch {
		case slices.Contains(words, s.strategy):
		case strings.Contains(s.strategy, "://"):
			if err := checkTemplate(s.name, s.strategy); err != nil {
				return err
			}
		default:
			return fmt.Errorf("oidc: %s %q is not known; use one of %q, or a URL template", s.name, s.strategy, words[1:])
		}
	}
	return nil
}

// checkTemplate lets placeholders stand in the query only: anywhere else, what fills them
// could make another host or path of the address.
func checkTemplate(name, template string) error {
	address, query, _ := strings.Cut(template, "?")
	for _, p := range placeholders {
		query = strings.ReplaceAll(query, p, "")
	}
	if strings.ContainsAny(address+query, "{}") {
		return fmt.Errorf("oidc: %s: a template may hold %q, and those in its query only", name, placeholders)
	}
	return checkEndpoint(name, address+"?"+query)
}

// withQuery appends parameters to an endpoint that may have some (RFC 6749 §3.1).
func withQuery(endpoint string, params url.Values) string {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + params.Encode()
}
