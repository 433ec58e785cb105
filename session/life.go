package session

import (
	"sync"
	"sync/atomic"
)

// life is what a session's streams hang on. When a session changes or ends that goes on
// with another one, the streams of that one hear of it, too:
//
//	life of the step-up ──before──▶ life of the first login
type life struct {
	over   sync.Once
	done   chan struct{}        // closed at the end
	before atomic.Pointer[life] // of the session that this one continues; nil if none

	mu      sync.Mutex
	watches map[*Watch]struct{} // guarded by mu: of the streams that were opened under this session
}

func newLife() *life { return &life{done: make(chan struct{})} }

func (l *life) end() {
	for ; l != nil; l = l.before.Load() {
		l.over.Do(func() { close(l.done) })
	}
}

// stir tells the streams that something has changed.
func (l *life) stir() {
	for ; l != nil; l = l.before.Load() {
		l.mu.Lock()
		for w := range l.watches {
			select {
			case w.changed <- struct{}{}:
			default: // it knows already
			}
		}
		l.mu.Unlock()
	}
}

func (l *life) join(w *Watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watches == nil {
		l.watches = make(map[*Watch]struct{})
	}
	l.watches[w] = struct{}{}
}

func (l *life) leave(w *Watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watches, w)
}

// inherit makes the streams of old, which s continues, hear of s and end with it. It may
// race with the end of s: either the end finds the streams, or they find the end here.
func (s *Session) inherit(old *Session) {
	s.life.before.Store(old.life)
	old.heir.Store(s)
	if old.watched.Load() {
		s.listen()
	}
	old.life.stir()
	if s.state.Load().over() {
		s.life.end()
	}
}
