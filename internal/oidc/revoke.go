package oidc

import (
	"context"
	"fmt"
	"net/url"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Revoke implements session.Refresher (RFC 7009). An unknown or dead token is a success
// (§2.2), and so is a provider without an endpoint or one that does not revoke refresh
// tokens (unsupported_token_type): there is nothing to try again. Every other answer is an
// error; the token may live.
//
// A token of another issuer or client is not presented: the error wraps ErrForeign. It is
// worth keeping until a gateway with that configuration runs again.
func (c *Client) Revoke(ctx context.Context, r session.Revocation) error {
	if !c.owns(r.Issuer, r.ClientID) {
		return ErrForeign
	}
	m, err := c.provider(ctx)
	if err != nil {
		return err
	}
	if m.RevocationEndpoint == "" || r.Token == "" {
		return nil
	}
	ctx, call := c.begin(ctx, "revocation")
	failed := c.revoke(ctx, m, r.Token)
	if failed == nil {
		call.end(nil)
		return nil
	}
	call.end(failed)
	return fmt.Errorf("oidc: revocation: %w", failed)
}

func (c *Client) revoke(ctx context.Context, m *metadata, token session.Token) *session.RefreshError {
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {"refresh_token"}}
	r, failed := c.sendProven(ctx, m.RevocationEndpoint, form, "")
	if failed != nil {
		return failed
	}
	if r.status/100 == 2 {
		return nil // whatever the body says: most providers send none
	}
	a := readAnswer(r)
	switch code := a.code(); {
	case a.status/100 != 4:
	case code == "invalid_token", code == "invalid_grant":
		return nil // it is dead, as it should be
	case code == "unsupported_token_type":
		if c.warned.first(code) {
			c.log.WarnContext(ctx, "the provider does not revoke refresh tokens; they live until they expire", "issuer", c.cfg.Issuer)
		}
		return nil
	}
	failed = a.classify(nil)
	if failed == nil {
		failed = failure(session.Transient, "", "")
	}
	c.explain(failed, a, form)
	return failed
}
