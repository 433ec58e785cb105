package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	// finishWait bounds what follows a good callback: exchange, keys, store.
	finishWait = 30 * time.Second
	// revokeWait bounds the revocation of a grant that could not be kept.
	revokeWait = 5 * time.Second
)

// callback answers GET /bff/callback: it finishes the attempt that the state names and
// gives the browser a ticket (RFC 6749 §4.1.2, RFC 9207, OpenID Connect Core §3.1.3).
//
//	state opens ─▶ attempt, of this browser ─▶ iss ─▶ state used up ─▶ code ─▶ session ─▶ hop
//	                   │ none
//	                   └▶ a live session? to its returnUrl : a page
//
// Nothing in the answer is believed before the attempt and the issuer are, and the state
// is used up, durably, before the code is presented. So a forged or repeated callback
// costs the provider nothing.
func (g *Gateway) callback(w http.ResponseWriter, r *http.Request) error {
	answer, err := g.readAnswer(r)
	if err != nil {
		return err
	}
	st, err := g.openState(answer.state)
	if err != nil {
		return g.staleCallback(w, r, answer, state{}, err)
	}
	if answer.stale {
		return g.staleCallback(w, r, answer, st, errors.New("proxy: the attempt was missing before the hop, too"))
	}
	a, err := g.openAttempt(r, st.id)
	if err == nil {
		err = a.usable(g, g.bindings(r))
	}
	if err != nil {
		return g.staleCallback(w, r, answer, st, err)
	}
	if err := g.checkAnswer(r.Context(), answer); err != nil {
		return g.notLoggedIn(w, r, a, g.loginProblem(st, a, err))
	}
	if answer.error != "" {
		g.clearAttempt(w, a.ID)
		return g.refusedLogin(w, r, answer, st, a)
	}
	return g.finishLogin(w, r, answer, st, a)
}

// finishLogin redeems the code and gives the browser the ticket of the session that began.
func (g *Gateway) finishLogin(w http.ResponseWriter, r *http.Request, answer *answer, st state, a *attempt) error {
	l, first, err := g.logins.share(r.Context(), keyOfLogin(a, answer), g.cfg.Now, func(l *login) { g.redeem(l, r, answer, st, a) })
	switch {
	case err != nil:
		return err
	case errors.Is(l.err, session.ErrUsed):
		return g.staleCallback(w, r, answer, st, l.err)
	case !l.spent:
		return l.err
	}
	if !first && l.err == nil {
		// It may have ended meanwhile, and an ended session is nobody's to take.
		if _, err := g.cfg.Sessions.Open(r.Context(), l.ticket); err != nil {
			return g.staleCallback(w, r, answer, st, err)
		}
	}
	g.clearAttempt(w, a.ID)
	if l.err != nil {
		return g.notLoggedIn(w, r, a, l.err)
	}
	g.setTicket(w, l.ticket)
	if err := g.rememberSession(w, r, a, l.session); err != nil {
		return err
	}
	g.pruneAttempts(w, r, maxAttempts)
	if a.Silent && framed(r) {
		return g.tellParent(w, true)
	}
	return g.hop(w, r, st.returnURL)
}

// redeem uses the state up, presents the code and begins the session. It runs on a context
// of its own: a browser that leaves now must cost neither the grant nor the session.
func (g *Gateway) redeem(l *login, r *http.Request, answer *answer, st state, a *attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), finishWait)
	defer cancel()
	if err := g.cfg.Sessions.AdmitLogin(r.Context(), g.household(r)); err != nil {
		l.err = g.loginProblem(st, a, err)
		return
	}
	if err := g.cfg.Sessions.Once(ctx, "state", a.ID, 2*attemptTTL); err != nil {
		l.err = err
		return
	}
	l.spent = true
	grant, err := g.cfg.Provider.Exchange(ctx, answer.code, oidc.AuthRequest{
		State: answer.state, Nonce: a.Nonce, Verifier: a.Verifier, Params: a.Asked, Demand: a.Demand,
		ProofKey: session.Token(a.ProofKey),
	})
	if err != nil {
		l.err = g.loginProblem(st, a, err)
		return
	}
	grant.SessionState = answer.sessionState
	s, ticket, err := g.begin(r.WithContext(ctx), grant, a)
	if _, ended := errors.AsType[*session.EndedError](err); ended {
		// The browser's ticket may be another session's, and that one lives.
		err = &Problem{
			Code: LoginFailed, Err: err, LoginURL: g.loginURL(st.returnURL),
			Detail: "You were signed out while this sign-in was under way. Please start it again.",
		}
	}
	if err != nil {
		l.err = err
		return
	}
	l.session, l.ticket, l.err = s.ID(), ticket, nil
}

// begin stores the new session in the place of the browser's old one. A grant that cannot
// be kept is given back: nobody would ever revoke it.
func (g *Gateway) begin(r *http.Request, grant *session.Grant, a *attempt) (*session.Session, string, error) {
	ctx := r.Context()
	old, err := g.predecessors(r, a)
	var s *session.Session
	var ticket string
	if err == nil {
		start := session.Start{Grant: *grant, Device: g.device(r)}
		if len(old) > 0 {
			start.Replaces = old[0].ID()
		}
		s, ticket, err = g.cfg.Sessions.Begin(ctx, start)
	}
	if err != nil {
		g.giveBack(ctx, grant)
		return nil, "", err
	}
	for _, o := range old[min(1, len(old)):] {
		if err := o.End(ctx, session.Replaced); err != nil {
			g.cfg.Log.WarnContext(ctx, "a session that this login replaces could not be ended", "session", o.ID().String(), "err", err)
		}
	}
	return s, ticket, nil
}

