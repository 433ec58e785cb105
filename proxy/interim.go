package proxy

import (
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// interim passes an interim answer on to the client (RFC 9110 §15.2).
func (x *exchange) interim(status int, header http.Header) {
	h := x.Header()
	appendHeader(h, header)
	x.WriteHeader(status)
	clear(h) // The server leaves that to us.
}

// tellInterim is for the short way, on which the goroutine that serves reads the answer.
func tellInterim(req *http.Request, status int, header http.Header) {
	if x := exchangeOf(req.Context()); x != nil {
		x.interim(status, header)
	}
}

// longWay is Go's client, with interim answers passed on.
type longWay struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t longWay) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	if x == nil {
		return t.Transport.RoundTrip(req)
	}
	hints := &hints{x: x}
	defer hints.end()
	trace := &httptrace.ClientTrace{Got1xxResponse: hints.tell}
	return t.Transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
}

// hints passes on interim answers, which Go's client tells of in a goroutine of its own, for
// as long as the exchange waits for the answer.
type hints struct {
	mu   sync.Mutex
	x    *exchange // guarded by mu
	over bool      // guarded by mu: the answer has come
}

func (h *hints) tell(status int, header textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		h.x.interim(status, http.Header(header))
	}
	return nil
}

func (h *hints) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}
