package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// again is the list of sessions that another process has changed, and that are read again
// without waiting for their next request: their streams have to hear of it.
type again struct {
	bell chan struct{} // rung when there may be work

	mu   sync.Mutex
	list []*Session // guarded by mu; each stands there once
}

func (a *again) add(s *Session) {
	if !s.queued.CompareAndSwap(false, true) {
		return
	}
	a.mu.Lock()
	a.list = append(a.list, s)
	a.mu.Unlock()
	select {
	case a.bell <- struct{}{}:
	default: // it rings already
	}
}

func (a *again) take() []*Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// listen makes the notices of other processes reach the session's streams from now on, and
// finds out what was missed until now.
func (s *Session) listen() {
	if s.m.memory.store == nil || s.watched.Load() {
		return
	}
	s.watched.Store(true)
	if next := s.heir.Load(); next != nil {
		next.listen()
	}
	if s.stale() {
		s.m.memory.again.add(s)
	}
}

// stale reports whether something remains to be read: the state itself, or the session that
// goes on with this one.
func (s *Session) stale() bool {
	return s.changed.Load() || s.epoch.Load() != s.m.memory.epoch.Load() || s.waitsForHeir()
}

// waitsForHeir reports whether another process began the session that goes on with this one,
// and this process does not know it yet.
func (s *Session) waitsForHeir() bool {
	return !s.state.Load().Successor.IsZero() && s.heir.Load() == nil
}

// runMemory reads sessions again whose streams have to hear of what happened to them. What
// the store cannot say now is asked again.
func (m *Manager) runMemory(ctx context.Context) {
	if m.memory.store == nil {
		return
	}
	for {
		select {
		case <-m.memory.again.bell:
		case <-ctx.Done():
			return
		}
		var failed atomic.Int64
		sideBySide(abreast, m.memory.again.take(), func(s *Session) {
			s.queued.Store(false)
			err := s.catchUp(ctx)
			if err == nil || errors.Is(err, ErrNoSession) || ctx.Err() != nil {
				return
			}
			if failed.Add(1) == 1 { // one stands for all: it is the store
				m.log.WarnContext(ctx, "a session that was changed elsewhere could not be read again; trying again", "session", s.id.String(), "err", err)
			}
			m.memory.again.add(s)
		})
		if failed.Load() > 0 {
			pause(ctx, askAgain)
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// catchUp reads what is new of a session whose streams wait for it. The errors are
// ErrNoSession and *StoreError.
func (s *Session) catchUp(ctx context.Context) error {
	if err := s.current(ctx); err != nil {
		return err
	}
	if !s.waitsForHeir() {
		return nil
	}
	next, err := s.m.Get(ctx, s.State().Successor)
	if errors.Is(err, ErrNoSession) {
		s.life.end() // it has come and gone
		return nil
	}
	if err != nil {
		return err
	}
	next.inherit(s)
	return nil
}
