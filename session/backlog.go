package session

import (
	"sync"
	"time"
)

// backlog knows the sessions whose refresh token waits for its revocation, as far as this
// process has come upon them. It is for the metrics; what is done lies in the records.
type backlog struct {
	mu      sync.Mutex
	waiting map[ID]waiting // guarded by mu
}

// waiting is since when a session is over, and when that was last heard of it.
type waiting struct{ ended, heard time.Time }

// forgotten is how long after it was last heard of a session does not count any more:
// another process sees to it, and put it off no longer than this.
const forgotten = 10 * time.Minute

func (b *backlog) note(id ID, st *State, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if st.Outbox == nil {
		delete(b.waiting, id)
		return
	}
	if b.waiting == nil {
		b.waiting = make(map[ID]waiting)
	}
	b.waiting[id] = waiting{st.EndedAt, now}
}

// Backlog returns how many ended sessions wait for the revocation of their refresh token,
// and since when the oldest does; zero if none waits. It counts what this process has come
// upon in the last ten minutes, which is all if no other uses the store.
func (m *Manager) Backlog() (sessions int, oldest time.Time) {
	now, b := m.now(), &m.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, w := range b.waiting {
		if now.Sub(w.heard) > forgotten {
			delete(b.waiting, id)
			continue
		}
		if sessions++; oldest.IsZero() || w.ended.Before(oldest) {
			oldest = w.ended
		}
	}
	return sessions, oldest
}
