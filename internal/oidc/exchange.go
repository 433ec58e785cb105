package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Exchange redeems a code and verifies the ID token (RFC 6749 §4.1.3, OpenID Connect Core
// §3.1.3). The error is a *LoginError if the login is refused, a *session.RefreshError if
// the provider could not answer (Transient, Unknown) or refuses the gateway itself
// (Operator). If the userinfo endpoint is to be asked and does not answer, there is no
// login: a session would lack the claims that routes go by, for as long as it lives.
//
// a needs State no more; Params and Demand must be those of the authorization request, since
// acr_values and max_age are checked. If the ID token does not bring them, the *LoginError
// has the code DemandUnmet.
func (c *Client) Exchange(ctx context.Context, code string, a AuthRequest) (*session.Grant, error) {
	d, err := c.asked(a)
	if err != nil {
		return nil, &LoginError{Code: "invalid_request", Err: err}
	}
	m, err := c.provider(ctx)
	if err != nil {
		return nil, notReady(err)
	}
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {c.cfg.RedirectURL},
		"code_verifier": {a.Verifier},
	}
	if len(c.cfg.Resource) > 0 {
		form["resource"] = c.cfg.Resource
	}
	key, _, failed := c.proofKey(a.ProofKey)
	if failed != nil {
		return nil, failed
	}
	got, failed := c.redeem(ctx, m.TokenEndpoint, form, key, session.Target{}, nil)
	if failed != nil {
		return nil, loginFailure(failed, got.answer)
	}
	t, err := c.identify(ctx, m, got, a.Nonce, d)
	if err != nil {
		return nil, err
	}
	return c.grant(ctx, m, t, got, a.Nonce), nil
}

// identify makes sure who has logged in.
func (c *Client) identify(ctx context.Context, m *metadata, got *tokens, nonce string, d asked) (*idToken, error) {
	if got.id == "" {
		return nil, &LoginError{Err: errors.New("the token endpoint's answer has no id_token")}
	}
	t, err := c.readIDToken(ctx, m, got.id)
	if errors.Is(err, errNoKeys) {
		return nil, &session.RefreshError{Class: session.Transient, Err: fmt.Errorf("ID token: %w", err)}
	}
	if err == nil {
		err = c.checkLogin(m, t, got, nonce, d)
	}
	if err == nil {
		t.ends, err = c.ceiling(t)
	}
	if err != nil {
		return nil, &LoginError{Code: unmet(err), Err: fmt.Errorf("ID token: %w", err)}
	}
	if c.cfg.UserInfo {
		return t, c.addUserInfo(ctx, m, t, got.access)
	}
	return t, nil
}

// checkLogin makes all checks of an ID token that begins a session.
func (c *Client) checkLogin(m *metadata, t *idToken, got *tokens, nonce string, d asked) error {
	now, skew := c.now(), c.cfg.ClockSkew
	return firstOf(
		t.checkIssuer(&c.cfg, m),
		t.checkAudience(c.cfg.ClientID),
		t.checkParty(c.cfg.ClientID),
		t.checkSubject(),
		t.checkTimes(now, skew),
		t.checkNonce(nonce),
		t.checkAccessToken(got.access.Token),
		d.check(t.claims.text("acr"), t.authTime(), now, skew),
	)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkNonce ties the ID token to this attempt (§3.1.3.7, 11): without it, a code that was
// stolen elsewhere could be injected here.
func (t *idToken) checkNonce(nonce string) error {
	if nonce == "" || t.claims["nonce"] != nonce {
		return errors.New("nonce is missing or of another login")
	}
	return nil
}

// addUserInfo merges the userinfo endpoint's claims.
func (c *Client) addUserInfo(ctx context.Context, m *metadata, t *idToken, access session.AccessToken) error {
	more, err := c.userInfo(ctx, m, t.claims.text("sub"), access)
	if errors.Is(err, errOtherUser) {
		return &LoginError{Err: err}
	}
	if err != nil {
		return &session.RefreshError{Class: session.Transient, Err: err}
	}
	t.claims = merge(t.claims, more)
	return nil
}

// grant builds what a session keeps.
func (c *Client) grant(ctx context.Context, m *metadata, t *idToken, got *tokens, nonce string) *session.Grant {
	if got.access.Scope == "" {
		got.access.Scope = strings.Join(c.cfg.Scopes, " ")
	}
	if got.refresh == "" && slices.Contains(c.cfg.Scopes, "offline_access") && c.warned.first("offline") {
		c.log.WarnContext(ctx, "the provider gave no refresh token though offline_access was asked for: "+
			"does it allow the scope, and the refresh-token grant for this client and API?", "granted_scope", short(got.access.Scope))
	}
	name, _ := c.cfg.nameOf(m, t.claims.text("iss"))
	issued, _ := t.claims.time("iat")
	return &session.Grant{
		Issuer:          name,
		ClientID:        c.cfg.ClientID,
		Subject:         t.claims.text("sub"),
		ProviderSession: t.claims.text("sid"),
		Nonce:           nonce,
		RefreshToken:    got.refresh,
		ProofKey:        got.access.Key,
		IDToken:         t.raw,
		Claims:          t.claims,
		IssuedAt:        issued,
		AuthTime:        t.authTime(),
		ACR:             t.claims.text("acr"),
		Ceiling:         t.ends,
		Access:          map[session.Target]session.AccessToken{{}: got.access},
	}
}

// loginFailure tells a refused login from a provider that could not answer. A code is
// typed into a URL by whoever likes, so that what the provider says of one is never a
// fault of the set-up, but for what it says of the client.
func loginFailure(failed *session.RefreshError, a *answer) error {
	if a == nil || a.flaw != sound || a.status >= 500 ||
		a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout {
		return failed
	}
	class, known := classOf(failed.Code)
	switch {
	case failed.Code == "" && !a.good(),
		known && class == session.Transient,
		known && class == session.Operator && failed.Code != "invalid_request":
		return failed
	}
	return &LoginError{Code: failed.Code, Err: failed.Err}
}
