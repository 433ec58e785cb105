package session

import (
	"fmt"
	"runtime"
	"sync"
	"weak"

	"github.com/maypok86/otter/v2"
)

// cache keeps what was opened: ticket → id, id → Session. It is bounded, but a Session
// that somebody still holds (a stream, a flight) is found again even when it has been
// evicted, so that a process never has two handles for one session.
type cache struct {
	tickets  *otter.Cache[string, ID]
	sessions *otter.Cache[ID, *Session]

	mu    sync.Mutex
	known map[ID]weak.Pointer[Session] // guarded by mu: every Session that is alive
}

func newCache(size int) (*cache, error) {
	tickets, err := otter.New(&otter.Options[string, ID]{MaximumSize: size})
	if err != nil {
		return nil, fmt.Errorf("session: cache: %w", err)
	}
	sessions, err := otter.New(&otter.Options[ID, *Session]{MaximumSize: size})
	if err != nil {
		return nil, fmt.Errorf("session: cache: %w", err)
	}
	return &cache{tickets: tickets, sessions: sessions, known: make(map[ID]weak.Pointer[Session])}, nil
}

// get returns the handle of a session that this process has in memory, or nil.
func (c *cache) get(id ID) *Session {
	if s, ok := c.sessions.GetIfPresent(id); ok {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.known[id].Value()
	if s != nil {
		c.sessions.Set(id, s)
	}
	return s
}

// adopt returns the one handle for a state that was read or made: the one that is known
// already, brought up to date, or fresh.
func (c *cache) adopt(fresh *Session, st *State) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.known[fresh.id].Value()
	if s == nil {
		s = fresh
		c.known[s.id] = weak.Make(s)
		runtime.AddCleanup(s, c.forget, s.id)
	}
	s.publish(st)
	c.sessions.Set(s.id, s)
	return s
}

// forget removes the entry of a Session that nobody holds any more.
func (c *cache) forget(id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[id].Value() == nil {
		delete(c.known, id)
	}
}

// drop takes a session out of memory; its handle stays good for whoever holds it.
func (c *cache) drop(id ID) { c.sessions.Invalidate(id) }
