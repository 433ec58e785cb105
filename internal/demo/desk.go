package demo

import (
	"net/http"
	"time"
)

// shownFor is how far back the desk tells events.
const shownFor = 2 * time.Minute

// state is what the page asks for every second. Moments are Unix milliseconds, zero if
// unknown.
type state struct {
	Now      int64         `json:"now"`
	User     string        `json:"user"`
	Number   int           `json:"number"` // on the ticket
	Cookie   *cookie       `json:"cookie"` // null if the request did not come through a Door
	Holds    *holds        `json:"holds"`  // null if the session is over
	Provider providerState `json:"provider"`
	Events   []entry       `json:"events"` // the latest, oldest first
}

type holds struct {
	AccessIssued  int64  `json:"access_issued"`
	AccessExpires int64  `json:"access_expires"`
	RefreshToken  bool   `json:"refresh_token"`
	IDToken       bool   `json:"id_token"`
	Refreshes     uint64 `json:"refreshes"`
	Created       int64  `json:"created"`
}

type providerState struct {
	Up     bool    `json:"up"`
	BackIn float64 `json:"back_in"` // seconds
}

// signedIn gives a handler the browser that the gateway names. Somebody who comes past the
// gateway has no name.
func (b *Backend) signedIn(next func(http.ResponseWriter, *http.Request, Browser)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := Browser{Subject: r.Header.Get(SubjectHeader), Session: r.Header.Get(SessionHeader)}
		if who.Subject == "" {
			refuse(w, http.StatusForbidden, "", "the gateway did not say who asks: open the demo at the gateway's address")
			return
		}
		next(w, r, who)
	}
}

func (b *Backend) state(w http.ResponseWriter, r *http.Request, who Browser) {
	held, ok, err := b.cfg.Gateway.Holding(r.Context(), who)
	if err != nil {
		b.log.WarnContext(r.Context(), "the gateway does not tell what it holds", "err", err)
		refuse(w, http.StatusServiceUnavailable, "", "the gateway does not tell what it holds at the moment")
		return
	}
	now := b.now()
	s := state{Now: now.UnixMilli(), User: who.Subject, Cookie: readCookie(r), Provider: b.providerState()}
	s.Events, s.Number = b.ledger.of(who.Subject, now.Add(-shownFor))
	if ok {
		s.Holds = &holds{
			AccessIssued: milli(held.AccessIssued), AccessExpires: milli(held.AccessExpires),
			RefreshToken: held.RefreshToken, IDToken: held.IDToken,
			Refreshes: held.Refreshes, Created: milli(held.Created),
		}
	}
	writeJSON(w, http.StatusOK, s)
}

func (b *Backend) expire(w http.ResponseWriter, r *http.Request, who Browser) {
	if err := b.cfg.Gateway.Expire(r.Context(), who); err != nil {
		b.log.WarnContext(r.Context(), "the gateway did not expire the token", "err", err)
		refuse(w, http.StatusServiceUnavailable, "", "the gateway could not do it at the moment: press again")
		return
	}
	b.Observe(Event{Subject: who.Subject, Kind: expired, OK: true})
	w.WriteHeader(http.StatusNoContent)
}

func (b *Backend) breakProvider(w http.ResponseWriter, _ *http.Request, _ Browser) {
	if !b.outage.begin() {
		refuse(w, http.StatusServiceUnavailable, "", "the demo is shutting down")
		return
	}
	b.Observe(Event{Subject: everybody, Kind: broken, OK: true})
	writeJSON(w, http.StatusOK, b.providerState())
}

func (b *Backend) providerState() providerState {
	left := b.outage.left()
	return providerState{Up: left == 0, BackIn: tenths(left)}
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
