package session

import (
	"context"
	"time"
)

// Event is something that happened to a session, for metrics and the audit trail. It holds
// no token.
type Event struct {
	Kind EventKind

	// Whose session it is, and where it lives.
	ID      ID
	Issuer  string
	Client  string // at the provider
	Subject string
	Device  Device

	Continues ID     // the session that one which began goes on with; zero if it is a new one
	ACR       string // of the login by which it began, as the provider has it

	Reason  Reason        // of an end
	By      string        // who or what asked for it, as [By] says; empty if nobody did
	Outcome string        // of a refresh or a revocation: "ok" or what went wrong
	Took    time.Duration // of a refresh
	Err     error         // of a refresh or a revocation; holds no token
	Trace   string        // names the trace of the request that caused it; empty if there is none
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	Began     EventKind = "began"
	Ended     EventKind = "ended"
	Refreshed EventKind = "refreshed" // one presentation of a refresh token, good or not
	Revoked   EventKind = "revoked"   // one attempt at a revocation, good or not
	Locked    EventKind = "locked"    // a record could not be opened: a key is missing
	WentStale EventKind = "outdated"  // token and claims must be fetched anew before it is used again
)

type byKey struct{}

// By returns a context in which the end of a session is somebody's doing, for the audit
// trail: an operator's address, the security event that told of it. It has no other effect.
func By(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, byKey{}, who)
}

// tell reports what happened to the session.
func (s *Session) tell(ctx context.Context, e Event) {
	if s.m.cfg.Observe == nil {
		return
	}
	st := s.state.Load()
	e.Trace = s.m.traceOf(ctx)
	e.ID, e.Issuer, e.Client, e.Subject, e.Device = s.id, st.Grant.Issuer, st.Grant.ClientID, st.Grant.Subject, st.Device
	switch e.Kind {
	case Began:
		e.ACR = st.Grant.ACR
	case Ended, WentStale:
		e.By, _ = ctx.Value(byKey{}).(string)
	}
	s.m.cfg.Observe(e)
}
