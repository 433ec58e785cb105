package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// Watch is what a stream has of its session. A stream outlives the check at its beginning,
// so it hears of the session's end and of every change, on whichever process that happens,
// and has the session checked while nobody else asks:
//
//	w := s.Watch()
//	defer w.Stop()
//	for look := time.NewTimer(0); ; {
//		select {
//		case <-w.Done():
//			return
//		case <-look.C:
//			look.Reset(w.Check(ctx, target))
//		}
//	}
//
// A session that a new login of the same user continues (a step-up) keeps its streams.
// Nothing here is activity of the user. A Watch is safe for concurrent use.
type Watch struct {
	s       *Session // held: the notices of other processes reach only sessions that somebody holds
	changed chan struct{}
}

// How long until Check is asked again.
const (
	checkSoon  = 5 * time.Second // what could not be done now
	checkLater = time.Hour       // nothing is planned
)

// Watch begins to watch the session. Stop ends it.
func (s *Session) Watch() *Watch {
	w := &Watch{s, make(chan struct{}, 1)}
	s.life.join(w)
	s.listen()
	return w
}

// Stop ends the watch.
func (w *Watch) Stop() { w.s.life.leave(w) }

// Done is closed when the session has ended and no other goes on with it.
func (w *Watch) Done() <-chan struct{} { return w.s.life.done }

// Changed has a value when the session's state has changed since the last one was taken.
func (w *Watch) Changed() <-chan struct{} { return w.changed }

// Session returns the session that the stream belongs to by now.
func (w *Watch) Session() *Session {
	s := w.s
	for next := s.heir.Load(); next != nil; next = s.heir.Load() {
		s = next
	}
	return s
}

// Check ends the session if a limit has come, starts a refresh if the token for t is due,
// and returns when to check again unless Changed comes first. It waits for no refresh. What
// store or provider cannot do at the moment is left for the next time.
func (w *Watch) Check(ctx context.Context, t Target) time.Duration {
	s := w.Session()
	now, st := s.m.now(), s.state.Load()
	if st.Ended != "" { // Done is closed, or the one that goes on with it is about to be known
		return checkSoon
	}
	if err := s.alive(ctx, now); err != nil {
		return time.Second
	}
	idle, absolute := s.Limits()
	return max(min(idle, absolute, s.renewWhenDue(ctx, t, now)), time.Millisecond)
}

// renewWhenDue starts a flight for t if one is due and may start, and returns when to look
// again. Unlike Token it never stands in line behind another process's flight: nobody waits.
func (s *Session) renewWhenDue(ctx context.Context, t Target, now time.Time) time.Duration {
	st := s.state.Load()
	at := st.Grant.Access[t]
	window := max(s.window(at), at.margin())
	switch {
	case at.Token != "" && (at.Expiry.IsZero() || !at.Expiry.Before(st.bound())):
		return checkLater // no end is known, or it outlives the session
	case at.Holds(now) && st.Grant.RefreshToken == "":
		return at.Expiry.Add(-at.margin()).Sub(now)
	case at.Token != "" && now.Before(at.Expiry.Add(-window)):
		return at.Expiry.Add(-window).Sub(now)
	}
	if s.mayHurry(now) && !s.held(st, now) {
		_, _ = s.fly(ctx, t) // its end changes the session, or is remembered there
	}
	return checkSoon/2 + rand.N(checkSoon/2) //nolint:gosec // jitter is no secret
}
