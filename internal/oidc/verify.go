package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Verify implements session.Refresher (OpenID Connect Core §12.2). The error wraps
// session.ErrIdentity if the token names another issuer, subject, client or login, or if
// its signature is false under a key that the provider publishes. Any other error means
// that the token cannot be used, now or at all: keys that are not to be had, a time that
// cannot be, a further audience, a moved auth_time.
//
// at_hash is not compared, since the access token is not at hand here. If userinfo is to
// be merged and the endpoint fails, the claims that it gave last stay.
func (c *Client) Verify(ctx context.Context, g *session.Grant, raw session.Token) (*session.Identity, error) {
	if !c.owns(g.Issuer, g.ClientID) {
		return nil, ErrForeign
	}
	m, err := c.provider(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.readIDToken(ctx, m, raw)
	if errors.Is(err, errForged) {
		return nil, fmt.Errorf("%w: ID token: %w", session.ErrIdentity, err)
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: ID token: %w", err)
	}
	if what := t.another(&c.cfg, m, g); what != "" {
		return nil, fmt.Errorf("%w: the %s is another", session.ErrIdentity, what)
	}
	if err := c.checkRefreshed(m, t, g); err != nil {
		return nil, fmt.Errorf("oidc: ID token: %w", err)
	}
	return c.identity(ctx, m, g, t), nil
}

// another names the claim by which the token is somebody else's, "" if it is g's. What is
// missing or malformed is nobody else's; that is checked later.
func (t *idToken) another(cfg *Config, m *metadata, g *session.Grant) string {
	differs := func(name, want string) bool {
		got, there := t.claims[name]
		return there && got != want
	}
	iss, there := t.claims["iss"]
	text, _ := iss.(string)
	issuer, ours := cfg.nameOf(m, text)
	audience, ok := t.claims.list("aud")
	switch {
	case there && (!ours || issuer != g.Issuer):
		return "issuer"
	case differs("sub", g.Subject):
		return "subject"
	case ok && len(audience) > 0 && !slices.Contains(audience, g.ClientID):
		return "audience"
	case differs("azp", g.ClientID):
		return "authorized party"
	case differs("nonce", g.Nonce):
		return "nonce"
	}
	return ""
}

// checkRefreshed makes the checks whose failure only means that the old claims stay.
func (c *Client) checkRefreshed(m *metadata, t *idToken, g *session.Grant) error {
	err := firstOf(
		t.checkIssuer(&c.cfg, m),
		t.checkAudience(c.cfg.ClientID),
		t.checkSubject(),
		t.checkTimes(c.now(), c.cfg.ClockSkew),
	)
	if err != nil {
		return err
	}
	iat, _ := t.claims.time("iat")
	if before, ok := claims(g.Claims).time("iat"); ok && iat.Before(before.Add(-c.cfg.ClockSkew)) {
		return errors.New("it is older than the one that it replaces")
	}
	if seen, ok := t.claims.time("auth_time"); ok && !g.AuthTime.IsZero() && seen.Unix() != g.AuthTime.Unix() {
		return errors.New("auth_time has moved")
	}
	return nil
}

// identity is what replaces the old claims. What the token leaves out of how the user was
// authenticated is as it was at the login.
func (c *Client) identity(ctx context.Context, m *metadata, g *session.Grant, t *idToken) *session.Identity {
	id := &session.Identity{
		IDToken:         t.raw,
		Claims:          t.claims,
		ProviderSession: t.claims.text("sid"),
		AuthTime:        t.authTime(),
		ACR:             t.claims.text("acr"),
	}
	if id.ProviderSession == "" {
		id.ProviderSession = g.ProviderSession
	}
	if id.AuthTime.IsZero() {
		id.AuthTime = g.AuthTime
	}
	if id.ACR == "" {
		id.ACR = g.ACR
	}
	if c.cfg.UserInfo {
		id.Claims = merge(t.claims, c.renewUserInfo(ctx, m, g))
	}
	return id
}
