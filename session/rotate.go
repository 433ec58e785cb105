package session

import (
	"context"
	"time"
)

// Keys returns the keyring.
func (m *Manager) Keys() *Keyring { return m.tickets.Load().ring }

// SetKeys puts another keyring in the place of the manager's, at once and for all that
// follows; nobody waits for it. What was sealed before opens as long as ring has its key, and
// a record is sealed anew under the first key whenever it is written.
//
// With a key goes what it alone could open: tickets (ErrNoSession), and records, which are a
// *StoreError until the key is put back, also where memory had them open. Where a store is
// shared, every process needs a key before the first one seals with it.
func (m *Manager) SetKeys(ring *Keyring) error {
	t, err := newTickets(ring, m.cfg.AbsoluteTimeout+tombstoneFor)
	if err != nil {
		return err
	}
	m.tickets.Store(t)
	m.cache.tickets.InvalidateAll()
	for id, s := range m.cache.sessions.All() {
		if !ring.knows(s.State().sealed) {
			m.cache.drop(id)
		}
	}
	return nil
}

// remember spares the next request to open the ticket, unless the keyring under which it
// was opened has gone meanwhile: SetKeys may have been here between.
func (m *Manager) remember(ticket string, id ID, under *tickets) {
	m.cache.tickets.Set(ticket, id)
	if m.tickets.Load() != under {
		m.cache.tickets.Invalidate(ticket)
	}
}

// reopen reads a record again whose key has been removed: another process may have written
// it since under a key that is there. The errors are ErrNoSession and *StoreError.
func (s *Session) reopen(ctx context.Context) error {
	r, err := s.m.load(ctx, s.id)
	if err != nil {
		return err
	}
	st, err := s.m.unseal(ctx, r)
	if err != nil {
		return err
	}
	s.publish(st)
	return nil
}

// alarm tells of a record that cannot be opened. Every request for it ends here, so that one
// line a second stands for all.
func (m *Manager) alarm(ctx context.Context, id ID, err error) {
	if m.cfg.Observe != nil {
		m.cfg.Observe(Event{Kind: Locked, ID: id, Err: err})
	}
	now, last := m.now().UnixNano(), m.alarmed.Load()
	if since := now - last; since >= 0 && since < int64(time.Second) || !m.alarmed.CompareAndSwap(last, now) {
		return
	}
	m.log.ErrorContext(ctx, "a session record cannot be opened: was a key removed from session.keys, or is a new one not here yet?", "session", id.String(), "err", err)
}
