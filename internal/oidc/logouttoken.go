package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Logout is what a logout token says. Subject or ProviderSession or both are there; with
// ProviderSession it concerns that session at the provider alone.
type Logout struct {
	Issuer          string // as the grants of this client name it
	Subject         string // sub, empty if the token has none
	ProviderSession string // sid, empty if the token has none

	// ID is the token's jti: another token with the same one is the same.
	ID string
	// IssuedAt is when the user was signed out, in whole seconds of the provider's clock.
	IssuedAt time.Time
	// Until is when the token is refused at the latest.
	Until time.Time
}

// ErrLogoutToken says that a text is no logout token for this client, or not one any more.
// It comes wrapped, with the reason, which holds nothing secret.
var ErrLogoutToken = errors.New("oidc: bad logout token")

const (
	// longestLogoutToken bounds a logout token, in bytes. Real ones have about one thousand.
	longestLogoutToken = 16 << 10
	// oldestLogout is how old a logout token may be, whatever its exp says. Providers let
	// them live for two minutes (OpenID Connect Back-Channel Logout 1.0 §4).
	oldestLogout = 10 * time.Minute
	// logoutEvent is the member of events that makes a token a logout token (§2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// VerifyLogoutToken checks a logout token that anybody may have sent (OpenID Connect
// Back-Channel Logout 1.0 §2.6, with errata 1). Whether it came before is left to the
// caller. The error wraps [ErrLogoutToken] if the token is no good; it is a
// *session.RefreshError if the provider's metadata or keys are not to be had, so that
// nobody can tell.
func (c *Client) VerifyLogoutToken(ctx context.Context, raw string) (*Logout, error) {
	if len(raw) > longestLogoutToken {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrLogoutToken, longestLogoutToken)
	}
	m, err := c.provider(ctx)
	if err != nil {
		return nil, notReady(err)
	}
	signed := &signature{keys: c.keys, address: m.JWKSURI, from: fromAnybody, algs: m.algorithms()}
	payload, err := signed.VerifySignature(ctx, raw)
	if errors.Is(err, errNoKeys) {
		return nil, &session.RefreshError{Class: session.Transient, Err: fmt.Errorf("logout token: %w", err)}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrLogoutToken, maskTokens(err.Error()))
	}
	l, err := c.readLogout(m, signed.typ, payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLogoutToken, err)
	}
	return l, nil
}

// readLogout judges a token whose signature is good.
func (c *Client) readLogout(m *metadata, typ string, payload []byte) (*Logout, error) {
	t, err := readClaims(payload)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	now, skew := c.now(), c.cfg.ClockSkew
	err = firstOf(
		logoutType(typ),
		t.checkLogoutIssuer(&c.cfg, m),
		t.checkAudience(c.cfg.ClientID),
		t.checkTimes(now, skew),
		t.checkEvents(),
		t.checkWho(),
	)
	if err != nil {
		return nil, err
	}
	issued, _ := t.time("iat")
	if issued.Before(now.Add(-oldestLogout - skew)) {
		return nil, fmt.Errorf("it was issued %s ago; is a clock wrong?", now.Sub(issued).Round(time.Second))
	}
	until, _ := t.time("exp")
	if end := issued.Add(oldestLogout); end.Before(until) {
		until = end
	}
	name, _ := c.cfg.nameOf(m, t.text("iss"))
	return &Logout{
		Issuer: name, Subject: t.text("sub"), ProviderSession: t.text("sid"),
		ID: t.text("jti"), IssuedAt: issued, Until: until.Add(skew),
	}, nil
}

// logoutType refuses other kinds of tokens that the provider signs with the same keys, by
// the type that they name themselves (§4.1). Many providers write JWT, or nothing.
func logoutType(typ string) error {
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt", "logout+jwt":
		return nil
	}
	return fmt.Errorf("it is a token of type %q", short(typ))
}

// checkLogoutIssuer compares iss to the letter, and with tid only if that is there: the
// claim tid is what ID tokens have.
func (c claims) checkLogoutIssuer(cfg *Config, m *metadata) error {
	iss := c.text("iss")
	if _, ours := cfg.nameOf(m, iss); !ours {
		return fmt.Errorf("iss is %q, not %q", short(iss), m.Issuer)
	}
	if _, there := c["tid"]; there {
		return c.checkIssuer(cfg, m)
	}
	return nil
}

// checkEvents keeps ID tokens from being taken for logout tokens (§2.6, 6 and 7): a logout
// token has the event and no nonce.
func (c claims) checkEvents() error {
	if _, there := c["nonce"]; there {
		return errors.New("it has a nonce, like an ID token")
	}
	events, ok := c["events"].(map[string]any)
	if !ok {
		return errors.New("events is missing or no object")
	}
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return fmt.Errorf("events has no member %s that is an object", logoutEvent)
	}
	return nil
}

// checkWho demands sub or sid or both (§2.4), and jti. One that is there and empty is not
// taken for one that is missing: without its sid a token would end all of a user's
// sessions.
func (c claims) checkWho() error {
	if c.text("jti") == "" {
		return errors.New("jti is missing or no string")
	}
	_, sub := c["sub"]
	_, sid := c["sid"]
	switch {
	case !sub && !sid:
		return errors.New("sub and sid are both missing")
	case sid && c.text("sid") == "":
		return errors.New("sid is empty or no string")
	case sub:
		return c.checkSubject()
	}
	return nil
}