// giveBack revokes the refresh token of a grant that found no session.
func (g *Gateway) giveBack(ctx context.Context, grant *session.Grant) {
	if grant.RefreshToken == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeWait)
	defer cancel()
	err := g.cfg.Provider.Revoke(ctx, session.Revocation{
		Issuer: grant.Issuer, ClientID: grant.ClientID, Token: grant.RefreshToken,
	})
	if err != nil {
		g.cfg.Log.WarnContext(ctx, "the refresh token of a login that could not be stored was not revoked", "err", err)
	}
}

// refusedLogin answers an error of the provider's (RFC 6749 §4.1.2.1, OpenID Connect Core
// §3.1.2.6).
func (g *Gateway) refusedLogin(w http.ResponseWriter, r *http.Request, answer *answer, st state, a *attempt) error {
	// A silent login that needs the user is an answer, not a failure: where it came from
	// goes on without it, and nothing tries again.
	if a.Silent && !framed(r) && slices.Contains(needsUser, answer.error) {
		return g.hop(w, r, st.returnURL)
	}
	return g.notLoggedIn(w, r, a, g.loginProblem(st, a, &oidc.LoginError{
		Code: answer.error,
		Err:  fmt.Errorf("the provider answered %.64q: %.200q", answer.error, answer.description),
	}))
}

// needsUser are the errors of a provider that was asked not to show itself and must.
var needsUser = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}

// notLoggedIn answers a login that came to nothing: a page, or the word to the page around
// a silent one.
func (g *Gateway) notLoggedIn(w http.ResponseWriter, r *http.Request, a *attempt, err error) error {
	if a.Silent && framed(r) {
		g.cfg.Log.InfoContext(r.Context(), "silent login failed", "err", err)
		g.tellSilentLogin(r, err)
		return g.tellParent(w, false)
	}
	return err
}

// staleCallback answers a callback that no attempt of this browser belongs to: the back
// button, a reload, a second click, a tab that was left open, or a forgery. With a live
// session it is none of the user's business and goes where the login would have gone.
func (g *Gateway) staleCallback(w http.ResponseWriter, r *http.Request, answer *answer, st state, why error) error {
	returnURL := st.returnURL
	if returnURL == "" {
		returnURL = "/"
	}
	_, err := g.openTicket(r)
	switch {
	case err == nil:
		redirect(w, http.StatusSeeOther, returnURL)
		return nil
	case unknowable(err):
		return err
	case st.id != "" && !answer.stale && g.ticketWithheld(r):
		// The code is not needed any more and stays behind.
		return g.hop(w, r, g.base+"/callback?"+url.Values{"state": {answer.state}, "stale": {"1"}}.Encode())
	}
	return &Problem{
		Code: LoginFailed, Err: why, LoginURL: g.loginURL(returnURL),
		Detail: "This sign-in cannot be finished: it took too long, was finished before, or began in another browser. Please start it again.",
	}
}

// ticketWithheld reports whether this browser may have a ticket that SameSite=Strict kept
// at home: it has been at the login, and this navigation does not come from here.
func (g *Gateway) ticketWithheld(r *http.Request) bool {
	from := g.classify(r)
	return from.navigation && from.topLevel && (from.crossSite || !from.metadata) &&
		!g.carriesTicket(r) && len(g.bindings(r)) > 0
}

// loginProblem is the answer to a login that failed, with the way to a new one. What a
// refused code means is not what a refused refresh token means, so it has a mapping of its
// own.
func (g *Gateway) loginProblem(st state, a *attempt, err error) error {
	p := &Problem{Code: LoginFailed, Err: err, LoginURL: g.loginURLFor(st.returnURL, a.Demand)}
	if e, ok := errors.AsType[*oidc.LoginError](err); ok {
		p.Detail = "The sign-in did not succeed. Please start it again; if that does not help, the operator finds the reason in the gateway's log."
		switch e.Code {
		case "access_denied":
			p.Code, p.Detail = AccessDenied, "The sign-in was refused or cancelled."
		case oidc.DemandUnmet:
			p.Detail = "The sign-in service did not confirm the kind of sign-in that was asked for, or that it took place just now. Please start it again; if that does not help, your account may lack what it takes."
		}
		return p
	}
	e, ok := errors.AsType[*session.RefreshError](err)
	switch {
	case !ok && !errors.Is(err, oidc.ErrNotReady), ok && e.Class == session.Operator:
		p.Code, p.Detail = GatewayMisconfigured, "The gateway's own access to the sign-in service does not work."
	case !ok:
		p.Code, p.Detail = IDPUnavailable, "The sign-in service does not answer at the moment."
	case e.Class == session.Transient || e.Class == session.Unknown:
		p.Code, p.Detail, p.RetryAfter = IDPUnavailable, "The sign-in service does not answer at the moment.", e.RetryAfter
	default:
		p.Detail = "The sign-in did not succeed. Please start it again."
	}
	return p
}
