package oidc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// ownParam reports whether an authorization parameter is the gateway's own, so that
// neither the configuration's extra parameters nor a login's may set it.
func (c *Config) ownParam(name string) bool {
	switch name {
	case "response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "request", "request_uri", "dpop_jkt":
		return true
	case "audience":
		return c.Audience != ""
	case "resource":
		return len(c.Resource) > 0
	}
	return false
}

// AuthorizationURL is where a login navigates to (RFC 6749 §4.1.1, RFC 7636, OpenID
// Connect Core §3.1.2.1). It waits for the metadata as long as ctx allows; without it the
// error wraps ErrNotReady, and is a *session.RefreshError of class Operator if the
// provider's metadata cannot be used (another issuer, no PKCE with S256).
//
// A request's Params win over the configured AuthorizeParams, but for acr_values and
// max_age, which Exchange checks: there the operator's acr_values stand, and the smaller
// max_age. Its Demand wins over both, as far as it is stricter. A parameter of the gateway's
// own in Params is a *LoginError.
func (c *Client) AuthorizationURL(ctx context.Context, a AuthRequest) (string, error) {
	params, err := c.loginParams(a)
	if err != nil {
		return "", &LoginError{Code: "invalid_request", Err: err}
	}
	m, err := c.provider(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", a.Nonce),
		oauth2.S256ChallengeOption(a.Verifier),
	}
	if c.cfg.Audience != "" {
		options = append(options, oauth2.SetAuthURLParam("audience", c.cfg.Audience))
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		options = append(options, oauth2.SetAuthURLParam(name, params[name]))
	}
	request := oauth2.Config{
		ClientID:    c.cfg.ClientID,
		RedirectURL: c.cfg.RedirectURL,
		Scopes:      c.cfg.Scopes,
		Endpoint:    oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, AuthStyle: oauth2.AuthStyleInHeader},
	}
	target := request.AuthCodeURL(a.State, options...)
	if len(c.cfg.Resource) > 0 { // x/oauth2 knows no parameter that comes twice
		target += "&" + url.Values{"resource": c.cfg.Resource}.Encode()
	}
	return target, nil
}

// loginParams are the parameters of one login beyond the gateway's own.
func (c *Client) loginParams(a AuthRequest) (map[string]string, error) {
	if a.State == "" || a.Nonce == "" || a.Verifier == "" {
		return nil, errors.New("an authorization request needs state, nonce and verifier")
	}
	params := maps.Clone(c.cfg.AuthorizeParams)
	if params == nil {
		params = make(map[string]string)
	}
	for name, values := range a.Params {
		switch {
		case c.cfg.ownParam(name):
			return nil, fmt.Errorf("login parameter %q is the gateway's own", short(name))
		case len(values) != 1:
			return nil, fmt.Errorf("login parameter %q must come once", short(name))
		case values[0] != "":
			params[name] = values[0]
		}
	}
	d, err := c.asked(a)
	if err != nil {
		return nil, err
	}
	if d.claims != "" {
		params["claims"] = d.claims
	}
	if jkt, err := c.thumbprint(a.ProofKey); err != nil {
		return nil, err
	} else if jkt != "" {
		params["dpop_jkt"] = jkt
	}
	if len(d.acr) > 0 {
		params["acr_values"] = strings.Join(d.acr, " ")
	}
	if d.limited {
		params["max_age"] = strconv.FormatInt(int64(d.maxAge/time.Second), 10)
	}
	return params, nil
}

// CheckIssuer judges the iss parameter of an authorization response, good or bad
// (RFC 9207 §2.4). present says whether there was one. The error is a *LoginError, or
// wraps ErrNotReady if it takes the provider's metadata to tell and they are not known.
func (c *Client) CheckIssuer(ctx context.Context, iss string, present bool) error {
	if present && !c.cfg.Issuers.AnySlash {
		return c.checkAnswer(fromConfig(c.cfg), iss)
	}
	m, err := c.provider(ctx)
	switch {
	case err != nil:
		return err
	case present:
		return c.checkAnswer(m, iss)
	case m.IssInResponse:
		return &LoginError{Err: errors.New("the answer has no iss, though the provider announces one")}
	}
	return nil
}

// checkAnswer compares the iss of an answer. A mix-up sends us another provider's code, to
// have us redeem it here or ours there. Simple string comparison, RFC 3986 §6.2.1.
func (c *Client) checkAnswer(m *metadata, iss string) error {
	if _, ours := c.cfg.nameOf(m, iss); !ours {
		return &LoginError{Err: fmt.Errorf("the answer's iss is %q, not %q", short(iss), c.cfg.Issuer)}
	}
	return nil
}
