package oidc

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// withDefaults fills in what the zero value means.
func (c Config) withDefaults() Config {
	if c.ClientAuth == "" {
		c.ClientAuth = SecretBasic
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"openid"}
	}
	if c.Logout == "" {
		c.Logout = logoutAuto
	}
	if c.PAR == "" {
		c.PAR = ByProvider
	}
	if c.JAR == "" {
		c.JAR = ByProvider
	}
	if c.ResponseMode == "" {
		c.ResponseMode = Query
	}
	if c.ExpiryClaim == "" {
		c.ExpiryClaim = "session_expiry"
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.ClockSkew <= 0 {
		c.ClockSkew = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// check finds what would make a client that cannot work or is not safe.
func (c *Config) check() error {
	if c.ClientID == "" {
		return errors.New("oidc: ClientID is missing")
	}
	if err := checkEndpoint("Issuer", c.Issuer); err != nil {
		return err
	}
	if u, err := url.Parse(c.Issuer); err != nil || u.RawQuery != "" || u.ForceQuery {
		return errors.New("oidc: Issuer has a query; an issuer has none (OpenID Connect Discovery §3)")
	}
	if c.RedirectURL == "" {
		return errors.New("oidc: RedirectURL is missing")
	}
	for _, s := range []struct{ name, url string }{
		{"RedirectURL", c.RedirectURL}, {"PostLogoutURL", c.PostLogoutURL},
	} {
		if u, err := url.Parse(s.url); s.url != "" && (err != nil || !u.IsAbs() || u.Host == "") {
			return fmt.Errorf("oidc: %s must be an absolute URL", s.name)
		}
	}
	if !slices.Contains(c.Scopes, "openid") {
		return errors.New("oidc: Scopes lack openid, without which the provider gives no ID token")
	}
	if c.DiscoveryURL != "" {
		if err := checkEndpoint("DiscoveryURL", c.DiscoveryURL); err != nil {
			return err
		}
	}
	if !slices.Contains([]SenderConstraint{NotConstrained, DPoP, CertificateBound}, c.SenderConstrained) {
		return fmt.Errorf("oidc: SenderConstrained %q is not known", c.SenderConstrained)
	}
	return errors.Join(c.Issuers.check(), c.checkClient(), c.checkParams(), c.PAR.check("PAR"), c.checkRequestObjects(), c.ResponseMode.check(), c.checkLogout(), c.Endpoints.check(), c.Profile.check(c))
}

// checkParams keeps extra parameters from taking the place of the gateway's own.
func (c *Config) checkParams() error {
	for _, name := range slices.Sorted(maps.Keys(c.AuthorizeParams)) {
		if c.ownParam(name) {
			return fmt.Errorf("oidc: AuthorizeParams must not hold %q: the gateway sets it", name)
		}
	}
	if _, err := maxAgeOf(c.AuthorizeParams["max_age"]); err != nil {
		return fmt.Errorf("oidc: AuthorizeParams: %w", err)
	}
	for _, r := range slices.Concat(c.Resource, c.RouteResources) {
		if u, err := url.Parse(r); err != nil || !u.IsAbs() || u.Fragment != "" {
			return fmt.Errorf("oidc: Resource %q must be an absolute URI without fragment (RFC 8707 §2)", r)
		}
	}
	return c.checkDetails()
}

func (e Endpoints) check() error {
	for _, s := range []struct{ name, url string }{
		{"authorization", e.Authorization},
		{"token", e.Token},
		{"jwks", e.JWKS},
		{"revocation", e.Revocation},
		{"end_session", e.EndSession},
		{"userinfo", e.UserInfo},
		{"pushed_authorization_request", e.PushedAuthorizationRequest},
	} {
		if s.url == "" {
			continue
		}
		if err := checkEndpoint(s.name, s.url); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint lets through what credentials may travel to: https, or http within this
// machine (OAuth 2.1 §1.5).
func checkEndpoint(name, address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return fmt.Errorf("oidc: %s is missing", name)
	case err != nil || u.Host == "":
		return fmt.Errorf("oidc: %s is no absolute URL", name)
	case u.User != nil:
		return fmt.Errorf("oidc: %s must not hold a user name or password", name)
	case u.Fragment != "":
		return fmt.Errorf("oidc: %s must not have a fragment", name)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Errorf("oidc: %s %q must use https; http is for loopback only", name, address)
	}
	return nil
}

// isLoopback reports whether a host is this machine by its name (RFC 6761 §6.3) or address.
func isLoopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
