package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// upload is a body on its way to an upstream, which may stop to read it. Go's client limits
// the wait for an answer only from the moment when all of the body is sent.
type upload struct {
	io.ReadCloser
	timeout time.Duration
	late    *time.Timer

	mu       sync.Mutex
	answered bool // guarded by mu
}

// uploadError is an upload that its upstream did not take. It is a time-out.
type uploadError struct{}

func (uploadError) Error() string   { return "proxy: upstream: reads no more of the request's body" }
func (uploadError) Timeout() bool   { return true }
func (uploadError) Temporary() bool { return false }

// uploadTo sends a request. Its upstream has the time-out for each part of the body, until
// there is an answer.
func uploadTo(t longWay, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	u := &upload{ReadCloser: req.Body, timeout: t.ResponseHeaderTimeout}
	u.late = time.AfterFunc(time.Hour, func() { cancel(uploadError{}) })
	u.late.Stop() // Until something was read, other limits hold.
	out := req.WithContext(ctx)
	out.Body = u
	res, err := t.RoundTrip(out)
	u.mu.Lock()
	u.answered = true
	u.late.Stop()
	u.mu.Unlock()
	if err == nil {
		return res, nil // whose body ends with the client's request, and not before
	}
	if late := (uploadError{}); errors.Is(context.Cause(ctx), late) {
		err = late
	}
	cancel(nil)
	return nil, err
}

// Read implements io.Reader. While it waits for the client, the upstream is not to blame.
func (u *upload) Read(p []byte) (int, error) {
	u.late.Stop()
	n, err := u.ReadCloser.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.answered:
	case err != nil:
		u.late.Reset(2 * u.timeout) // The limit for the answer comes first, if the rest can be sent.
	default:
		u.late.Reset(u.timeout)
	}
	return n, err
}
