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
	case "authorization_details":
		return len(c.AuthorizationDetails) > 0
	}
	return false
}

// metadataWait is how long a login waits for a provider that is not known yet.
const metadataWait = 5 * time.Second

// AuthorizationURL is where a login navigates to (RFC 6749 §4.1.1, RFC 7636, OpenID
// Connect Core §3.1.2.1). It waits for the metadata for five seconds at most, or as long as
// ctx allows; without it the error wraps ErrNotReady, and is a *session.RefreshError of class
// Operator if the provider's metadata cannot be used (another issuer, no PKCE with S256).
//
// Where the request is pushed (see Config.PAR), each call is one request to the provider, for
// Config.Timeout at most. The error of one that came to nothing is that of Exchange. Nothing
// goes through the browser in its place: somebody who can keep the gateway from the provider
// would choose then what the browser carries.
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
	m, err := c.providerWithin(ctx, metadataWait)
	if err != nil {
		return "", err
	}
	pushed, err := c.pushes(m)
	if err != nil {
		return "", err
	}
	form := c.authorizationRequest(a, params)
	signs, err := c.signsRequests(m)
	if err == nil && signs {
		form, err = c.requestObject(m, form, pushed)
	}
	if err == nil && pushed {
		form, err = c.push(ctx, m, form, a.Admit)
	}
	if err != nil {
		return "", err
	}
	return withQuery(m.AuthorizationEndpoint, form), nil
}

// providerWithin returns the metadata, if they are known or come within a time.
func (c *Client) providerWithin(ctx context.Context, wait time.Duration) (*metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return c.provider(ctx)
}

// authorizationRequest is a request in full.
func (c *Client) authorizationRequest(a AuthRequest, params map[string]string) url.Values {
	form := url.Values{
		"response_type":         {"code"},
		"client_id":             {c.cfg.ClientID},
		"redirect_uri":          {c.cfg.RedirectURL},
		"scope":                 {strings.Join(c.cfg.Scopes, " ")},
		"state":                 {a.State},
		"nonce":                 {a.Nonce},
		"code_challenge":        {oauth2.S256ChallengeFromVerifier(a.Verifier)},
		"code_challenge_method": {"S256"},
	}
	if c.cfg.ResponseMode != Query { // which is the default of a code
		form.Set("response_mode", string(c.cfg.ResponseMode))
	}
	if c.cfg.Audience != "" {
		form.Set("audience", c.cfg.Audience)
	}
	if all := c.cfg.resources(); len(all) > 0 {
		form["resource"] = all
	}
	if len(c.cfg.AuthorizationDetails) > 0 {
		form.Set("authorization_details", "["+strings.Join(c.cfg.AuthorizationDetails, ",")+"]")
	}
	for name, value := range params {
		form.Set(name, value)
	}
	return form
}

// resources are those that a login names: what its token is for, and what its refresh token
// has to be good for.
func (c *Config) resources() []string {
	all := slices.Clone(c.Resource)
	for _, r := range c.RouteResources {
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
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
	case m.profile == FAPI2:
		return &LoginError{Err: errors.New("the answer has no iss, without which FAPI 2.0 takes none")}
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
