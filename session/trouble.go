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

// mayRetry reports whether the refresh token may be presented at now.
func (st *State) mayRetry(now time.Time) bool {
	t := st.Trouble
	return t == nil || t.Class != Interaction && !now.Before(t.NotBefore)
}

// lost reports whether the refresh token may have been used up by an answer that never
// arrived. Then it is presented once more, but not before the access token has run out:
// a strict provider ends everything at reuse.
func (t *Trouble) lost() bool { return t != nil && t.Lost }
