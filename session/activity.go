package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// activity is the list of sessions that were used and whose record does not know it yet.
// It is written twice in each span of activityEvery, a twentieth of the idle timeout at most, so
// that a crash makes a session look unused for one and a half of them at most.
type activity struct {
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
	every := func() time.Duration { return max(m.activityEvery()/2, 10*time.Millisecond) }
	next := time.NewTimer(every())
	defer next.Stop()
	for {
		select {
		case <-next.C:
			next.Reset(every())
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
	var failed atomic.Int64
	sideBySide(abreast, list, func(s *Session) {
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
			if failed.Add(1) == 1 { // one stands for all: it is the store
				m.log.WarnContext(ctx, "activity could not be written; it will be tried again", "session", s.id.String(), "err", err)
			}
			if s.noted.CompareAndSwap(false, true) {
				m.activity.add(s) // next time
			}
		}
	})
}

// abreast is how many sessions are written at a time.
const abreast = 64

// sideBySide calls do for each of list, so many at a time, and waits for all.
func sideBySide[T any](width int, list []T, do func(T)) {
	var wg sync.WaitGroup
	next := make(chan T)
	for range min(len(list), width) {
		wg.Go(func() {
			for t := range next {
				do(t)
			}
		})
	}
	for _, t := range list {
		next <- t
	}
	close(next)
	wg.Wait()
}
