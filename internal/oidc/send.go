package oidc

import (
	"context"
	"io"
	"net/http"
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

// send posts a form with the client's credentials, once, and follows no redirect. The
// error is a *session.RefreshError: Transient if the form cannot have reached the
// provider, Unknown if it may have.
//
// Exactly once is more than it seems. net/http repeats a POST by itself if it bears an
// Idempotency-Key, so there is none. It repeats one whose form can be rewound if it met a
// connection that had died in the pool, and there it counts: only if not one byte was
// written. That repetition is harmless and wanted. HTTP/2 repeats on a peer's word, too;
// therefore transportOf leaves it out.
//
// The credentials of the grant are in the form. As long as the transport has not begun to
// read the form, nobody else can have read it.
func (c *Client) send(ctx context.Context, address string, form url.Values) (*reply, *session.RefreshError) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, http.NoBody)
	if err != nil {
		return nil, &session.RefreshError{Class: session.Operator, Err: c.clean(err, form)}
	}
	c.authenticate(req.Header, form)
	text := form.Encode()
	var presented atomic.Bool
	req.ContentLength = int64(len(text))
	req.GetBody = func() (io.ReadCloser, error) {
		presented.Store(false)
		return &formReader{strings.NewReader(text), &presented}, nil
	}
	req.Body, _ = req.GetBody() // it cannot fail
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := c.closed.Do(req)
	if err != nil {
		class := session.Transient
		if presented.Load() {
			class = session.Unknown
		}
		return nil, &session.RefreshError{Class: class, Err: c.clean(err, form)}
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	r.body, r.cut = readBody(resp.Body)
	return r, nil
}

// formReader notes that somebody has begun to read a form.
type formReader struct {
	*strings.Reader
	presented *atomic.Bool
}

func (r *formReader) Read(p []byte) (int, error) {
	r.presented.Store(true)
	return r.Reader.Read(p)
}

// WriteTo keeps io.Copy from going past Read.
func (r *formReader) WriteTo(w io.Writer) (int64, error) {
	r.presented.Store(true)
	return r.Reader.WriteTo(w)
}

// Close implements io.Closer.
func (*formReader) Close() error { return nil }
