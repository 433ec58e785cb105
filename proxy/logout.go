package proxy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// A logout ends the session here first, whatever the provider does; then it takes the
// ticket from the browser; then the refresh token is revoked in the background; then the
// browser goes on to the provider (OpenID Connect RP-Initiated Logout 1.0).
//
//	POST /bff/logout          ─▶ {"redirect_url": "/bff/logout?onward=…"}
//	GET  /bff/logout?onward=… ─▶ 302 to the provider, once, with the hint
//	GET  /bff/logout?sid=…    ─▶ both in one navigation
//
// The ID token that the provider wants as a hint stands only in the Location of a
// navigation, where no script can read it.

const (
	// onwardTTL is how long the address that a logout answers with is good.
	onwardTTL = 5 * time.Minute
	// endWait bounds the end of sessions: a browser that leaves does not stop it.
	endWait = 10 * time.Second
)

// logoutPost answers POST /bff/logout.
func (g *Gateway) logoutPost(w http.ResponseWriter, r *http.Request) error {
	if err := g.checkCSRF(r); err != nil {
		return err
	}
	s, err := g.openTicket(r)
	switch {
	case err == nil:
		err = g.end(r, session.LoggedOut, s.ID())
	case unknowable(err) || replaced(err):
	default:
		s, err = g.leftover(r.Context(), err)
	}
	if err != nil {
		return err
	}
	redirectURL := g.cfg.PostLogoutURL
	if s != nil {
		if redirectURL, err = g.onwardURL(s); err != nil {
			return err
		}
	}
	// Always: a browser that asks for the logout shall hold no ticket after it.
	g.leave(w)
	return writeJSON(w, http.StatusOK, struct {
		RedirectURL string `json:"redirect_url"`
	}{redirectURL})
}

// logoutGet answers GET /bff/logout, with a sid or with what logoutPost answered.
func (g *Gateway) logoutGet(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(query["sid"]) > 1 || len(query["onward"]) > 1 {
		return badRequest("The logout's query is not well formed.")
	}
	// The answer's Location has the ID token in it, or ends a session: neither is for an
	// <img> or for a script that fetches.
	if from := g.classify(r); !from.navigation || framed(r) {
		return refusedLogout("A logout is a navigation: open this address in the window.")
	}
	if query.Has("onward") {
		return g.logoutOnward(w, r, query.Get("onward"))
	}
	s, err := g.openTicket(r)
	switch {
	case err == nil:
		return g.logoutBySid(w, r, s, query.Get("sid"))
	case unknowable(err):
		return err
	}
	return g.logoutEnded(w, r, err, query.Get("sid"))
}

// logoutEnded is the logout of a browser whose session is over already, as err says.
func (g *Gateway) logoutEnded(w http.ResponseWriter, r *http.Request, err error, sid string) error {
	s, failed := g.leftover(r.Context(), err)
	target := g.cfg.PostLogoutURL
	switch {
	case failed != nil:
		return failed
	case s != nil && proves(sid, s):
		target = g.providerLogout(s.State())
	case fromElsewhere(r):
		return refusedLogout("There is no session to end.")
	}
	if !replaced(err) {
		g.leave(w)
	}
	redirect(w, http.StatusFound, target)
	return nil
}

// leftover returns the session that has ended, as err says, if the logout of its browser
// still has a way to go: somebody else ended it, an operator or another device, a few
// minutes ago, and the hint for the provider is still there. Else it is nil.
func (g *Gateway) leftover(ctx context.Context, err error) (*session.Session, error) {
	ended, ok := errors.AsType[*session.EndedError](err)
	if !ok || ended.Reason == session.LoggedOut || ended.Reason == session.Replaced {
		return nil, nil
	}
	s, err := g.cfg.Sessions.Get(ctx, ended.ID)
	switch {
	case errors.Is(err, session.ErrNoSession):
		return nil, nil
	case err != nil:
		return nil, err
	case s.State().Grant.IDToken == "":
		return nil, nil
	}
	return s, nil
}

// proves reports whether sid is the session's own value for a logout.
func proves(sid string, s *session.Session) bool {
	proof := s.State().Proof
	return proof != "" && subtle.ConstantTimeCompare([]byte(sid), []byte(proof)) == 1
}

