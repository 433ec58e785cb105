package proxy

import (
	"net/http"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Decided is what the gateway decided of a request, in the words of an explanation, for the
// request's trace. It holds no token and no claim.
type Decided struct {
	Class   string // what the request was taken for
	CSRF    string // the verdict
	CSRFWhy string

	Session   string // its state
	Age       time.Duration
	IdleLeft  time.Duration // until it ends if nobody uses it; these three are of a live one
	Remaining time.Duration // until it ends whatever happens

	Token    string       // the kind
	Decision session.Step // how it was come by; empty if none was asked for
}

// decided tells what was decided of a request that has met a route.
func (g *Gateway) decided(x *exchange, r *http.Request) *Decided {
	rt := x.route
	if g.cfg.Tracer == nil || rt == nil {
		return nil
	}
	csrf := g.explainCSRF(r, !x.bearer && g.asksWhoSent(r, rt))
	d := &Decided{
		Class: className(r, classify(r)), CSRF: csrf.Verdict, CSRFWhy: csrf.Why,
		Session: sessionStateOf(x), Token: kindName(x.kind), Decision: x.step,
	}
	if x.bearer {
		d.Token = "bearer"
	}
	if x.who != nil {
		idle, absolute := x.who.Limits()
		d.Age, d.IdleLeft, d.Remaining = g.cfg.Now().Sub(x.who.State().Created), min(idle, absolute), absolute
	}
	return d
}

// sessionStateOf is the state of the session that a request named, as far as it was looked at.
func sessionStateOf(x *exchange) string {
	switch {
	case x.state != nil:
		return "live"
	case !x.route.asksTicket() || x.bearer || x.code == CSRFFailed:
		return "not_asked"
	case x.code == SessionExpired:
		return "ended"
	case x.code == StoreUnavailable:
		return "unknown"
	}
	return "none"
}

// foreseeStep notes for the trace how the token of a request will be come by.
func (g *Gateway) foreseeStep(x *exchange, rt *route) {
	if g.cfg.Tracer == nil {
		return
	}
	switch x.kind {
	case UserToken:
		x.step = x.who.Foresee(rt.Target).Step
	case ExchangedToken:
		x.step = x.who.ForeseeExchanged(rt.Target).Step
	case ClientToken:
		x.step = g.cfg.Sessions.ForeseeClientToken(rt.Target).Step
	}
}
