package session

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Shared is a Store that several processes use at once. Beside a Store's contract it says
// when memory is out of date, so that sessions can be served from memory all the same. All
// methods are safe for concurrent use.
type Shared interface {
	Store

	// Notify registers the one function that is told, soon after, when a record that this
	// process has loaded or written has been changed by another process, or has gone. The
	// zero ID means that something may have been missed: every record may have changed.
	// It is called once, before any other method. The function is quick.
	Notify(changed func(ID))

	// Linked reports whether such notices arrive at the moment. It is false within a
	// second of the link's end.
	Linked() bool

	// Now is the store's clock, by which leases run on all processes alike.
	Now(ctx context.Context) (time.Time, error)
}

// memory decides whether what memory holds may be used, where the store is shared.
type memory struct {
	store Shared // nil: one process owns the store, and memory is always right
	now   func() time.Time

	heard  atomic.Uint64 // counts the notices
	epoch  atomic.Uint64 // counts the moments after which everything may be out of date
	lost   atomic.Int64  // unix nanoseconds since when no notices arrive; zero while they do
	silent atomic.Int64  // unix nanoseconds until when a store that did not answer is left alone

	again again // sessions to be read again, since streams wait for what happens to them
}

// askAgain is how long a store that did not answer is left alone: each request would wait
// for it in vain.
const askAgain = 250 * time.Millisecond

// watch makes the manager listen to a shared store's notices.
func (m *Manager) watch() {
	m.memory.now = m.now
	m.memory.again.bell = make(chan struct{}, 1)
	shared, ok := m.cfg.Store.(Shared)
	if !ok {
		return
	}
	m.memory.store = shared
	shared.Notify(func(id ID) {
		m.memory.heard.Add(1)
		if id.IsZero() {
			m.memory.epoch.Add(1)
			for _, s := range m.cache.watched() {
				m.memory.again.add(s)
			}
			return
		}
		if s := m.cache.handles.get(id); s != nil {
			s.changed.Store(true)
			if s.watched.Load() {
				m.memory.again.add(s)
			}
		}
	})
}

// current makes sure that the handle's state may be used: it is the newest, or the store
// is away and memory stands in for it, for as long as StoreGrace says. What was sealed with
// a key that has been removed since may not be used at all. The errors are ErrNoSession and
// *StoreError.
func (s *Session) current(ctx context.Context) error {
	if !s.m.Keys().knows(s.State().sealed) {
		return s.reopen(ctx)
	}
	m := &s.m.memory
	if m.store == nil {
		return nil
	}
	linked, epoch := m.store.Linked(), m.epoch.Load()
	if linked && !s.changed.Load() && s.epoch.Load() == epoch {
		m.lost.Store(0)
		return nil
	}
	now := m.now()
	if !linked {
		m.lost.CompareAndSwap(0, now.UnixNano())
	}
	if now.UnixNano() < m.silent.Load() && s.stands(now) {
		return nil
	}
	changed := s.changed.Swap(false) // a notice that comes from here on counts again
	err := s.reload(ctx)
	if _, away := errors.AsType[*StoreError](err); away {
		if changed {
			s.changed.Store(true)
		}
		if errors.Is(err, errSealed) {
			return err // the store is there, a key is not
		}
		m.silent.Store(now.Add(askAgain).UnixNano())
		m.lost.CompareAndSwap(0, now.UnixNano())
		if s.stands(now) {
			return nil
		}
		return err
	}
	if err == nil {
		s.epoch.Store(epoch)
	}
	return err
}

// stands reports whether memory may stand in for a store that is away: not for a session
// of which it is known that it has changed, and not for long.
func (s *Session) stands(now time.Time) bool {
	lost := s.m.memory.lost.Load()
	return !s.changed.Load() && lost != 0 && now.Sub(time.Unix(0, lost)) <= s.m.terms().StoreGrace
}

// leaseNow is the clock that leases run by.
func (m *Manager) leaseNow(ctx context.Context) (time.Time, error) {
	if m.memory.store == nil {
		return m.now(), nil
	}
	now, err := m.memory.store.Now(ctx)
	if err != nil {
		return time.Time{}, &StoreError{err}
	}
	return now.Round(0), nil
}