// logoutBySid ends the session if sid is its own proof. Another site can send the browser
// here, but it cannot know the proof; the answer does not tell it.
func (g *Gateway) logoutBySid(w http.ResponseWriter, r *http.Request, s *session.Session, sid string) error {
	if !proves(sid, s) {
		return refusedLogout("This address does not belong to the session. Sign out from a page of the application.")
	}
	if err := g.end(r, session.LoggedOut, s.ID()); err != nil {
		return err
	}
	g.leave(w)
	redirect(w, http.StatusFound, g.providerLogout(s.State()))
	return nil
}

// onward is what the one-use address of a logout holds.
type onward struct {
	Once    string `json:"o"`
	Session []byte `json:"s"`
}

// onwardURL is a local address that goes on to the provider once.
func (g *Gateway) onwardURL(s *session.Session) (string, error) {
	box, err := g.box("logout", onwardTTL)
	if err != nil {
		return "", err
	}
	id := s.ID()
	data, err := json.Marshal(onward{rand.Text(), id[:]})
	if err != nil {
		return "", fmt.Errorf("proxy: encoding a logout: %w", err)
	}
	sealed, err := box.Seal("logout", data)
	if err != nil {
		return "", err
	}
	return g.base + "/logout?" + url.Values{"onward": {sealed}}.Encode(), nil
}

// logoutOnward sends the browser of an ended session to the provider, the first time.
func (g *Gateway) logoutOnward(w http.ResponseWriter, r *http.Request, sealed string) error {
	target, err := g.openOnward(r.Context(), sealed)
	switch {
	case errors.Is(err, errOnwardDone):
		target = g.cfg.PostLogoutURL
	case err != nil:
		return err
	}
	redirect(w, http.StatusFound, target)
	return nil
}

// errOnwardDone says that an onward address leads nowhere any more.
var errOnwardDone = errors.New("proxy: this logout is done")

// openOnward uses up an onward address and returns where it leads.
func (g *Gateway) openOnward(ctx context.Context, sealed string) (string, error) {
	box, err := g.box("logout", onwardTTL)
	if err != nil {
		return "", err
	}
	data, err := box.Open("logout", sealed)
	if err != nil {
		return "", errOnwardDone
	}
	var o onward
	if err := json.Unmarshal(data, &o); err != nil || len(o.Session) != len(session.ID{}) {
		return "", errOnwardDone
	}
	s, err := g.cfg.Sessions.Get(ctx, session.ID(o.Session))
	if errors.Is(err, session.ErrNoSession) {
		return "", errOnwardDone
	}
	if err != nil {
		return "", err
	}
	err = g.cfg.Sessions.Once(ctx, "logout", o.Once, 2*onwardTTL)
	if errors.Is(err, session.ErrUsed) {
		return "", errOnwardDone
	}
	if err != nil {
		return "", err
	}
	return g.providerLogout(s.State()), nil
}

// providerLogout is where the browser of an ended session goes: to the provider that it
// belongs to, or, if that is not to be asked, to where a logout lands.
func (g *Gateway) providerLogout(st *session.State) string {
	if g.cfg.Provider.Owns(&st.Grant) {
		if target := g.cfg.Provider.LogoutURL(&st.Grant, rand.Text()); target != "" {
			return target
		}
	}
	return g.cfg.PostLogoutURL
}

// leave takes from the browser what it has of the session: the ticket, and what it may have
// cached for the user. Clear-Site-Data must not say "cookies": that would empty the whole
// registrable domain, and with it the applications of others.
func (g *Gateway) leave(w http.ResponseWriter) {
	g.clearTicket(w)
	w.Header().Set("Clear-Site-Data", `"cache"`)
}

// end ends sessions, also if the browser has left meanwhile. One that has vanished is ended,
// too.
func (g *Gateway) end(r *http.Request, why session.Reason, ids ...session.ID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endWait)
	defer cancel()
	_, err := g.cfg.Sessions.EndAll(ctx, ids, why)
	return err
}

// fromElsewhere reports whether another site, or a sibling of ours, sent the browser here.
func fromElsewhere(r *http.Request) bool {
	site := one(r.Header, "Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

// replaced reports whether err says that a newer login took the session's place; then the
// ticket in the browser may be the newer one already.
func replaced(err error) bool {
	ended, ok := errors.AsType[*session.EndedError](err)
	return ok && ended.Reason == session.Replaced
}

func refusedLogout(detail string) error { return &Problem{Code: CSRFFailed, Detail: detail} }
