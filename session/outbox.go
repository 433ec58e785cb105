package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
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

// runDue looks every second, and when it is woken, for records that want something: a
// limit has come, a revocation is to be tried, a tombstone may forget the ID token.
func (m *Manager) runDue(ctx context.Context) {
	defer m.outbox.tries.Wait()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-m.outbox.bell:
		case <-ctx.Done():
			return
		}
		m.lookAtDue(ctx)
	}
}

// lookAtDue takes one batch. Behind revocations that queue for a provider that hangs, it
// looks further: a limit that has come must not wait for them.
func (m *Manager) lookAtDue(ctx context.Context) {
	limit := 256 + 2*m.outbox.queue
	began := m.moment()
	records, err := m.cfg.Store.Due(ctx, m.now(), limit)
	if err != nil {
		if ctx.Err() == nil {
			m.log.WarnContext(ctx, "the store could not say what is due", "err", err)
		}
		return
	}
	var done, busy, failed atomic.Int64
	sideBySide(records, func(r Record) {
		switch err := m.attend(ctx, r, began); {
		case err == nil:
			done.Add(1)
		case errors.Is(err, errBusy):
			busy.Add(1)
		case errors.Is(err, errUnchanged), errors.Is(err, ErrNoSession), ctx.Err() != nil:
		case failed.Add(1) == 1: // one stands for all: it is the store
			m.log.WarnContext(ctx, "what is due at a session could not be done", "session", r.ID.String(), "err", err)
		}
	})
	m.outbox.queue = int(busy.Load())
	if len(records) == limit && done.Load() > 0 {
		m.outbox.wake() // there may be more
	}
}

// attend does what is due at a record that was read after the moment. It returns nil if
// that got it out of the way.
func (m *Manager) attend(ctx context.Context, r Record, after moment) error {
	s, err := m.follow(ctx, r, after)
	if errors.Is(err, errSealed) {
		return m.postpone(ctx, r)
	}
	if err != nil {
		return err
	}
	switch st := s.State(); {
	case st.Ended == "":
		return m.attendLimit(ctx, s)
	case st.Outbox != nil && !m.now().Before(st.Outbox.NotBefore):
		return m.attendOutbox(ctx, s)
	}
	return m.dropHint(ctx, s)
}

// postpone takes a record that cannot be opened out of the way of the others, for an hour.
func (m *Manager) postpone(ctx context.Context, r Record) error {
	r.Due = m.now().Add(time.Hour)
	err := m.cfg.Store.Replace(ctx, r)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return nil // somebody who can read it was here
	}
	return err
}

// attendLimit ends a session whose limit has come. If it has not, the record does not know
// of the session's last use, or was written under another idle timeout: it is written anew,
// or it would stand in the way of others until it ends.
func (m *Manager) attendLimit(ctx context.Context, s *Session) error {
	if !s.lives(m.now()) {
		err := s.endAtLimit(ctx, m.now())
		if errors.As(err, new(*EndedError)) {
			return nil
		}
		return err
	}
	_, err := s.change(ctx, func(st *State) error {
		if st.Ended != "" {
			return errUnchanged
		}
		if seen := s.Seen(); seen.After(st.Seen) {
			st.Seen = seen
		}
		return nil
	})
	return err
}

// dropHint makes a tombstone forget the ID token.
func (m *Manager) dropHint(ctx context.Context, s *Session) error {
	_, err := s.change(ctx, func(st *State) error {
		if st.Grant.IDToken == "" || m.now().Before(st.EndedAt.Add(hintFor)) {
			return errUnchanged
		}
		st.Grant.IDToken = ""
		return nil
	})
	return err
}

// attendOutbox claims a session's revocations, so that no other replica tries them too,
// and tries them on a goroutine of their own: a provider that hangs holds up nobody.
func (m *Manager) attendOutbox(ctx context.Context, s *Session) error {
	select {
	case m.outbox.slots <- struct{}{}:
	default:
		return errBusy // the record stays due
	}
	st, err := s.change(ctx, func(st *State) error {
		if st.Outbox == nil || m.now().Before(st.Outbox.NotBefore) {
			return errUnchanged
		}
		claimed := *st.Outbox
		claimed.Tries++
		claimed.NotBefore = m.now().Add(time.Duration(len(claimed.Revoke))*m.cfg.Exchange + time.Second)
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
		call, cancel := context.WithTimeout(ctx, m.cfg.Exchange)
		err := m.cfg.Refresher.Revoke(call, r)
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
