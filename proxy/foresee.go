package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// What is foreseen here happens in gateway.go, access.go, token.go, forward.go and
// forwardauth.go. The two ask the same functions wherever a decision is made, and a test
// holds the one against the other.

// foresee goes the way of serve. The error is what the request would end with.
func (g *Gateway) foresee(e *explanation, x *exchange, r *http.Request) error {
	rt, err := g.find(x, r)
	e.Route = g.explainRoute(x, r, rt, err)
	switch {
	case err != nil:
		return err
	case rt == nil:
		g.foreseeOwn(e, x, r)
		return nil
	}
	err = g.foreseeAuthorise(e, x, r, rt)
	forward := g.foreseeForward(e, x, r, rt)
	switch {
	case err != nil:
		e.Answer = g.detourFrom(x, r, rt, err)
	case rt.files != nil:
		e.Answer = explainedAnswer{Outcome: toFile}
	default:
		e.Answer = explainedAnswer{Outcome: toUpstream}
		return forward
	}
	return nil
}

// foreseeVerify goes the way of verify.
func (g *Gateway) foreseeVerify(e *explanation, x *exchange, r *http.Request, d dialect) error {
	x.client.host = r.Host
	if forbiddenMethod(r.Method) {
		return &Problem{Code: MethodNotAllowed, Allow: everyMethod}
	}
	rt, err := g.find(x, r)
	e.Route = g.explainRoute(x, r, rt, err)
	switch {
	case err != nil:
		return err
	case rt == nil:
		return &Problem{Code: NotFound, Detail: "The gateway's own endpoints are reached at its public listener."}
	}
	for _, name := range overrides {
		if rt.oversteps(r.Header[name]) {
			return &Problem{Code: MethodNotAllowed, Allow: rt.allow(), Detail: name + " names a method that the route does not have."}
		}
	}
	if err := g.foreseeAuthorise(e, x, r, rt); err != nil {
		if g.problemOf(err).answer() != http.StatusUnauthorized || !rt.Unauthenticated.wantsLogin(r, classify(r)) || d == nginx {
			return err
		}
		e.Answer = g.refusalOf(err)
		e.Answer.Outcome, e.Answer.Status = toLogin, http.StatusFound
		return nil
	}
	if err := rt.promise(x); err != nil {
		return err
	}
	e.Headers = g.passedHeaders(x, r, rt)
	e.Answer = explainedAnswer{Outcome: toPass, Status: http.StatusOK}
	return nil
}

// foreseeOwn is for the endpoints of the gateway's own, which have rules of their own.
func (g *Gateway) foreseeOwn(e *explanation, x *exchange, r *http.Request) {
	e.Answer = explainedAnswer{Outcome: toOwn, Why: "An endpoint of the gateway's own; docs/endpoints.md says what it answers."}
	if isPreflight(r) && len(g.cfg.Origins) > 0 {
		e.Answer.Why = "A CORS preflight, which the gateway answers itself."
	}
	e.CSRF = g.explainCSRF(r, true)
	_ = g.foreseeSession(e, x, r)
}

// foreseeAuthorise goes the way of authorise. It looks at everything, also behind the first
// thing that is wrong, which is its error.
func (g *Gateway) foreseeAuthorise(e *explanation, x *exchange, r *http.Request, rt *route) error {
	x.route = rt
	if rt.AllowBearer && g.bringsBearer(r) {
		x.bearer, x.kind = true, NoToken
		e.CSRF = g.explainCSRF(r, false)
		e.Session = &explainedLogin{State: "not_asked", Why: "The request has a bearer token of its own and no ticket, and the route lets that pass."}
		e.Token = &explainedToken{Kind: "bearer"}
		return nil
	}
	asked := g.asksWhoSent(r, rt)
	e.CSRF = g.explainCSRF(r, asked)
	var blocked error
	if asked {
		blocked = g.checkCSRF(r)
	}
	err := g.foreseeIdentify(e, x, r, rt)
	fetch := g.foreseeFetch(e, x, rt)
	if err == nil && rt.quietly() && dead(fetch) {
		x.who, x.state, x.token, x.kind, fetch = nil, nil, "", NoToken, nil
		e.Token.Why = "The session has no token any more, and the route lets the request pass without one."
	}
	return firstOf(blocked, err, fetch)
}

// firstOf returns the first error that is one.
func firstOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// foreseeIdentify goes the way of identify.
func (g *Gateway) foreseeIdentify(e *explanation, x *exchange, r *http.Request, rt *route) error {
	if !rt.asksTicket() {
		e.Session = &explainedLogin{State: "not_asked", Why: "The route is public: it asks for no session."}
		return nil
	}
	err := g.foreseeSession(e, x, r)
	if err == nil {
		e.Request.Activity = !rt.Background && !opensStream(r) && one(r.Header, "X-Bff-Background") != "1"
		return nil
	}
	if dead(err) && g.anonymously(r, rt) {
		return nil
	}
	return err
}

