package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// EventToken is a security event token (SET, RFC 8417) whose signature and claims are good.
type EventToken struct {
	Issuer string // the transmitter
	ID     string // jti: another token with the same one is the same
	// Until is when the token is refused at the latest.
	Until  time.Time
	Events []SecurityEvent // at least one, by type
}

// SecurityEvent is what one event says.
type SecurityEvent struct {
	Type string // its URI
	// Name is the last part of the URI of an event that is known here, such as
	// session-revoked; empty for any other.
	Name string
	// At is when it happened, in whole seconds of the transmitter's clock; not later than
	// the token.
	At time.Time
	// About are the sessions that it concerns: those that any of these names. None, if the
	// subject is nobody of the provider's, or identified in a way that is not known here.
	About []session.Word
}

// oldestEvent is how old an event may be: as long as sessions live by default. Transmitters
// try for days to deliver one, and one that comes late is still true of the sessions that
// began before it.
const oldestEvent = 7 * 24 * time.Hour

// read judges a token whose signature is good.
func (r *Receiver) read(typ string, payload []byte) (*EventToken, error) {
	c, err := readClaims(payload)
	if err != nil {
		return nil, &EventError{InvalidRequest, fmt.Errorf("claims: %w", err)}
	}
	if iss := c.text("iss"); iss != r.cfg.Issuer {
		return nil, &EventError{InvalidIssuer, fmt.Errorf("iss is %q, not %q", short(iss), r.cfg.Issuer)}
	}
	if !c.isFor(r.cfg.Audience) {
		return nil, &EventError{InvalidAudience, fmt.Errorf("aud names nobody of %q", r.cfg.Audience)}
	}
	now, skew := r.provider.now(), r.provider.cfg.ClockSkew
	if err := firstOf(eventType(typ), c.checkEventClaims(), c.checkIssued(now, skew)); err != nil {
		return nil, &EventError{InvalidRequest, err}
	}
	issued, _ := c.time("iat")
	t := &EventToken{Issuer: r.cfg.Issuer, ID: c.text("jti"), Until: issued.Add(oldestEvent + skew)}
	events, _ := c["events"].(map[string]any)
	for _, uri := range slices.Sorted(maps.Keys(events)) {
		e, err := r.event(c, uri, events[uri])
		if err != nil {
			return nil, &EventError{InvalidRequest, fmt.Errorf("%s: %w", short(uri), err)}
		}
		t.Events = append(t.Events, *e)
	}
	return t, nil
}

// isFor reports whether aud names one of us.
func (c claims) isFor(us []string) bool {
	named, ok := c.list("aud")
	return ok && slices.ContainsFunc(named, func(name string) bool { return slices.Contains(us, name) })
}

// eventType demands the explicit type (Shared Signals Framework 1.0 §4.1.1), by which no
// other token can be taken for an event.
func eventType(typ string) error {
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != "secevent+jwt" {
		return fmt.Errorf("its typ is %q, not secevent+jwt", short(typ))
	}
	return nil
}

// checkEventClaims refuses what other tokens have and events have not (§4.1.2, §4.1.7), and
// demands what every event has.
func (c claims) checkEventClaims() error {
	for _, other := range []string{"exp", "sub", "nonce"} {
		if _, there := c[other]; there {
			return fmt.Errorf("it has %s, which no event has", other)
		}
	}
	if jti := c.text("jti"); jti == "" {
		return errors.New("jti is missing or no string")
	}
	events, ok := c["events"].(map[string]any)
	if !ok || len(events) == 0 {
		return errors.New("events is missing, empty or no object")
	}
	return nil
}

// checkIssued judges iat.
func (c claims) checkIssued(now time.Time, skew time.Duration) error {
	iat, ok := c.time("iat")
	switch {
	case !ok:
		return errors.New("iat is missing or no time")
	case iat.After(now.Add(skew)):
		return fmt.Errorf("it was issued %s in the future; is a clock wrong?", iat.Sub(now).Round(time.Second))
	case iat.Before(now.Add(-oldestEvent - skew)):
		return fmt.Errorf("it was issued %s ago, too long to be of use", now.Sub(iat).Round(time.Second))
	}
	return nil
}

// event reads one member of events.
func (r *Receiver) event(c claims, uri string, value any) (*SecurityEvent, error) {
	payload, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("the event is no object")
	}
	at, err := c.happened(payload)
	if err != nil {
		return nil, err
	}
	e := &SecurityEvent{Type: uri, Name: eventName(uri), At: at}
	if err := claims(payload).conform(e.Name); err != nil {
		return nil, err
	}
	// Drafts had the subject inside of the event.
	subject, there := c["sub_id"]
	if !there {
		subject, there = payload["subject"]
	}
	switch {
	case !there && e.Name == "":
		return e, nil // it is not ours to say what it must have
	case !there:
		return nil, errors.New("sub_id is missing")
	}
	id, err := readSubject(subject)
	if err != nil {
		return nil, fmt.Errorf("sub_id: %w", err)
	}
	if !isStreamEvent(e.Name) && !isGoodNews(e.Name, payload) {
		e.About = r.about(id, e)
	}
	return e, nil
}

// happened is when an event took place: as it says itself, else as the token says, at the
// latest when the token was made.
func (c claims) happened(payload map[string]any) (time.Time, error) {
	iat, _ := c.time("iat")
	for _, of := range []struct {
		claims
		name string
	}{{payload, "event_timestamp"}, {c, "toe"}} {
		if _, there := of.claims[of.name]; !there {
			continue
		}
		at, ok := of.moment(of.name)
		if !ok {
			return time.Time{}, fmt.Errorf("%s is no time", of.name)
		}
		if at.Before(iat) {
			return at, nil
		}
		return iat, nil
	}
	return iat, nil
}

// moment is a NumericDate. Drafts counted milliseconds; in seconds these are beyond the year
// 5000.
func (c claims) moment(name string) (time.Time, bool) {
	number, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	const millisecondsSince1973 = 1e11
	if n, err := number.Float64(); err == nil && n >= millisecondsSince1973 && n < 1e15 {
		return time.Unix(int64(n/1000), 0), true
	}
	return c.time(name)
}
