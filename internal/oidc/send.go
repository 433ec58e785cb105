package oidc

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/cloakroom-bff/cloakroom/session"
)

// reply is a whole HTTP answer to a POST, or what came of it.
type reply struct {
	status int
	header http.Header
	body   []byte
	cut    error // why the body is not whole; nil if it is
}

// send posts a form with the client's credentials, and a proof if there is one, and follows
// no redirect. The form goes
// out whole at most once. The error's class is Transient if it did not go out whole, so
// that nobody can have acted on it, and Unknown if it may have.
//
// net/http repeats a POST by itself if it bears an Idempotency-Key or can rewind the body;
// this one does neither, and HTTP/2, which repeats on a peer's word, is left out by
// transportOf. What remains is the connection that died in the pool: the form did not go
// out, the provider is well, and nobody should hear of it. So there is a second try on a
// fresh connection.
func (c *Client) send(ctx context.Context, address string, form url.Values, p *proof) (*reply, *session.RefreshError) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	for {
		var out trail
		r, err := c.sendOnce(ctx, address, form, p, &out)
		switch {
		case err == nil:
			return r, nil
		case out.presented():
			return nil, &session.RefreshError{Class: session.Unknown, Err: c.clean(err, form)}
		case !out.reused.Load(), ctx.Err() != nil:
			return nil, &session.RefreshError{Class: session.Transient, Err: c.clean(err, form)}
		}
	}
}

func (c *Client) sendOnce(ctx context.Context, address string, form url.Values, p *proof, out *trail) (*reply, error) {
	req, err := http.NewRequestWithContext(out.follow(ctx), http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	if err := c.authenticate(address, req.Header, form); err != nil {
		return nil, err
	}
	if err := c.prove(req, p, &c.proofs.nonces, ""); err != nil {
		return nil, err
	}
	text := form.Encode()
	req.Body, req.ContentLength = &formReader{strings.NewReader(text), out}, int64(len(text))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := c.closed.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	r.body, r.cut = readBody(resp.Body)
	return r, nil
}

// trail follows one form on its way out. net/http writes it on a goroutine of its own.
type trail struct {
	read   atomic.Bool // somebody has begun to read the form
	torn   atomic.Bool // writing it failed before its end
	reused atomic.Bool // the connection came from the pool
}

// presented reports whether the provider may have the whole form. A form that was not read
// has gone nowhere; of one that was torn the provider lacks the end, and knows that by
// Content-Length.
func (t *trail) presented() bool { return t.read.Load() && !t.torn.Load() }

func (t *trail) follow(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(info httptrace.GotConnInfo) { t.reused.Store(info.Reused) },
		WroteRequest: func(info httptrace.WroteRequestInfo) { t.torn.Store(info.Err != nil) },
	})
}

// formReader notes that somebody reads a form. That it is no type which net/http knows has
// a use: the header is then written before it, which finds most dead connections out.
type formReader struct {
	text *strings.Reader
	out  *trail
}

// Read implements io.Reader.
func (r *formReader) Read(p []byte) (int, error) {
	r.out.read.Store(true)
	return r.text.Read(p)
}

// Close implements io.Closer.
func (*formReader) Close() error { return nil }

var _ io.ReadCloser = (*formReader)(nil)
