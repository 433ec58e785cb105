package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// outbox is the worker's side of what State.Outbox holds. What has to be revoked lies in
// the session's own record, written by the same compare-and-swap that ended it: there is
// no moment in which a session is over and its refresh token forgotten.
type outbox struct {
	bell  chan struct{} // rung when there may be work
	slots chan struct{} // one for each revocation that may be under way
	tries sync.WaitGroup
	queue int // runDue's: how many records waited for a slot at the last look
}

// errBusy says that a revocation has to wait for a slot.
var errBusy = errors.New("session: all slots for revocations are taken")

func (o *outbox) init() {
	o.bell, o.slots = make(chan struct{}, 1), make(chan struct{}, 8)
}

// wake asks for a look at what is due.
func (o *outbox) wake() {
	select {
	case o.bell <- struct{}{}:
	default: // it rings already
	}
}

// attendOutbox claims a session's revocations, so that no other replica tries them too,
// and tries them on a goroutine of their own: a provider that hangs holds up nobody.
func (m *Manager) attendOutbox(ctx, patient context.Context, s *Session) error {
	select {
	case m.outbox.slots <- struct{}{}:
	case <-patient.Done():
		return errBusy // the record stays due
	}
	st, err := s.change(ctx, func(st *State) error {
		if st.Outbox == nil || m.now().Before(st.Outbox.NotBefore) {
			return errUnchanged
		}
		claimed := *st.Outbox
		claimed.Tries++
		claimed.NotBefore = m.now().Add(time.Duration(len(claimed.Revoke))*m.terms().Exchange + time.Second)
		st.Outbox = &claimed
		return nil
	})
	if err != nil {
		<-m.outbox.slots
		return err
	}
	m.outbox.tries.Go(func() {
		defer func() { <-m.outbox.slots }()
		m.revoke(ctx, s, st.Outbox)
	})
	return nil
}

// retryRevocation is how long to wait after a failed try: from a second, doubling to 16.
func retryRevocation(tries int) time.Duration {
	// None, if what came home from a refresh joined the outbox during the first try.
	d := time.Second << min(max(tries-1, 0), 4)
	return d/2 + rand.N(d/2) //nolint:gosec // jitter is no secret
}

// revoke tries each token once and takes those that are dead out of the outbox; the rest
// waits a while.
func (m *Manager) revoke(ctx context.Context, s *Session, out *Outbox) {
	dead := make(map[Token]bool)
	for _, r := range out.Revoke {
		call, cancel := context.WithTimeout(ctx, m.terms().Exchange)
		err := m.terms().Refresher.Revoke(call, r)
		cancel()
		e := Event{Kind: Revoked, Outcome: "ok", Err: err}
		dead[r.Token] = err == nil
		if err != nil {
			e.Outcome = "failed"
			if out.Tries&(out.Tries-1) == 0 { // the first, second, fourth, …: an outage is told, not repeated
				m.log.WarnContext(ctx, "a refresh token could not be revoked; it will be tried again", "session", s.id.String(), "tries", out.Tries, "err", err)
			}
		}
		s.tell(ctx, e)
	}
	_, err := s.change(context.WithoutCancel(ctx), func(st *State) error {
		if st.Outbox == nil {
			return errUnchanged
		}
		rest := *st.Outbox
		rest.Revoke, rest.NotBefore = nil, m.now().Add(retryRevocation(rest.Tries))
		for _, r := range st.Outbox.Revoke {
			if !dead[r.Token] {
				rest.Revoke = append(rest.Revoke, r)
			}
		}
		st.Outbox = &rest
		if len(rest.Revoke) == 0 {
			st.Outbox = nil
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) && !errors.Is(err, ErrNoSession) {
		m.log.WarnContext(ctx, "a revocation could not be noted; it will be done once more", "session", s.id.String(), "err", err)
	}
}
