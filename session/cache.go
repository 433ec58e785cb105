package session

import (
	"fmt"
	"math"
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
	handles  *handles
}

// sessionWeight is about what a session takes in memory besides the plain text of its
// record, with its ticket and what knows of it here.
const sessionWeight = 3 << 10

func (s *Session) weight() uint32 {
	return uint32(min(int64(sessionWeight+s.State().size), math.MaxUint32)) //nolint:gosec // bounded
}

func newCache(bytes int64) (*cache, error) {
	tickets, err := otter.New(&otter.Options[string, ID]{MaximumSize: int(max(bytes/sessionWeight, 1))})
	if err != nil {
		return nil, fmt.Errorf("session: cache: %w", err)
	}
	sessions, err := otter.New(&otter.Options[ID, *Session]{
		MaximumWeight: uint64(bytes), //nolint:gosec // not negative
		Weigher:       func(_ ID, s *Session) uint32 { return s.weight() },
	})
	if err != nil {
		return nil, fmt.Errorf("session: cache: %w", err)
	}
	return &cache{tickets, sessions, &handles{known: make(map[ID]weak.Pointer[Session])}}, nil
}

// get returns the handle of a session that this process has in memory, or nil.
func (c *cache) get(id ID) *Session {
	if s, ok := c.sessions.GetIfPresent(id); ok {
		return s
	}
	s := c.handles.get(id)
	if s != nil {
		c.sessions.Set(id, s)
	}
	return s
}

// adopt returns the one handle for a state that was read after mark: the one that is
// known already, brought up to date, or fresh. It is nil if the state may be older than
// what this process has known since; then the record has to be read again.
func (c *cache) adopt(fresh *Session, st *State, after mark) *Session {
	s := c.handles.adopt(fresh, st, after)
	if s != nil {
		c.sessions.Set(s.id, s)
	}
	return s
}

// mark returns the moment from which a state to be adopted is read.
func (c *cache) mark() mark { return c.handles.mark() }

// drop takes a session out of memory; its handle stays good for whoever holds it.
func (c *cache) drop(id ID) { c.sessions.Invalidate(id) }

// handles knows every Session of the process that is alive. It holds none.
type handles struct {
	mu    sync.Mutex
	known map[ID]weak.Pointer[Session] // guarded by mu
	gone  mark                         // guarded by mu: counts the handles that nobody holds any more
}

// mark is a moment in the life of handles.
type mark uint64

// justMade is the mark of a state that nobody else can know.
const justMade = ^mark(0)

func (h *handles) mark() mark {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gone
}

func (h *handles) get(id ID) *Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known[id].Value()
}

// adopt is cache.adopt. A state in the hand of a slow reader must not bring a session back
// that was ended meanwhile through a handle which is gone by now.
func (h *handles) adopt(fresh *Session, st *State, after mark) *Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, listed := h.known[fresh.id]
	if s := p.Value(); s != nil {
		s.publish(st)
		return s
	}
	if listed { // it is gone, and forget has not heard of it yet
		h.strike(fresh.id)
	}
	if after != justMade && after != h.gone {
		return nil
	}
	fresh.publish(st)
	h.known[fresh.id] = weak.Make(fresh)
	runtime.AddCleanup(fresh, h.forget, fresh.id)
	return fresh
}

// forget removes the entry of a Session that nobody holds any more, unless there is a new
// one by now.
func (h *handles) forget(id ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p, listed := h.known[id]; listed && p.Value() == nil {
		h.strike(id)
	}
}

func (h *handles) strike(id ID) {
	delete(h.known, id)
	h.gone++
}

// watched returns the sessions whose end somebody waits for.
func (c *cache) watched() []*Session {
	c.handles.mu.Lock()
	defer c.handles.mu.Unlock()
	var found []*Session
	for _, p := range c.handles.known {
		if s := p.Value(); s != nil && s.watched.Load() {
			found = append(found, s)
		}
	}
	return found
}
