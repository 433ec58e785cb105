package outbound

import (
	"slices"
	"sync"
	"time"
)

// pool keeps connections that wait for their next request. The one that was used last is
// taken first, so that those too many grow old.
type pool struct {
	mu      sync.Mutex
	conns   []*conn // guarded by mu, the oldest first
	watched bool    // guarded by mu: the timer runs
}

// get returns a connection on which the upstream waits for a request, or nil. On the way it
// closes those that the upstream has closed, or on which it said what nobody asked for: that
// would be taken for the answer to the next request.
func (p *pool) get() *conn {
	for {
		c := p.pop()
		if c == nil || c.glance.quiet() {
			return c
		}
		_ = c.Close() // the upstream has ended it
	}
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.conns) - 1
	if last < 0 {
		return nil
	}
	c := p.conns[last]
	p.conns[last] = nil
	p.conns = p.conns[:last]
	return c
}

// put keeps a connection for so long, unless there are most already.
func (p *pool) put(c *conn, most int, timeout time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) >= most {
		return false
	}
	p.conns = append(p.conns, c)
	if !p.watched && timeout > 0 {
		p.watched = true
		time.AfterFunc(timeout, func() { p.expire(timeout) })
	}
	return true
}

// expire closes connections that nobody has used for so long, and looks again when the next
// is due.
func (p *pool) expire(timeout time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, old := time.Now(), 0
	for ; old < len(p.conns) && now.Sub(p.conns[old].since) >= timeout; old++ {
		_ = p.conns[old].Close() // nobody waits for it
	}
	p.conns = slices.Delete(p.conns, 0, old)
	if p.watched = len(p.conns) > 0; p.watched {
		time.AfterFunc(timeout-now.Sub(p.conns[0].since), func() { p.expire(timeout) })
	}
}

// closeAll closes the connections that wait.
func (p *pool) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close() // nobody waits for it
	}
	p.conns = nil
}
