package framing

import (
	"net"
	"sync"
	"time"
)

// patience is how long a client may take nothing of what it is sent. One that reads as
// slowly as it can would otherwise hold its answer, and the upstream's, for ever.
const patience = time.Minute

// pace gives each write its time. It is safe for concurrent use.
type pace struct {
	mu    sync.Mutex
	given int64 // guarded by mu: the second in which time was given last
	fixed bool  // guarded by mu: somebody else has set a deadline
}

// allow gives the write that follows its time. A deadline is moved once in a second.
func (p *pace) allow(c net.Conn) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fixed || p.given == now.Unix() {
		return
	}
	p.given = now.Unix()
	_ = c.SetWriteDeadline(now.Add(patience)) // The write says what is wrong.
}

// set is for a deadline of somebody else's; the zero one takes it back.
func (p *pace) set(c net.Conn, t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.IsZero() && !p.fixed {
		return nil // The server says so after each request.
	}
	p.fixed, p.given = !t.IsZero(), 0
	return c.SetWriteDeadline(t)
}
