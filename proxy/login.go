package proxy

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// maxLoginQuery bounds the query of a login, in bytes.
const maxLoginQuery = 8 << 10

// loginURL is where a login starts that comes back to returnURL.
func (g *Gateway) loginURL(returnURL string) string {
	if returnURL == "" {
		returnURL = "/"
	}
	return g.base + "/login?" + url.Values{"returnUrl": {returnURL}}.Encode()
}

// login answers GET /bff/login: it makes an attempt and sends the browser to the provider
// (RFC 6749 §4.1.1). Nothing is stored before the callback succeeds.
func (g *Gateway) login(w http.ResponseWriter, r *http.Request) error {
	from := g.classify(r)
	// A fetch in flight would leave an attempt behind that nobody comes to collect.
	if !from.navigation {
		return badRequest(loginFetched)
	}
	query, err := loginQuery(r)
	if err != nil {
		return err
	}
	returnURL, err := g.readReturnURL(query)
	if err != nil {
		return err
	}
	params, err := g.loginParams(query)
	if err != nil {
		return err
	}
	silent, resumes := params.Get("prompt") == "none", query.Get(resumeParam) == "1"
	switch {
	case framed(r) && !(silent && from.sameOrigin):
		return badRequest(loginFramed)
	case from.crossSite && !framed(r) && (resumes || !g.cfg.ConfirmLogins):
		// From another site the Strict ticket stays at home, and the session that this
		// login is to replace with it.
		return g.hop(w, r, g.base+"/login?"+query.Encode())
	}
	replaces, err := g.currentID(r)
	if err != nil {
		return err
	}
	if resumes && !replaces.IsZero() {
		redirect(w, http.StatusFound, returnURL)
		return nil
	}
	if g.cfg.ConfirmLogins && (resumes || !g.begunHere(r, from)) {
		return g.confirm(w, query)
	}
	err = g.startLogin(w, r, returnURL, params, g.openDemand(query.Get(demandParam)), replaces)
	if err != nil && silent && framed(r) {
		// The page around it waits for a word, whatever went wrong.
		g.cfg.Log.InfoContext(r.Context(), "silent login failed", "err", err)
		return g.tellParent(w, false)
	}
	return err
}

// resumeParam of a login says that it is wanted only if the browser has no session, and that
// another site has led here. Behind forward-auth nobody can tell, of such a navigation, before
// it was here.
const resumeParam = "resume"

// What is wrong with a login, for whoever asked for it.
const (
	loginFetched  = "A login is a navigation. Open this address in the window instead of fetching it."
	loginFramed   = "A login in a frame needs prompt=none, and a page of this application around it."
	loginNotClear = "The login's query is not well formed."
	loginRepeats  = "A login parameter stands there more than once. Give each once."
	loginUnknown  = "A login parameter is not allowed here. The gateway passes on only those that provider.login_params names."
)

// loginQuery parses the query of a login.
func loginQuery(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxLoginQuery {
		return nil, badRequest(loginNotClear)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest(loginNotClear)
	}
	return query, nil
}

// loginParams returns what goes on to the provider: the parameters that the configuration
// allows. All others are refused, since the provider might believe them.
func (g *Gateway) loginParams(query url.Values) (url.Values, error) {
	params := url.Values{}
	for name, values := range query {
		switch {
		case name == "returnUrl", name == resumeParam, name == demandParam:
			continue
		case !slices.Contains(g.cfg.LoginParams, name):
			return nil, badRequest(loginUnknown)
		case len(values) > 1:
			return nil, badRequest(loginRepeats)
		}
		params[name] = values
	}
	return params, nil
}

// currentID is the id of the request's live session, or zero.
func (g *Gateway) currentID(r *http.Request) (session.ID, error) {
	s, err := g.openTicket(r)
	switch {
	case err == nil:
		return s.ID(), nil
	case unknowable(err):
		return session.ID{}, err
	}
	return session.ID{}, nil
}

// startLogin makes the attempt and sends the browser off.
func (g *Gateway) startLogin(w http.ResponseWriter, r *http.Request, returnURL string, params url.Values, demand map[string]string, replaces session.ID) error {
	binding, fresh := g.binding(r)
	a := g.newAttempt(binding, replaces)
	a.Silent = params.Get("prompt") == "none"
	a.ask(params, demand)
	key, err := g.cfg.Provider.NewProofKey()
	if err != nil {
		return err
	}
	a.ProofKey = key.Reveal()
	st := state{id: a.ID, returnURL: returnURL}
	sealed, err := g.sealState(st)
	if err != nil {
		return err
	}
	target, err := g.cfg.Provider.AuthorizationURL(r.Context(), oidc.AuthRequest{
		State: sealed, Nonce: a.Nonce, Verifier: a.Verifier, Params: params, Demand: demand, ProofKey: key,
		Admit: func(ctx context.Context) error { return g.cfg.Sessions.AdmitLogin(ctx, g.household(r)) },
	})
	if err != nil {
		return g.notBegun(r, st, a, err)
	}
	if err := g.setAttempt(w, r, a); err != nil {
		return err
	}
	if fresh {
		g.setLoginCookie(w, binding)
	}
	redirect(w, http.StatusFound, target)
	return nil
}

// notBegun is the answer to a login that did not get as far as the browser leaving. The
// session, if there is one, goes on: nothing of it was touched.
func (g *Gateway) notBegun(r *http.Request, st state, a *attempt, err error) error {
	if r.Context().Err() != nil {
		return err // nobody is there to be answered
	}
	return g.loginProblem(st, a, err)
}

// redirect sends the browser on, without a body: target may hold what no page should.
// Only 302 and 303 will do; 307 would send a form's body along.
func redirect(w http.ResponseWriter, status int, target string) {
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}

// framed reports whether the browser loads the answer into a part of another page.
func framed(r *http.Request) bool {
	switch one(r.Header, "Sec-Fetch-Dest") {
	case "", "document", "empty":
		return false
	}
	return true
}

// badRequest is a bad_request that tells the client what is wrong.
func badRequest(detail string) error { return &Problem{Code: BadRequest, Detail: detail} }
