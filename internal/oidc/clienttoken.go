package oidc

import (
	"context"
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// ClientToken implements session.TokenIssuer: a token of the gateway's own (client
// credentials, RFC 6749 §4.4). Where t names neither audience nor resource, those of the
// configuration are asked for, as at a login; the scopes of a login are not, since they
// are about a user. The failure is a *session.RefreshError.
func (c *Client) ClientToken(ctx context.Context, t session.Target) (session.AccessToken, error) {
	resource := c.cfg.Resource
	switch {
	case t.Resource != "":
		resource = []string{t.Resource}
	case t.Audience != "":
		resource = nil
	default:
		t.Audience = c.cfg.Audience
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(resource) > 0 {
		form["resource"] = resource
	}
	if len(resource) == 1 {
		t.Resource = resource[0]
	}
	got, failed := c.issue(ctx, form, t, c.proofs.own)
	if failed != nil {
		return session.AccessToken{}, failed
	}
	return got.access, nil
}

// issue asks for a token for t by a grant that uses nothing up. The form may hold the
// resource already.
func (c *Client) issue(ctx context.Context, form url.Values, t session.Target, key session.Token) (*tokens, *session.RefreshError) {
	m, err := c.provider(ctx)
	if err != nil {
		return nil, notReady(err)
	}
	for name, value := range map[string]string{"scope": t.Scope, "audience": t.Audience, "resource": t.Resource, "authorization_details": t.Details} {
		if value != "" && !form.Has(name) {
			form.Set(name, value)
		}
	}
	got, failed := c.redeem(ctx, m.TokenEndpoint, form, key, t, nil)
	if failed == nil && got.access.Scope == "" {
		got.access.Scope = strings.Join(strings.Fields(t.Scope), " ") // as asked for (RFC 6749 §5.1)
	}
	return got, failed
}

var _ session.TokenIssuer = (*Client)(nil)
