package proxy

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// enter lets a request through a route, or says why not. Nothing goes out without what the
// route names: a token it cannot have is an error, never a request without one.
func (g *Gateway) enter(x *exchange, r *http.Request, rt *route) error {
	err := g.authorise(x, r, rt)
	switch {
	case err != nil:
	case rt.files != nil:
		return rt.files.serve(x, r)
	default:
		// The upstream may refuse the session's token, or want another login.
		if err = g.forward(x, r, rt); !needsLogin(err) && !asksForLogin(err) {
			return err
		}
	}
	return g.unauthenticated(x, r, rt.Unauthenticated, err)
}

// authorise finds the session of a request and the token that its route names.
func (g *Gateway) authorise(x *exchange, r *http.Request, rt *route) error {
	x.route = rt
	if rt.AllowBearer && g.bringsBearer(r) {
		x.bearer, x.kind = true, NoToken
		return nil
	}
	// Before the ticket is opened: a request that another site made the browser send must
	// not even extend the session.
	if g.asksWhoSent(r, rt) {
		if err := g.checkCSRF(r); err != nil {
			return err
		}
	}
	if err := g.identify(x, r, rt); err != nil {
		return err
	}
	err := g.fetch(r.Context(), x, rt)
	if rt.quietly() && dead(err) {
		x.who, x.state, x.token, x.kind = nil, nil, "", NoToken
		return nil
	}
	if err != nil || rt.assertions == nil {
		return err
	}
	return g.assert(x, rt)
}

// asksWhoSent reports whether the CSRF rule holds for a request.
func (g *Gateway) asksWhoSent(r *http.Request, rt *route) bool {
	return !rt.InsecureNoCSRF && (rt.forEverybody() || rt.asksTicket() && g.carriesTicket(r))
}

// identify finds the session of a request; without an error and without one the request
// is anonymous.
func (g *Gateway) identify(x *exchange, r *http.Request, rt *route) error {
	if !rt.asksTicket() {
		return nil
	}
	s, err := g.openTicket(r)
	switch {
	case err == nil:
	case dead(err) && g.anonymously(r, rt):
		return nil
	default:
		return err
	}
	if !rt.Background && !opensStream(r) {
		touch(s, r)
	}
	x.who = s
	return nil
}

// anonymously reports whether a request without a live session goes on without one.
func (g *Gateway) anonymously(r *http.Request, rt *route) bool {
	return rt.quietly() || rt.Access != Required && !g.carriesTicket(r)
}

// touch notes that the user of s did something, unless the request says that nobody did:
// with X-Bff-Background: 1 a script polls by itself.
func touch(s *session.Session, r *http.Request) {
	if one(r.Header, "X-Bff-Background") != "1" {
		s.Touch()
	}
}

// dead reports whether err says that there is no live session, which is something else
// than not being able to tell.
func dead(err error) bool {
	_, ended := errors.AsType[*session.EndedError](err)
	return ended || errors.Is(err, session.ErrNoSession)
}

// detour is where a request that is not let in goes instead.
type detour int

const (
	nowhere   detour = iota // it gets the error itself
	overHop                 // to the same place by the hop, with the ticket
	overLogin               // to the login
)

// detourOf returns the detour for a problem, and where that comes back to.
func (g *Gateway) detourOf(x *exchange, r *http.Request, how Unauthenticated, p *Problem) (d detour, here string) {
	if p.Code.status() != http.StatusUnauthorized {
		return nowhere, ""
	}
	q := classify(r)
	here, long := g.localReturnURL(x.path + query(r))
	// A link on another site leads here, and a Strict ticket has not come along. The hop's
	// own navigation is same-origin: it brings the ticket, and does not hop again.
	if p.Code == NoSession && !g.cfg.Cookie.Lax && q.crossSite && q.topLevel && q.navigation && long == nil {
		return overHop, here
	}
	if !how.wantsLogin(r, q) {
		return nowhere, ""
	}
	if long != nil {
		here = "/"
	}
	return overLogin, here
}

// unauthenticated answers a request that is not let in: with the hop, with the login, or
// with the error itself.
func (g *Gateway) unauthenticated(x *exchange, r *http.Request, how Unauthenticated, err error) error {
	p := g.problemOf(err)
	d, here := g.detourOf(x, r, how, p)
	switch d {
	case overHop:
		if g.cfg.ConfirmLogins && how.wantsLogin(r, classify(r)) {
			// A hop to the page itself would lead on to the login as if a page of ours had asked.
			here = g.loginURL(here) + "&" + resumeParam + "=1"
		}
		return g.hop(x, r, here)
	case nowhere:
		return err
	}
	login := g.loginURLFor(here, p.demand)
	x.code, x.err = p.Code, p.Err
	g.ownHeaders(x.Header())
	x.Header().Set("Location", login)
	x.WriteHeader(http.StatusFound)
	return nil
}

// wantsLogin reports whether a request without a session is sent to the login. A prefetch
// never is: nobody has asked for the page yet.
func (u Unauthenticated) wantsLogin(r *http.Request, q request) bool {
	switch u {
	case Login:
		return r.Method == http.MethodGet && !prefetch(r.Header)
	case ByRequest:
		return q.navigation
	}
	return false
}

// query is the query of a request as it stood in the request line.
func query(r *http.Request) string {
	if r.URL.RawQuery == "" && !r.URL.ForceQuery {
		return ""
	}
	return "?" + r.URL.RawQuery
}

// opensStream reports whether a request opens a WebSocket or an event stream. Browsers
// reopen those by themselves, so they are no sign of a user. A front proxy that asks about
// a handshake leaves Upgrade out.
func opensStream(r *http.Request) bool {
	return isWebSocket(r) || r.Header["Sec-Websocket-Key"] != nil || strings.HasPrefix(one(r.Header, "Accept"), "text/event-stream")
}
