package oidc

import (
	"context"
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// maxRequestURI bounds the reference to a pushed request, in bytes.
const maxRequestURI = 2048

// pushes reports whether authorization requests are pushed to the provider.
func (c *Client) pushes(m *metadata) (bool, error) {
	switch {
	case c.cfg.PAR == Never:
		return false, nil
	case m.PAREndpoint != "":
		return true, nil
	case c.cfg.PAR == Always, m.NeedsPAR:
		return false, misconfigured("authorization requests are to be pushed, and the provider has no pushed_authorization_request_endpoint: switch it on there, or set provider.par: never")
	}
	return false, nil
}

// push hands an authorization request to the provider ahead of the browser (RFC 9126 §2),
// and returns what the browser carries in its place (§4). A reference is good for one login
// and for moments only, so that each login pushes its own.
func (c *Client) push(ctx context.Context, m *metadata, form url.Values, admit func(context.Context) error) (url.Values, error) {
	if admit != nil {
		if err := admit(ctx); err != nil {
			return nil, err
		}
	}
	ctx, call := c.begin(ctx, "par")
	reference, a, failed := c.deposit(ctx, m.PAREndpoint, form)
	if failed != nil {
		call.end(failed)
		if a != nil && a.good() {
			return nil, failed // it refuses nothing, and means nothing
		}
		return nil, loginFailure(failed, a)
	}
	call.end(nil)
	return url.Values{"client_id": {c.cfg.ClientID}, "request_uri": {reference}}, nil
}

// deposit pushes a request and reads the reference to it. The answer is nil if none came.
func (c *Client) deposit(ctx context.Context, address string, form url.Values) (reference string, _ *answer, _ *session.RefreshError) {
	r, failed := c.sendProven(ctx, address, form, "")
	if failed != nil {
		return "", nil, failed
	}
	a := readAnswer(r)
	if failed = a.failed(nil); failed == nil {
		if reference = a.text("request_uri"); !isReference(reference) {
			failed = failure(session.Transient, "", "no request_uri in the answer")
		}
	}
	if failed != nil {
		c.explain(failed, a, form)
		return "", a, failed
	}
	return reference, a, nil
}

// isReference reports whether a text can stand in the place of a request: a URI.
func isReference(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.IsAbs() && len(text) <= maxRequestURI && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
