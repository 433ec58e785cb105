package proxy

import (
	"errors"
	"net/http"

	"github.com/cloakroom-bff/cloakroom/session"
)

// sessionInfo is the answer of GET /bff/session and POST /bff/refresh. Times are whole
// seconds. All members are always there; those that tell of a session are null without
// one, and where the provider said nothing.
type sessionInfo struct {
	Authenticated bool `json:"authenticated"`
	// ExpiresIn is what is left until the session ends whatever happens.
	ExpiresIn *int64 `json:"expires_in"`
	// IdleExpiresIn is what is left until it ends if nobody uses it.
	IdleExpiresIn *int64 `json:"idle_expires_in"`
	// Limit is what ends it if nobody uses it: "idle", "absolute", or "provider" where the
	// provider said so at the login.
	Limit *string `json:"limit"`
	// AccessTokenExpiresIn is what is left of the login's access token, zero if it has
	// run out. Nobody needs to act on it: the gateway refreshes by itself.
	AccessTokenExpiresIn *int64  `json:"access_token_expires_in"`
	LoginURL             string  `json:"login_url"`
	LogoutURL            *string `json:"logout_url"`
	// AuthTime is when the user last signed in at the provider, in seconds since 1970.
	AuthTime *int64         `json:"auth_time"`
	ACR      *string        `json:"acr"`
	Claims   map[string]any `json:"claims"`
}

// session answers GET /bff/session: always 200, so that asking is no error. It never
// extends the session. Only a store that is away makes it a 503, since then nobody knows.
func (g *Gateway) session(w http.ResponseWriter, r *http.Request) error {
	s, err := g.openOwn(r)
	if err == nil {
		return g.writeSession(w, s)
	}
	ended, over := errors.AsType[*session.EndedError](err)
	if !over && !errors.Is(err, session.ErrNoSession) {
		return err
	}
	// The browser of a session that a newer login replaced may hold the newer ticket.
	if over && ended.Reason != session.Replaced {
		g.clearTicket(w)
	}
	return writeJSON(w, http.StatusOK, sessionInfo{LoginURL: g.base + "/login"})
}

// refresh answers POST /bff/refresh: it refreshes now, for new roles and claims, and tells
// what there is then. Package session limits how often. It is no activity.
func (g *Gateway) refresh(w http.ResponseWriter, r *http.Request) error {
	if err := g.checkCSRF(r); err != nil {
		return err
	}
	s, err := g.openTicket(r)
	if err != nil {
		return err
	}
	if err := s.Refresh(r.Context()); err != nil {
		return err
	}
	return g.writeSession(w, s)
}

// writeSession answers with what there is to know of a live session.
func (g *Gateway) writeSession(w http.ResponseWriter, s *session.Session) error {
	st := s.State()
	idle, absolute := s.Limits()
	info := sessionInfo{
		Authenticated: true,
		ExpiresIn:     new(wholeSeconds(absolute)),
		IdleExpiresIn: new(wholeSeconds(min(idle, absolute))),
		Limit:         new(limitName(s.NextLimit())),
		LoginURL:      g.base + "/login",
		LogoutURL:     new(g.logoutURL(st)),
		Claims:        claimsOf(&st.Grant),
	}
	if t, known := st.Grant.Access[session.Target{}]; known && !t.Expiry.IsZero() {
		info.AccessTokenExpiresIn = new(wholeSeconds(max(0, t.Expiry.Sub(g.cfg.Now()))))
	}
	if !st.Grant.AuthTime.IsZero() {
		info.AuthTime = new(st.Grant.AuthTime.Unix())
	}
	if st.Grant.ACR != "" {
		info.ACR = new(st.Grant.ACR)
	}
	return writeJSON(w, http.StatusOK, info)
}

// limitName is what the gateway's own endpoints call a limit.
func limitName(why session.Reason) string {
	if why == session.ProviderLimit {
		return "provider"
	}
	return string(why)
}
