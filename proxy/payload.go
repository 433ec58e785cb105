package proxy

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
)

// payload is a request's body over several attempts. Until something was read of it, an
// attempt that fails does not close it: that is left to whoever made the request.
type payload struct {
	io.ReadCloser        // nil: the request has none
	kept          []byte // all of it; nil: it can be read once
	read          atomic.Bool
}

func newPayload(req *http.Request, kept []byte) *payload {
	p := &payload{ReadCloser: req.Body, kept: kept}
	if req.Body == http.NoBody {
		p.ReadCloser = nil
	}
	return p
}

// repeats reports whether the body can be sent although it may have been sent before.
func (p *payload) repeats() bool { return p.ReadCloser == nil || p.kept != nil }

// untouched reports whether the body can be sent although an attempt has failed.
func (p *payload) untouched() bool { return p.repeats() || !p.read.Load() }

// attempt returns the request as it goes to one server. A request belongs to its transport
// also after a failure, so that each attempt has its own.
func (p *payload) attempt(req *http.Request, host string) *http.Request {
	out, target := *req, *req.URL
	target.Host = host
	out.URL = &target
	switch {
	case p.ReadCloser == nil:
	case p.kept != nil:
		out.Body = io.NopCloser(bytes.NewReader(p.kept))
	default:
		out.Body = p
	}
	return &out
}

// Read implements io.Reader.
func (p *payload) Read(b []byte) (int, error) {
	p.read.Store(true)
	return p.ReadCloser.Read(b)
}

// Close implements io.Closer.
func (p *payload) Close() error {
	if !p.read.Load() {
		return nil
	}
	return p.ReadCloser.Close()
}
