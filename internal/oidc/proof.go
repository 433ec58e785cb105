package oidc

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/dpop"
	"github.com/cloakroom-bff/cloakroom/session"
)

// SenderConstraint is what keeps a stolen token from being used by the thief.
type SenderConstraint string

// The ways to bind tokens to their client.
const (
	NotConstrained SenderConstraint = ""     // bearer tokens: who has one may use it
	DPoP           SenderConstraint = "dpop" // a key for each session, and a proof with each request (RFC 9449)

	// CertificateBound tokens are asked for and used on connections that present the client's
	// certificate, however it authenticates (RFC 8705 §3).
	CertificateBound SenderConstraint = "mtls"
)

// proofs is what a client needs to show that it holds the keys of its tokens.
type proofs struct {
	keys      dpop.Keys
	nonces    dpop.Nonces   // of the authorization server's endpoints
	resources dpop.Nonces   // of the userinfo endpoint, which is an API like others
	own       session.Token // the key of the gateway's own tokens
}

// NewProofKey returns a fresh key for the tokens of one login: see AuthRequest.ProofKey. It
// is empty unless the configuration wants tokens that are bound to one.
func (c *Client) NewProofKey() (session.Token, error) {
	if c.cfg.SenderConstrained != DPoP {
		return "", nil
	}
	text, err := dpop.NewKey()
	if err != nil {
		return "", fmt.Errorf("oidc: %w", err)
	}
	return session.Token(text), nil
}

// proofKey is key, or a fresh one where the configuration wants one and there is none yet:
// the session began before it did. fresh is empty if key was there.
func (c *Client) proofKey(key session.Token) (used, fresh session.Token, _ *session.RefreshError) {
	if key != "" {
		return key, "", nil
	}
	fresh, err := c.NewProofKey()
	if err != nil {
		return "", "", &session.RefreshError{Class: session.Transient, Err: err}
	}
	return fresh, fresh, nil
}

// thumbprint is the dpop_jkt of an authorization request, which binds the code to the key
// (RFC 9449 §10); "" without a key.
func (c *Client) thumbprint(key session.Token) (string, error) {
	if key == "" {
		return "", nil
	}
	k, err := c.proofs.keys.Get(key.Reveal())
	if err != nil {
		return "", fmt.Errorf("oidc: %w", err)
	}
	return k.Thumbprint(), nil
}

// proof is what a request to the provider proves; nil for nothing.
type proof struct {
	key   session.Token
	nonce string // that the server has just asked for; empty: the newest that is known
}

// prove adds the proof to a request that is about to go out, once: the next attempt gets
// another one.
func (c *Client) prove(req *http.Request, p *proof, nonces *dpop.Nonces, access session.Token) error {
	if p == nil {
		return nil
	}
	key, err := c.proofs.keys.Get(p.key.Reveal())
	if err != nil {
		return err
	}
	nonce := p.nonce
	if nonce == "" {
		nonce = nonces.Of(dpop.Origin(req.URL))
	}
	text, err := key.Proof(dpop.Proof{Method: req.Method, URL: req.URL, AccessToken: access.Reveal(), Nonce: nonce, At: c.now()})
	if err != nil {
		return err
	}
	req.Header.Set("DPoP", text)
	return nil
}

// sendProven sends as send does and proves that the client holds a key, unless that is empty
// (RFC 9449 §5). A server that wants its nonce in the proof, or does not like the proof, has
// looked at nothing else and used nothing up: the form goes out once more, with a fresh proof
// and a fresh client assertion. A second refusal stands. The nonce of any answer is kept.
func (c *Client) sendProven(ctx context.Context, address string, form url.Values, key session.Token) (*reply, *session.RefreshError) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var p *proof
	if key != "" {
		p = &proof{key: key}
	}
	r, failed := c.send(ctx, address, form, p)
	if failed != nil {
		return r, failed
	}
	nonce := dpop.NonceOf(r.header)
	if p != nil && readAnswer(r).wantsProof(nonce) {
		if r, failed = c.send(ctx, address, form, &proof{key, nonce}); failed != nil {
			return r, failed
		}
		nonce = cmp.Or(dpop.NonceOf(r.header), nonce)
	}
	c.proofs.nonces.Keep(originOf(address), nonce)
	return r, nil
}

// originOf is whose nonces those of an endpoint are.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "" // a request there has failed
	}
	return dpop.Origin(u)
}

// wantsProof reports whether a token endpoint refuses a request for its proof alone.
func (a *answer) wantsProof(nonce string) bool {
	if a.status/100 != 4 {
		return false
	}
	return a.code() == "invalid_dpop_proof" || a.code() == "use_dpop_nonce" && nonce != ""
}

// tokenType is what the token_type of an answer has to be. A bearer token where one was to be
// bound would be worth stealing (RFC 9449 §5).
func (a *answer) tokenType() string {
	if a.bound {
		return "DPoP"
	}
	return "Bearer"
}

// checkProofs refuses a provider that says it takes no proof of ours.
func (m *metadata) checkProofs(cfg Config) error {
	if cfg.SenderConstrained == DPoP && m.DPoPAlgs != nil && !slices.Contains(m.DPoPAlgs, "ES256") {
		return misconfigured("the provider takes DPoP proofs with %v and not with ES256 (dpop_signing_alg_values_supported): allow it there", m.DPoPAlgs)
	}
	return nil
}
