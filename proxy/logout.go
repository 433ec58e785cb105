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
	// endWait bounds the end of a session: a browser that leaves does not stop it.
	endWait = 10 * time.Second
)

// logoutPost answers POST /bff/logout.
func (g *Gateway) logoutPost(w http.ResponseWriter, r *http.Request) error {
	if err := g.checkCSRF(r); err != nil {
		return err
	}
	redirectURL := g.cfg.PostLogoutURL
	s, err := g.openTicket(r)
	switch {
	case err == nil:
		if err = g.endSession(r, s); err != nil {
			return err
		}
		if redirectURL, err = g.onwardURL(s); err != nil {
			return err
		}
	case unknowable(err) || replaced(err):
		return err
	}
	// Always: a browser that asks for the logout shall hold no ticket after it.
	g.clearTicket(w)
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
	case fromElsewhere(r):
		return refusedLogout("There is no session to end.")
	}
	if !replaced(err) {
		g.clearTicket(w)
	}
	redirect(w, http.StatusFound, g.cfg.PostLogoutURL)
	return nil
}

// logoutBySid ends the session if sid is its own proof. Another site can send the browser
// here, but it cannot know the proof; the answer does not tell it.
func (g *Gateway) logoutBySid(w http.ResponseWriter, r *http.Request, s *session.Session, sid string) error {
	if proof := s.State().Proof; proof == "" || subtle.ConstantTimeCompare([]byte(sid), []byte(proof)) != 1 {
		return refusedLogout("This address does not belong to the session. Sign out from a page of the application.")
	}
	if err := g.endSession(r, s); err != nil {
		return err
	}
	g.clearTicket(w)
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

// endSession ends s, also if the browser has left meanwhile.
func (g *Gateway) endSession(r *http.Request, s *session.Session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endWait)
	defer cancel()
	err := s.End(ctx, session.LoggedOut)
	if errors.Is(err, session.ErrNoSession) {
		return nil // It has vanished meanwhile, which is an end, too.
	}
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
