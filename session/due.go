package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// How much a mass of due records may take of the process. Thousands of sessions that reach
// their limit at once are in no hurry: requests and streams look at limits themselves.
const (
	dueBatch    = 64
	dueAbreast  = 8                      // records that are attended to at a time, so that they share the store's commits
	dueRest     = 4                      // so many times as long as a full look takes is the rest after it
	slotWait    = 250 * time.Millisecond // so long does a look wait for slots for revocations
	longestLine = 256                    // so many records stay due that wait for a slot
)

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
		began := time.Now()
		if m.lookAtDue(ctx) {
			pause(ctx, min(dueRest*time.Since(began), time.Second))
			m.outbox.wake()
		}
	}
}

// lookAtDue takes one batch, and reports whether there may be more. Behind revocations that
// queue for a provider that hangs, it looks further: a limit that has come must not wait
// for them.
func (m *Manager) lookAtDue(ctx context.Context) (more bool) {
	limit := dueBatch + 2*m.outbox.queue
	l := look{began: m.moment()}
	records, err := m.cfg.Store.Due(ctx, m.now(), limit)
	if err != nil {
		if ctx.Err() == nil {
			m.log.WarnContext(ctx, "the store could not say what is due", "err", err)
		}
		return false
	}
	more = len(records) == limit
	if m.memory.store != nil { // other processes have the same list
		rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] }) //nolint:gosec // an order is no secret
	}
	patient, cancel := context.WithTimeout(ctx, slotWait)
	defer cancel()
	sideBySide(dueAbreast, records, func(r Record) { l.note(r, m.attend(ctx, patient, r, l.began)) })
	if l.failed != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "what is due could not be done", "records", l.failures, "err", l.failed)
	}
	m.outbox.queue = min(len(l.busy), longestLine)
	sideBySide(dueAbreast, l.busy[m.outbox.queue:], func(r Record) { m.putOff(ctx, r, l.began) })
	return more && l.done > 0
}

// look is what a look at what is due came to.
type look struct {
	began moment

	mu       sync.Mutex // guards what follows
	done     int
	failures int
	failed   error    // the first one: it stands for all, since it is the store
	busy     []Record // wait for a slot
}

func (l *look) note(r Record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.done++
	case errors.Is(err, errBusy):
		l.busy = append(l.busy, r)
	case errors.Is(err, errUnchanged), errors.Is(err, ErrNoSession):
	default:
		if l.failures++; l.failed == nil {
			l.failed = err
		}
	}
}

// attend does what is due at a record that was read after the moment. It returns nil if
// that got it out of the way. It waits for a slot for revocations until patient ends.
func (m *Manager) attend(ctx, patient context.Context, r Record, after moment) error {
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
		return m.attendOutbox(ctx, patient, s)
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

// putOff makes a revocation that waits behind many others wait for minutes: each look would
// else go through all of them, for as long as the provider is slow.
func (m *Manager) putOff(ctx context.Context, r Record, after moment) {
	s, err := m.follow(ctx, r, after)
	if err != nil {
		return // the next look tells
	}
	_, err = s.change(ctx, func(st *State) error {
		if st.Outbox == nil || m.now().Before(st.Outbox.NotBefore) {
			return errUnchanged
		}
		later := *st.Outbox
		later.NotBefore = m.now().Add(30*time.Second + rand.N(5*time.Minute)) //nolint:gosec // jitter is no secret
		st.Outbox = &later
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) && !errors.Is(err, ErrNoSession) && ctx.Err() == nil {
		m.log.WarnContext(ctx, "a revocation could not be put off", "session", r.ID.String(), "err", err)
	}
}
