package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/cloakroom-bff/cloakroom/session"
)

// replayer sends a request a second time, with another token, when the upstream refuses
// the token of the first: some providers end access tokens before their time. Nothing was
// done with a request that was refused, so that even a POST can be repeated.
//
// It does so once. A token that was made while this very request waited for it is not
// replaced, and the session bounds how often one is.
type replayer struct {
	g    *Gateway
	next http.RoundTripper
}

// replayable bounds the bodies that are kept, so that they can be sent again.
const replayable = 64 << 10

// RoundTrip implements http.RoundTripper.
func (t *replayer) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	x := exchangeOf(req.Context())
	if x.token == "" || x.minted || !refusesToken(res.Header["Www-Authenticate"], x.scheme()) {
		return res, nil
	}
	fresh, err := t.g.renew(req.Context(), x)
	switch {
	case needsLogin(err):
		_ = res.Body.Close()
		return nil, &renewalError{err}
	case err != nil, fresh.Token == x.token:
		return res, nil //nolint:nilerr // the upstream's own word is the best there is
	case req.Body != nil && req.Body != http.NoBody && x.kept == nil:
		return res, nil // the body has gone; whoever sends it again finds the fresh token
	}
	spend(res)
	x.token, x.key, x.minted, x.replayed = fresh.Token, fresh.Key, true, true
	again := req.Clone(req.Context())
	again.Header["Authorization"] = []string{"Bearer " + x.token.Reveal()}
	if x.kept != nil {
		again.Body = io.NopCloser(bytes.NewReader(x.kept))
	}
	return t.next.RoundTrip(again)
}

// renewalError is a renewal that found that only a login helps.
type renewalError struct{ err error }

func (e *renewalError) Error() string { return e.err.Error() }

// needsLogin reports whether err means that the upstream's 401 is the gateway's own
// business: the session is over, or the provider wants the user.
func needsLogin(err error) bool {
	failed, ok := errors.AsType[*session.RefreshError](err)
	return dead(err) || ok && failed.Class == session.Interaction
}

// keep reads a short body of known length before it is sent, so that it can be sent again.
// Bodies that stream, that end in trailers or that the upstream may want to refuse unseen
// are left alone.
func (x *exchange) keep(r *http.Request) error {
	x.kept = make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, x.kept); err != nil {
		switch {
		case x.incoming.paused():
			return badBody("The request's body did not come in time.", err)
		case r.Context().Err() != nil:
			return r.Context().Err()
		}
		return badBody("The request's body is damaged.", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(x.kept))
	if r.Header["Idempotency-Key"] == nil && r.Header["X-Idempotency-Key"] == nil { // by which Go's client would send what it may have sent
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.kept)), nil }
	}
	return nil
}

func (x *exchange) keepable(r *http.Request) bool {
	again := x.token != "" && !x.minted || x.key != "" || len(x.route.Replicas) > 0
	return again && r.ContentLength > 0 && r.ContentLength <= replayable &&
		len(r.Trailer) == 0 && r.Header["Expect"] == nil
}
