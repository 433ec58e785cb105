package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Balance says how requests are spread over a route's upstreams. The zero value sends each
// to the one that has the least to do.
type Balance struct {
	// Sticky sends the requests of a session to the same upstream, as long as that one is
	// there. It asks for no cookie, and every gateway with the same routes chooses the same.
	Sticky bool
	// HealthPath is asked for with GET at every upstream; who does not answer it with 2xx or
	// 3xx is left out. Empty means that only connecting counts.
	HealthPath string
	// HealthInterval is the time between two such questions; zero means 10 seconds.
	HealthInterval time.Duration
}

// servers returns all upstreams of a route.
func (r *Route) servers() []*url.URL { return append([]*url.URL{r.Upstream}, r.Replicas...) }

// checkReplicas finds what would make servers of one list differ.
func (r *Route) checkReplicas() error {
	switch {
	case r.Upstream == nil && len(r.Replicas) > 0:
		return errors.New("replicas are of an upstream, and there is none")
	case len(r.Replicas) >= mostServers:
		return fmt.Errorf("more than %d upstreams", mostServers)
	case len(r.Replicas) == 0 && r.Balance != Balance{}:
		return errors.New("one upstream cannot be balanced")
	case r.Balance.HealthPath != "" && !plainPath(r.Balance.HealthPath), r.Balance.HealthInterval < 0:
		return errors.New("the health check needs a plain path and a positive interval")
	case r.UpstreamTLS != nil && (r.Upstream == nil || r.Upstream.Scheme != "https"):
		return errors.New("upstream TLS is for https upstreams")
	}
	for _, u := range r.Replicas {
		if err := r.checkUpstream(u); err != nil {
			return err
		}
		if u.Scheme != r.Upstream.Scheme || strings.TrimSuffix(u.Path, "/") != strings.TrimSuffix(r.Upstream.Path, "/") {
			return fmt.Errorf("upstream %s has another scheme or path than %s", u, r.Upstream)
		}
	}
	return nil
}

// balancer sends the requests of a route to the servers of a pool. What a server certainly
// did not get goes to another one; so does, once, what may be done twice (RFC 9110 §9.2.2).
// Nothing else is ever sent a second time.
type balancer struct {
	pool   *pool
	sticky bool
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	var who *session.ID
	if b.sticky && x.who != nil {
		id := x.who.ID()
		who = &id
	}
	body := newPayload(req, x.kept)
	var tried serverSet
	var failure error
	for resent := false; ; {
		s := b.pool.pick(who, tried)
		if s == nil {
			return nil, failure
		}
		tried |= s.set
		res, err := s.send(body.attempt(req, s.host))
		if err == nil || req.Context().Err() != nil {
			return res, err
		}
		failure = err
		if _, unsent := errors.AsType[*dialError](err); unsent {
			s.unreachable(err)
			if !body.untouched() {
				return nil, err
			}
			continue
		}
		if resent || !idempotent(req.Method) || timedOut(err) || !body.repeats() {
			return nil, err
		}
		resent = true
	}
}

// idempotent reports whether a request may be sent twice (RFC 9110 §9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// timedOut reports whether an upstream was too slow, which a second request makes no better.
func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// send forwards a request. The server is busy with it until its answer is read.
func (s *server) send(req *http.Request) (*http.Response, error) {
	s.inFlight.Add(1)
	res, err := s.way.RoundTrip(req)
	if err != nil {
		s.inFlight.Add(-1)
		return nil, err
	}
	body := &delivery{ReadCloser: res.Body, busy: &s.inFlight}
	if conn, ok := res.Body.(io.Writer); ok { // a WebSocket
		res.Body = struct {
			*delivery
			io.Writer
		}{body, conn}
	} else {
		res.Body = body
	}
	return res, nil
}

// delivery is the body of an answer; until it is closed, its server is busy with it.
type delivery struct {
	io.ReadCloser
	busy *atomic.Int64
	done atomic.Bool
}

// Close implements io.Closer.
func (d *delivery) Close() error {
	if d.done.CompareAndSwap(false, true) {
		d.busy.Add(-1)
	}
	return d.ReadCloser.Close()
}
