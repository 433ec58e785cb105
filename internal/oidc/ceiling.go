package oidc

import (
	"encoding/json"
	"fmt"
	"time"
)

// A provider can bound the session that it gives rise to, in two ways that are known at the
// login: by a claim of the ID token (session_expiry of IPSIE), and by max_age, where the
// configuration asks for it at every login. The first is an order, the second says how old a
// sign-in may be at most. What one login asks for beyond that, as a step-up does, is a matter
// of that moment and bounds nothing.

const (
	// ceilingMargin is how long before the provider's own end a session is over.
	ceilingMargin = 30 * time.Second
	// leastSession is what a login with an old auth_time gets at least. The provider has just
	// let the user pass; if the session were over at once, he would be sent there again.
	leastSession = 5 * time.Second
	// milliseconds is where a NumericDate cannot be one in seconds: the year 2286.
	milliseconds = 10_000_000_000
)

// ceiling returns when the provider wants the session to be over, zero if it does not say.
// It is an error if that time has come, or cannot be understood: nothing may be guessed.
func (c *Client) ceiling(t *idToken) (time.Time, error) {
	now := c.now()
	end, err := t.expiryClaim(c.cfg.ExpiryClaim, now)
	if err != nil {
		return time.Time{}, err
	}
	age, err := maxAgeOf(c.cfg.AuthorizeParams["max_age"])
	if err != nil || age == 0 { // zero asks for a sign-in each time, and says nothing of what follows
		return end, err
	}
	seen, ok := t.time("auth_time")
	if !ok {
		return end, nil // the demand has refused it
	}
	old := seen.Add(age)
	if least := now.Add(leastSession); old.Before(least) {
		old = least
	}
	if end.IsZero() || old.Before(end) {
		return old, nil
	}
	return end, nil
}

// expiryClaim reads the claim of this name: seconds since 1970, as a number or as a string
// that holds one.
func (t *idToken) expiryClaim(name string, now time.Time) (time.Time, error) {
	value := t.claims[name]
	if value == nil {
		return time.Time{}, nil
	}
	raw, err := json.Marshal(value)
	seconds, ok := secondsOf(raw)
	switch {
	case err != nil || !ok || seconds < 0:
		return time.Time{}, fmt.Errorf("%s is no time in seconds since 1970", short(name))
	case seconds >= milliseconds:
		return time.Time{}, fmt.Errorf("%s is %.0f, which is no time in seconds; is it in milliseconds?", short(name), seconds)
	}
	end := time.Unix(int64(seconds), 0)
	if left := end.Sub(now); left <= ceilingMargin {
		return time.Time{}, fmt.Errorf("by its %s the session ends in %s, less %s; that is over already", short(name), left.Round(time.Second), ceilingMargin)
	}
	return end.Add(-ceilingMargin), nil
}
