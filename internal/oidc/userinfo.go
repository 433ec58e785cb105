package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"

	"github.com/cloakroom-bff/cloakroom/internal/dpop"
	"github.com/cloakroom-bff/cloakroom/session"
)

// errOtherUser says that the userinfo endpoint speaks of somebody else.
var errOtherUser = errors.New("userinfo: sub is not the ID token's")

// userInfo asks the userinfo endpoint (OpenID Connect Core §5.3), with the token in the
// header and no redirect. Its answer is believed only if sub is the ID token's: an access
// token may have been swapped (§5.3.2). A signed answer is verified.
func (c *Client) userInfo(ctx context.Context, m *metadata, sub string, access session.AccessToken) (_ claims, err error) {
	ctx, call := c.begin(ctx, "userinfo")
	defer func() { call.end(err) }()
	bounded, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	r, err := c.askUserInfo(bounded, m.UserInfoEndpoint, access)
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	body := r.body
	if kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type")); kind == "application/jwt" {
		if body, err = c.verifyUserInfo(ctx, m, body); err != nil {
			return nil, err
		}
	}
	all, err := readClaims(body)
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if all.text("sub") != sub {
		return nil, errOtherUser
	}
	return all, nil
}

// askUserInfo gets the answer, whole. A server that wants its nonce in the proof for a bound
// token is asked once more (RFC 9449 §9).
func (c *Client) askUserInfo(ctx context.Context, address string, access session.AccessToken) (*reply, error) {
	r, err := c.getUserInfo(ctx, address, access, "")
	if err != nil {
		return nil, err
	}
	nonce := dpop.NonceOf(r.header)
	if r.status == http.StatusUnauthorized && access.Key != "" && nonce != "" {
		if r, err = c.getUserInfo(ctx, address, access, nonce); err != nil {
			return nil, err
		}
		nonce = cmp.Or(dpop.NonceOf(r.header), nonce)
	}
	c.proofs.resources.Keep(originOf(address), nonce)
	if r.status != http.StatusOK {
		return nil, &statusError{r.status}
	}
	return r, r.cut
}

func (c *Client) getUserInfo(ctx context.Context, address string, access session.AccessToken, nonce string) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+access.Token.Reveal())
	req.Header.Set("Accept", "application/json")
	if access.Key != "" {
		req.Header.Set("Authorization", "DPoP "+access.Token.Reveal())
		if err := c.prove(req, &proof{access.Key, nonce}, &c.proofs.resources, access.Token); err != nil {
			return nil, err
		}
	}
	resp, err := c.closed.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	r.body, r.cut = readBody(resp.Body)
	return r, nil
}

// verifyUserInfo checks a signed answer (§5.3.2): iss and aud, which it should have, are
// ours if they are there.
func (c *Client) verifyUserInfo(ctx context.Context, m *metadata, body []byte) ([]byte, error) {
	signed := &signature{keys: c.keys, address: m.JWKSURI, algs: m.algorithms()}
	payload, err := signed.VerifySignature(ctx, string(body))
	if err != nil {
		return nil, fmt.Errorf("userinfo: %s", maskTokens(err.Error()))
	}
	all, err := readClaims(payload)
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if _, there := all["iss"]; there {
		err = all.checkIssuer(&c.cfg, m)
	}
	if _, there := all["aud"]; there && err == nil {
		err = all.checkAudience(c.cfg.ClientID)
	}
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	return payload, nil
}

// renewUserInfo returns the userinfo claims for a refreshed session: fresh ones, or those
// that the session has if the endpoint fails. It never fails itself.
func (c *Client) renewUserInfo(ctx context.Context, m *metadata, g *session.Grant) claims {
	at := g.Access[session.Target{}]
	err := errors.New("userinfo: there is no access token that holds")
	if at.Holds(c.now()) {
		var fresh claims
		if fresh, err = c.userInfo(ctx, m, g.Subject, at); err == nil {
			return fresh
		}
	}
	c.log.WarnContext(ctx, "userinfo could not be refreshed; its old claims stay", "err", err)
	return lastUserInfo(g)
}

// lastUserInfo are the claims of a grant that its ID token does not have. A claim that was
// the ID token's is left out: if the new one lacks it, it is gone.
func lastUserInfo(g *session.Grant) claims {
	signed := jwtClaims(g.IDToken.Reveal())
	kept := maps.Clone(claims(g.Claims))
	maps.DeleteFunc(kept, func(name string, _ any) bool {
		_, there := signed[name]
		return there
	})
	return kept
}

// merge adds what the ID token does not say. What it says stands: it is signed. Claims
// about the ID token itself can come from nowhere else.
func merge(signed, more claims) claims {
	all := maps.Clone(more)
	if all == nil {
		return signed
	}
	for _, name := range []string{
		"iss", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "acr", "amr", "sid", "at_hash", "c_hash", "events",
	} {
		delete(all, name)
	}
	maps.Copy(all, signed)
	return all
}
