package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// ResponseMode is how an authorization response travels (OAuth 2.0 Multiple Response Types
// §2.1, Form Post Response Mode §2, JARM §2.3).
type ResponseMode string

// The modes. The zero value means Query.
const (
	Query       ResponseMode = "query"         // in the callback's query
	FormPost    ResponseMode = "form_post"     // in a form that the browser posts
	Signed      ResponseMode = "jwt"           // signed by the provider, in the query
	SignedQuery ResponseMode = "query.jwt"     // the same by its full name
	SignedPost  ResponseMode = "form_post.jwt" // signed, in a form that the browser posts
)

func (m ResponseMode) check() error {
	switch m {
	case Query, FormPost, Signed, SignedQuery, SignedPost:
		return nil
	}
	return fmt.Errorf("oidc: ResponseMode %q is not known", string(m))
}

// AnswersByPost reports whether authorization responses come as forms.
func (c *Client) AnswersByPost() bool {
	return c.cfg.ResponseMode == FormPost || c.cfg.ResponseMode == SignedPost
}

// SignsAnswers reports whether authorization responses are signed. Then one that is not has
// been tampered with: it is no answer.
func (c *Client) SignsAnswers() bool {
	switch c.cfg.ResponseMode {
	case Signed, SignedQuery, SignedPost:
		return true
	}
	return false
}

// StateOf is the state that a signed authorization response names, before anything of it was
// checked; "" if it names none.
func StateOf(response string) string { return jwtClaims(response).text("state") }

// OpenAnswer checks a signed authorization response, good or bad, and returns its parameters
// (JARM §2.4). Its iss has been judged, as CheckIssuer would. The error is a *LoginError, or
// that of a provider whose keys or metadata cannot be had.
func (c *Client) OpenAnswer(ctx context.Context, response string) (url.Values, error) {
	m, err := c.providerWithin(ctx, metadataWait)
	if err != nil {
		return nil, err
	}
	// Anybody can send a browser here with a token of his own making.
	signed := &signature{keys: c.keys, address: m.JWKSURI, from: fromAnybody, algs: m.announced(m.AnswerAlgs)}
	payload, err := signed.VerifySignature(ctx, response)
	switch {
	case errors.Is(err, errNoKeys):
		return nil, &session.RefreshError{Class: session.Transient, Err: fmt.Errorf("signed answer: %w", err)}
	case err != nil:
		return nil, &LoginError{Err: errors.New("signed answer: " + maskTokens(err.Error()))}
	}
	answer, err := c.readSigned(m, signed.typ, payload)
	if err != nil {
		return nil, &LoginError{Err: fmt.Errorf("signed answer: %w", err)}
	}
	return answer, nil
}

// readSigned judges a response whose signature is good.
func (c *Client) readSigned(m *metadata, typ string, payload []byte) (url.Values, error) {
	t, err := readClaims(payload)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if err := firstOf(answerType(typ), t.checkSigner(&c.cfg, m), t.checkAudience(c.cfg.ClientID), t.checkEnd(c)); err != nil {
		return nil, err
	}
	answer := url.Values{}
	for name := range t {
		if text := t.text(name); text != "" {
			answer.Set(name, text)
		}
	}
	return answer, nil
}

// answerType refuses other tokens that the provider signs for this client with the same keys
// (RFC 8725 §3.11). A response has no type of its own.
func answerType(typ string) error {
	if typ = strings.TrimPrefix(strings.ToLower(typ), "application/"); strings.HasSuffix(typ, "+jwt") {
		return fmt.Errorf("it is a token of type %q", short(typ))
	}
	return nil
}

// checkSigner judges iss.
func (c claims) checkSigner(cfg *Config, m *metadata) error {
	if _, ours := cfg.nameOf(m, c.text("iss")); !ours {
		return fmt.Errorf("iss is %q, not %q", short(c.text("iss")), m.Issuer)
	}
	return nil
}

// checkEnd judges exp: an answer that was kept must not be played again.
func (c claims) checkEnd(client *Client) error {
	exp, ok := c.time("exp")
	switch now := client.now(); {
	case !ok:
		return errors.New("exp is missing or no time")
	case !now.Before(exp.Add(client.cfg.ClockSkew)):
		return errors.New("it has expired; is a clock wrong?")
	}
	return nil
}
