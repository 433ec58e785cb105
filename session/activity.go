package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

// activity is the list of sessions that were used and whose record does not know it yet.
// A crash loses what stands in it: at most every, a twentieth of the idle timeout.
type activity struct {
	every time.Duration // how old the written activity may be; a constant

	mu   sync.Mutex
	list []*Session // guarded by mu
}

func (a *activity) add(s *Session) {
	a.mu.Lock()
	a.list = append(a.list, s)
	a.mu.Unlock()
}

func (a *activity) take() []*Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// runActivity writes the list from time to time, and a last time when ctx has ended.
func (m *Manager) runActivity(ctx context.Context) {
	tick := time.NewTicker(max(m.activity.every/2, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.writeActivity(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			m.writeActivity(last)
			return
		}
	}
}

// writeActivity writes the list side by side, so that a store that commits in groups
// needs few commits for many sessions.
func (m *Manager) writeActivity(ctx context.Context) {
	list := m.activity.take()
	m.sideBySide(list, func(s *Session) {
		s.noted.Store(false)
		_, err := s.change(ctx, func(st *State) error {
			seen := s.Seen()
			if st.Ended != "" || !seen.After(st.Seen) {
				return errUnchanged
			}
			st.Seen = seen
			return nil
		})
		if err != nil && !errors.Is(err, errUnchanged) && !errors.Is(err, ErrNoSession) {
			m.log.WarnContext(ctx, "activity could not be written", "session", s.id.String(), "err", err)
			if s.noted.CompareAndSwap(false, true) {
				m.activity.add(s) // next time
			}
		}
	})
}

// sideBySide calls do for each session, a few dozen at a time, and waits for all.
func (m *Manager) sideBySide(list []*Session, do func(*Session)) {
	var wg sync.WaitGroup
	next := make(chan *Session)
	for range min(len(list), 64) {
		wg.Go(func() {
			for s := range next {
				do(s)
			}
		})
	}
	for _, s := range list {
		next <- s
	}
	close(next)
	wg.Wait()
}
