package proxy

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// The login cookie binds login attempts to the browser in which they began, and tells a
// callback which session that browser got last:
//
//	43 random characters [ "." sealed id of the session ]
//
// It is host-only and Lax. The callback comes from the provider, across sites, so the
// Strict ticket stays at home; without the second part two tabs that sign in side by side
// would leave a session behind that nobody holds a ticket of. The id is no credential.

// lastTTL is how long the second part is believed.
const lastTTL = 30 * 24 * time.Hour

// binding returns the browser's binding, or a fresh one if it has none. One that is there
// is kept, for the sake of the other tabs.
func (g *Gateway) binding(r *http.Request) (binding string, fresh bool) {
	if known := g.bindings(r); len(known) > 0 {
		return known[0], false
	}
	return randomText(), true
}

// bindings returns the bindings that the request carries. Under https there is one at
// most; on loopback http another program of this machine may have set a second.
func (g *Gateway) bindings(r *http.Request) []string {
	var found []string
	for value := range cookieValues(r.Header, g.loginCookieName()) {
		binding, _, _ := strings.Cut(value, ".")
		if raw, err := base64.RawURLEncoding.DecodeString(binding); err == nil && len(raw) == 32 && len(found) < maxAttempts {
			found = append(found, binding)
		}
	}
	return found
}

// rememberSession notes in the login cookie which session the browser has got.
func (g *Gateway) rememberSession(w http.ResponseWriter, r *http.Request, a *attempt, id session.ID) error {
	box, err := g.box("login", lastTTL)
	if err != nil {
		return err
	}
	sealed, err := box.Seal("login", id[:])
	if err != nil {
		return err
	}
	for _, binding := range g.bindings(r) {
		if slices.Equal(hashBinding(binding), a.Binding) {
			g.setLoginCookie(w, binding+"."+sealed)
		}
	}
	return nil
}

// lastSessions returns the sessions that the login cookie names: one, or none.
func (g *Gateway) lastSessions(r *http.Request) []session.ID {
	box, err := g.box("login", lastTTL)
	if err != nil {
		return nil
	}
	var found []session.ID
	for value := range cookieValues(r.Header, g.loginCookieName()) {
		_, sealed, _ := strings.Cut(value, ".")
		if data, err := box.Open("login", sealed); err == nil && len(data) == len(session.ID{}) && len(found) < maxAttempts {
			found = append(found, session.ID(data))
		}
	}
	return found
}

// setLoginCookie sets the login cookie, for as long as the browser is open.
func (g *Gateway) setLoginCookie(w http.ResponseWriter, value string) {
	g.setCookie(w, g.loginCookieName(), value, "/", http.SameSiteLaxMode, 0)
}

// predecessors returns the sessions that a login in this browser takes the place of, the
// one that it may continue first.
func (g *Gateway) predecessors(r *http.Request, a *attempt) ([]*session.Session, error) {
	ids := append(g.lastSessions(r), a.replaces())
	var live []*session.Session
	// Strict keeps the ticket from most callbacks; where it does come, it counts.
	s, err := g.openTicket(r)
	if err == nil {
		live = append(live, s)
	} else if unknowable(err) {
		return nil, err
	}
	for _, id := range ids {
		if id.IsZero() || slices.ContainsFunc(live, func(s *session.Session) bool { return s.ID() == id }) {
			continue
		}
		s, err := g.cfg.Sessions.Get(r.Context(), id)
		if errors.Is(err, session.ErrNoSession) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.State().Ended == "" {
			live = append(live, s)
		}
	}
	return live, nil
}
