package session

import (
	"sync"
	"sync/atomic"
)

// life is what a session's streams hang on. When a session ends that goes on with another
// one, the streams of that one end, too:
//
//	life of the step-up ──before──▶ life of the first login
type life struct {
	over   sync.Once
	done   chan struct{}        // closed at the end
	before atomic.Pointer[life] // of the session that this one continues; nil if none
}

func newLife() *life { return &life{done: make(chan struct{})} }

func (l *life) end() {
	for ; l != nil; l = l.before.Load() {
		l.over.Do(func() { close(l.done) })
	}
}

// inherit makes the streams of old, which s continues, end with s. It may race with the
// end of s: either the end finds the streams, or they find the end here.
func (s *Session) inherit(old *Session) {
	old.heir.Store(s)
	s.life.before.Store(old.life)
	if s.state.Load().over() {
		s.life.end()
	}
}
