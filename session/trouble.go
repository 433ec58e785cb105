package session

import (
	"errors"
	"time"
)

// Trouble is what is remembered of a failed refresh, so that those who come next do not
// repeat it.
type Trouble struct {
	Class    Class             `json:"class"`
	Code     string            `json:"code,omitempty"`
	Demand   map[string]string `json:"demand,omitempty"`
	Failures int               `json:"failures"` // in a row

	// NotBefore is when the refresh token may be presented again. After an Interaction
	// it plays no part: only a login or Session.Refresh helps.
	NotBefore time.Time `json:"not_before,omitzero"`

	// Lost says that the refresh token was presented and the answer never came.
	Lost bool `json:"lost,omitempty"`
}

// LostAnswer says when a refresh token is presented once more after an answer that never
// arrived: the provider may have put another one in its place.
type LostAnswer int

// The ways with a lost answer.
const (
	// WaitForExpiry presents it when the access token has run out. A strict provider ends
	// everything at reuse: not before there is nothing to lose.
	WaitForExpiry LostAnswer = iota
	// RetryAtOnce presents it at once, for providers that forgive that for a while or for
	// ever. Leeways count from the moment in which the provider rotated.
	RetryAtOnce
)

// after returns the trouble that a failure at now makes of t, which may be nil.
func (t *Trouble) after(now time.Time, failed *RefreshError) *Trouble {
	next := Trouble{Class: failed.Class, Code: failed.Code, Demand: failed.Demand, Failures: 1}
	if t != nil {
		next.Failures, next.Lost = t.Failures+1, t.Lost
	}
	if failed.Class == Unknown {
		next.Lost = true
	}
	next.NotBefore = now.Add(max(backoff(next.Failures), min(failed.RetryAfter, longestWait)))
	return &next
}

// unanswered returns the trouble of a presentation whose process died.
func (t *Trouble) unanswered() *Trouble {
	if t == nil {
		return &Trouble{Class: Unknown, Failures: 1, Lost: true}
	}
	next := *t
	next.Lost = true
	return &next
}

// err is the answer to whoever needs a token before it may be asked for again.
func (t *Trouble) err(now time.Time) error {
	return t.wrap(now, &RefreshError{Class: t.Class, Code: t.Code, Demand: t.Demand, Err: errors.New("the last refresh failed a moment ago")})
}

// wrap fills in how long there is to wait.
func (t *Trouble) wrap(now time.Time, failed *RefreshError) error {
	out := *failed
	out.RetryAfter = max(t.NotBefore.Sub(now), time.Second)
	return &out
}

// found returns the trouble after a new refresh token has come: what was lost was the old.
func (t *Trouble) found() *Trouble {
	if !t.lost() {
		return t
	}
	next := *t
	next.Lost = false
	return &next
}

// lost reports whether the refresh token may have been used up by an answer that never
// arrived.
func (t *Trouble) lost() bool { return t != nil && t.Lost }

// hindrance is why the refresh token may not be presented for t at now, nil if it may. Who
// forces it gets past an Interaction and past nothing else.
func (st *State) hindrance(rule LostAnswer, now time.Time, t Target, forced bool) error {
	trouble := st.Trouble
	switch at := st.Grant.Access[t]; {
	case trouble == nil, forced && trouble.Class == Interaction:
		return nil
	case trouble.Class == Interaction, trouble.waits(now):
		return trouble.err(now)
	case trouble.Lost && rule == WaitForExpiry && at.Holds(now) && !at.Expiry.IsZero():
		until := *trouble
		until.NotBefore = at.Expiry
		return until.err(now)
	}
	return nil
}

// waits reports whether the next attempt's time is still to come. One that is further
// away than any wait was written before the clock was set back.
func (t *Trouble) waits(now time.Time) bool {
	left := t.NotBefore.Sub(now)
	return left > 0 && left <= longestWait
}
