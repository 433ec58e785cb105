package oidc

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// tokens are what came of presenting a grant. After a failure only the refresh token may
// be there.
type tokens struct {
	access  session.AccessToken
	refresh session.Token
	id      session.Token
	answer  *answer // nil if none came
}

// redeem presents a grant, a code or a refresh token, once (RFC 6749 §4.1.3, §6), and proves
// that the client holds the key that the tokens are to be bound to, unless that is empty. The
// failure is nil, or complete: whoever gets it needs to add nothing. special are the
// error codes that mean something else here.
func (c *Client) redeem(ctx context.Context, address string, form url.Values, key session.Token, t session.Target, special map[string]session.Class) (*tokens, *session.RefreshError) {
	ctx, call := c.begin(ctx, "token")
	got, failed := c.present(ctx, address, form, key, t, special)
	if failed != nil {
		call.end(failed)
		return got, failed
	}
	call.end(nil)
	got.access.Issued = call.began
	got.access.Expiry = expiry(got.answer, call.began)
	c.remark(ctx, got.answer, got.access)
	return got, nil
}

func (c *Client) present(ctx context.Context, address string, form url.Values, key session.Token, t session.Target, special map[string]session.Class) (*tokens, *session.RefreshError) {
	r, failed := c.sendProven(ctx, address, form, key)
	if failed != nil {
		return &tokens{}, failed
	}
	a := readAnswer(r)
	a.bound = key != ""
	got := &tokens{answer: a}
	if a.good() {
		got.refresh = session.Token(a.text("refresh_token"))
	}
	failed = a.classify(special)
	if failed == nil {
		failed = a.elsewhere(t)
	}
	if failed == nil {
		failed = a.ungranted(t)
	}
	if failed != nil {
		if _, known := classOf(failed.Code); !known && failed.Code != "" && c.warned.first("code "+failed.Code) {
			c.log.WarnContext(ctx, "the provider's token endpoint answers with an unknown error code", "code", c.cleanText(failed.Code, form, a))
		}
		c.explain(failed, a, form)
		return got, failed
	}
	got.id = session.Token(a.text("id_token"))
	got.access = session.AccessToken{
		Token: session.Token(a.text("access_token")),
		Type:  a.text("token_type"),
		Scope: a.text("scope"),
		Key:   key,
	}
	if got.access.Type == "" {
		got.access.Type = "Bearer"
	}
	return got, nil
}

// remark says once what an operator should know of a provider's lifetimes.
func (c *Client) remark(ctx context.Context, a *answer, t session.AccessToken) {
	life, told := lifetime(a.members["expires_in"])
	switch {
	case told && life <= 0:
		if c.warned.first("clock") {
			c.log.WarnContext(ctx, "the provider gives access tokens that have expired already: compare its clock with this machine's", "expires_in", short(string(a.members["expires_in"])))
		}
	case !told && t.Expiry.IsZero():
		if c.warned.first("endless") {
			c.log.WarnContext(ctx, "the provider does not say how long its access tokens live; they are refreshed when an API refuses them")
		}
	}
	for _, name := range []string{"refresh_expires_in", "refresh_token_expires_in"} {
		c.remarkRefreshToken(ctx, name, a)
	}
}

// remarkRefreshToken says once that the provider's refresh tokens die before an unused
// session does. It is information: the time may be one that each refresh renews, so that it
// ends nothing here. Zero is how Keycloak says that there is no end.
func (c *Client) remarkRefreshToken(ctx context.Context, name string, a *answer) {
	life, told := lifetime(a.members[name])
	if told && life > 0 && life < c.cfg.IdleTimeout && a.has("refresh_token") && c.warned.first(name) {
		c.log.WarnContext(ctx, "the provider's refresh tokens live for less than session.idle_timeout: a session that nobody uses for that long cannot be refreshed any more",
			"member", name, "lifetime", life.String(), "idle_timeout", c.cfg.IdleTimeout.String())
	}
}

// Refresh implements session.Refresher. It presents the grant's refresh token once. The
// scope is sent only if t asks for one or the configuration says so, the audience only if t
// has one. The resource is that of t or, if it asks for no API at all, that of the login.
//
// A grant of another issuer or client is not presented: the error's class is Operator and
// it wraps ErrForeign.
func (c *Client) Refresh(ctx context.Context, g *session.Grant, t session.Target) (*session.Renewal, error) {
	if !c.owns(g.Issuer, g.ClientID) {
		return nil, &session.RefreshError{Class: session.Operator, Err: ErrForeign}
	}
	m, err := c.provider(ctx)
	if err != nil {
		return nil, notReady(err)
	}
	key, fresh, failed := c.proofKey(g.ProofKey)
	if failed != nil {
		return nil, failed
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken.Reveal()}}
	for name, value := range map[string]string{"scope": c.refreshScope(t), "audience": t.Audience, "resource": t.Resource, "authorization_details": t.Details} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if t.Audience == "" && t.Resource == "" && len(c.cfg.Resource) > 0 {
		form["resource"] = c.cfg.Resource
	}
	got, failed := c.redeem(ctx, m.TokenEndpoint, form, key, t, c.cfg.RefreshErrors)
	if failed != nil {
		c.askForDetails(g, failed)
		if got.refresh == "" {
			return nil, failed
		}
		return &session.Renewal{RefreshToken: got.refresh, ProofKey: fresh}, failed
	}
	if got.access.Scope == "" { // as asked for
		got.access.Scope = c.askedScope(g, t)
	}
	return &session.Renewal{Access: got.access, RefreshToken: got.refresh, IDToken: got.id, ProofKey: fresh}, nil
}

// refreshScope is the scope that a refresh names. RFC 6749 §6 lets it be left out, but some
// providers then leave something else out, or know what a route asks for no more.
func (c *Client) refreshScope(t session.Target) string {
	var named []string
	switch {
	case t.Scope != "":
		named = strings.Fields(t.Scope)
	case c.cfg.ScopeOnRefresh:
		named = slices.Clone(c.cfg.Scopes)
	default:
		return ""
	}
	for _, s := range c.cfg.RefreshScopes {
		if !slices.Contains(named, s) && slices.Contains(c.cfg.Scopes, s) {
			named = append(named, s)
		}
	}
	return strings.Join(named, " ")
}

// askedScope is the scope of a token whose answer does not say (RFC 6749 §5.1, §6).
func (c *Client) askedScope(g *session.Grant, t session.Target) string {
	if t.Scope != "" {
		return t.Scope
	}
	if last := g.Access[t].Scope; last != "" {
		return last
	}
	return strings.Join(c.cfg.Scopes, " ")
}
