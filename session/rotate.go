package session

import (
	"context"
	"time"
)

// Keys returns the keyring.
func (m *Manager) Keys() *Keyring { return m.tickets.Load().ring }

// useTickets puts others in the place of the tickets, and of the keyring with them.
func (m *Manager) useTickets(t *tickets) {
	ring := t.ring
	m.tickets.Store(t)
	m.cache.tickets.InvalidateAll()
	for id, s := range m.cache.sessions.All() {
		if !ring.knows(s.State().sealed) {
			m.cache.drop(id)
		}
	}
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
