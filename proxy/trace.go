package proxy

import (
	"context"
	"net/http"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Tracer follows requests for distributed traces. Beside what is said of [session.Tracer], it
// knows where a trace comes from and where it goes on (W3C Trace Context).
type Tracer interface {
	session.Tracer

	// Request begins to follow a request. With caller, the header of a peer that is believed,
	// it goes on with the trace that the peer names there; with nil it begins a new one.
	Request(ctx context.Context, caller http.Header) context.Context

	// Answered ends what Request began.
	Answered(ctx context.Context, s Served)

	// Upstream begins the call of an upstream, and names it in the header that goes there, in
	// the place of whatever a client named. The function ends it as its header arrives.
	Upstream(ctx context.Context, header http.Header) (context.Context, func(*http.Response, error))
}

// follow begins the trace of a request. Only a trusted proxy may say to which it belongs: a
// client could else have all its requests recorded, or write into the traces of others.
func (g *Gateway) follow(r *http.Request) *http.Request {
	if g.cfg.Tracer == nil {
		return r
	}
	var caller http.Header
	if g.trusts(hostOnly(r.RemoteAddr)) {
		caller = r.Header
	}
	return r.WithContext(g.cfg.Tracer.Request(r.Context(), caller))
}

// traceOf names the trace of a request, for the audit trail.
func (g *Gateway) traceOf(r *http.Request) string {
	if g.cfg.Tracer == nil {
		return ""
	}
	return g.cfg.Tracer.ID(r.Context())
}

// traced is an upstream whose calls stand in traces.
type traced struct {
	tracer Tracer
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *traced) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, end := t.tracer.Upstream(req.Context(), req.Header)
	res, err := t.next.RoundTrip(req.WithContext(ctx))
	end(res, err)
	return res, err
}

// followed puts the calls of an upstream into traces, if there are any.
func (g *Gateway) followed(upstream http.RoundTripper) http.RoundTripper {
	if g.cfg.Tracer == nil {
		return upstream
	}
	return &traced{g.cfg.Tracer, upstream}
}
