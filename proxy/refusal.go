package proxy

import (
	"errors"
	"net/http"
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Refusal tells of a request that was refused and that belongs into the audit trail. It
// holds no token.
type Refusal struct {
	Kind   RefusalKind
	Code   Code
	Method string
	Route  string         // as in [Served]
	Device session.Device // as far as the request tells
	Err    error          // the detail that only a log may have; it may be nil
	Trace  string         // names the request's trace; empty if there is none
}

// RefusalKind says what was refused.
type RefusalKind string

// The kinds of refusals.
const (
	LoginRefused  RefusalKind = "login_refused"  // a callback that made no session
	LogoutRefused RefusalKind = "logout_refused" // a logout token that is no good, or was used
	SignalRefused RefusalKind = "signal_refused" // a security event that is no good
	CSRFBlocked   RefusalKind = "csrf_blocked"   // a request that a page of ours cannot have sent
)

// tellRefusal tells of the answer to a request, if it is such a refusal.
func (g *Gateway) tellRefusal(x *exchange, r *http.Request, p *Problem) {
	switch {
	case p.Code == CSRFFailed:
		g.refused(r, CSRFBlocked, x.name, p)
	case x.name == ownRoute && x.path == g.base+"/callback":
		g.refused(r, LoginRefused, x.name, p)
	case p.Code == BadRequest && x.name == ownRoute && x.path == g.base+"/backchannel-logout":
		g.refused(r, LogoutRefused, x.name, p)
	case p.Code == BadRequest && x.name == ownRoute && x.path == g.base+"/signals":
		g.refused(r, SignalRefused, x.name, p)
	}
}

// tellSilentLogin tells of a silent login that failed, which its page only hears as a no.
// That the provider wants to see the user is an answer like any other.
func (g *Gateway) tellSilentLogin(r *http.Request, err error) {
	p := g.problemOf(err)
	if e, ok := errors.AsType[*oidc.LoginError](p.Err); ok && slices.Contains(needsUser, e.Code) {
		return
	}
	g.refused(r, LoginRefused, ownRoute, p)
}

func (g *Gateway) refused(r *http.Request, kind RefusalKind, route string, p *Problem) {
	if g.cfg.Refused != nil {
		g.cfg.Refused(Refusal{Kind: kind, Code: p.Code, Method: r.Method, Route: route, Device: g.device(r), Err: p.Err, Trace: g.traceOf(r)})
	}
}