// foreseeSession finds the session of a request, and leaves it alone.
func (g *Gateway) foreseeSession(e *explanation, x *exchange, r *http.Request) error {
	s, err := g.peek(r)
	e.session = s
	e.Session = g.explainSession(s, err)
	if !g.carriesTicket(r) {
		e.Session.Why = "The request has no cookie " + g.ticketName() + "."
	}
	if err == nil {
		x.who, x.state = s, s.State()
	}
	return err
}

// peek is openTicket without consequences. Beside a *session.EndedError there is the session.
func (g *Gateway) peek(r *http.Request) (*session.Session, error) {
	var found *session.Session
	err, tried := error(session.ErrNoSession), 0
	for value := range cookieValues(r.Header, g.ticketName()) {
		if tried++; tried > maxTickets {
			break
		}
		s, e := g.cfg.Sessions.Peek(r.Context(), value)
		if e == nil {
			return s, nil
		}
		if weight(e) > weight(err) || tried == 1 {
			found, err = s, e
		}
	}
	return found, err
}

// foreseeFetch goes the way of fetch.
func (g *Gateway) foreseeFetch(e *explanation, x *exchange, rt *route) error {
	x.kind = rt.kind(x.who)
	e.Token = &explainedToken{Kind: kindName(x.kind), Audience: rt.Target.Audience, Resource: rt.Target.Resource, Scopes: rt.Target.Scope, Details: json.RawMessage(rt.Target.Details), Actor: rt.Target.Actor}
	if x.kind == NoToken && rt.Authorization != "" {
		e.Token.Kind = "credential"
	}
	var o session.Outlook
	switch x.kind {
	case UserToken:
		o = x.who.Foresee(rt.Target)
	case ExchangedToken:
		o = x.who.ForeseeExchanged(rt.Target)
	case ClientToken:
		o = g.cfg.Sessions.ForeseeClientToken(rt.Target)
		o.Err = g.withoutUser(o.Err, x.who)
	default:
		e.Require = g.explainNeeds(x, rt, o)
		return g.unmet(e, x, rt)
	}
	g.explainToken(e.Token, o)
	e.Require = g.explainNeeds(x, rt, o)
	var failed error
	if o.Step == session.Fails {
		failed = o.Err
	} else {
		x.token = placeholder
	}
	unmet := g.unmet(e, x, rt)
	if x.kind == UserToken { // it comes first, since claims come with it
		return firstOf(failed, unmet)
	}
	return firstOf(unmet, failed)
}

// placeholder stands for a token where only its being there matters.
const placeholder session.Token = "-"

// unmet is the error for what the route requires and the session does not have.
func (g *Gateway) unmet(e *explanation, x *exchange, rt *route) error {
	if x.who == nil {
		return nil
	}
	for _, need := range e.Require {
		if need.Met != nil && !*need.Met {
			switch need.What {
			case "scope":
				return &Problem{Code: InsufficientScope, Detail: "The scope " + need.Name + " was not granted."}
			case "claim":
				return &Problem{Code: ClaimRequired, Detail: "The claim " + need.Name + " has none of the values that the route requires."}
			}
		}
	}
	return g.checkLogin(rt, x.state)
}

// foreseeForward goes the way of forward, up to where the request would be sent.
func (g *Gateway) foreseeForward(e *explanation, x *exchange, r *http.Request, rt *route) error {
	if rt.Upstream == nil {
		return nil
	}
	e.Upstreams = explainUpstreams(rt, x.who)
	target, ok := rt.targetOf(x.path)
	if !ok {
		return badRequest("The path has characters that cannot be forwarded as they are.")
	}
	x.target, e.Request.TargetPath = target, shortened(target)
	if x.state != nil && rt.assertions != nil {
		x.proof = string(placeholder)
	}
	if err := rt.promise(x); err != nil {
		return err
	}
	e.Headers = forwardedHeaders(x, r, rt)
	if r.ContentLength > rt.MaxBody {
		return &Problem{Code: BodyTooLarge, Detail: fmt.Sprintf("The body has %d bytes, and the route takes %d.", r.ContentLength, rt.MaxBody)}
	}
	return nil
}

// refusalOf is the answer that an error leads to.
func (g *Gateway) refusalOf(err error) explainedAnswer {
	p := g.problemOf(err)
	a := explainedAnswer{Outcome: toNobody, Status: p.answer(), Code: p.Code, Why: p.Detail}
	if p.Err != nil {
		a.Why = strings.TrimSpace(a.Why + " (" + p.Err.Error() + ")")
	}
	return a
}

// detourFrom is the same where the request may be sent elsewhere instead.
func (g *Gateway) detourFrom(x *exchange, r *http.Request, rt *route, err error) explainedAnswer {
	a := g.refusalOf(err)
	switch d, _ := g.detourOf(x, r, rt.Unauthenticated, g.problemOf(err)); d {
	case overHop:
		a.Outcome, a.Status = toHop, http.StatusOK
	case overLogin:
		a.Outcome, a.Status = toLogin, http.StatusFound
	}
	return a
}
