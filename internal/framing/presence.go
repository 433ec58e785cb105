package framing

import (
	"context"
	"net"
	"sync"
	"time"
)

// presence notices that a client leaves while it waits for an answer.
//
// Package net/http reads a byte ahead for that, from the first moment of every request: a
// goroutine that waits for the network, a call of the system, and two deadlines to wake it
// again. Most answers are there before anybody could leave. So the read ahead is put off
// until a request has waited for a patient moment, and ends with the connection's context
// instead of the server's.
type presence struct {
	mu      sync.Mutex
	leave   context.CancelFunc // guarded by mu; nil: the server looks itself
	waits   bool               // guarded by mu: the client waits, and the server reads nothing
	count   uint64             // guarded by mu: requests that have waited
	met     uint64             // guarded by mu: the request that the timer found last
	timer   *time.Timer        // guarded by mu: nil until somebody has waited
	ticking bool               // guarded by mu
	looking chan struct{}      // guarded by mu: closed when the read ahead is over; nil: there is none
	ahead   []byte             // what was read ahead
	err     error              // why nothing more comes
}

// moment is how long a request waits, at least, before somebody looks whether its client is
// still there; it may be twice as long.
const moment = 20 * time.Millisecond

// Context is for http.Server.ConnContext: the context of a connection ends when the client
// leaves.
func Context(ctx context.Context, c net.Conn) context.Context {
	own, ok := c.(*Conn)
	if !ok {
		return ctx
	}
	ctx, leave := context.WithCancel(ctx)
	own.presence.mu.Lock()
	defer own.presence.mu.Unlock()
	own.presence.leave = leave
	return ctx
}

// looks reports whether it is here that somebody looks.
func (p *presence) looks() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leave != nil
}

// end ends the connection's context.
func (p *presence) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leave != nil {
		p.leave()
	}
}

// Wait notes that the client waits for an answer.
func (c *Conn) Wait() {
	p := &c.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = true
	p.count++
	switch {
	case p.ticking:
		return
	case p.timer == nil:
		p.timer = time.AfterFunc(moment, c.look)
	default:
		p.timer.Reset(moment)
	}
	p.ticking = true
}

// look reads ahead if the same request waits since the last time.
func (c *Conn) look() {
	p := &c.presence
	p.mu.Lock()
	switch {
	case !p.waits:
		p.ticking = false
		p.mu.Unlock()
		return
	case p.met != p.count:
		p.met = p.count
		p.timer.Reset(moment)
		p.mu.Unlock()
		return
	}
	over := make(chan struct{})
	p.looking, p.ticking = over, false
	p.mu.Unlock()
	defer close(over)

	var one [1]byte
	n, err := c.read(one[:])
	if n > 0 { // the next request, early
		p.ahead = one[:n]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.waits { // Else it was Attend that ended the read.
		p.err = err
		p.leave()
	}
}

// Attend ends the wait: somebody is about to read.
func (c *Conn) Attend() {
	p := &c.presence
	p.mu.Lock()
	p.waits = false
	over := p.looking
	p.looking = nil
	p.mu.Unlock()
	if over == nil {
		return
	}
	_ = c.SetReadDeadline(time.Unix(1, 0)) // Where there are none, the connection is no network's.
	<-over
	_ = c.SetReadDeadline(time.Time{})
}

// rest hands out what was read ahead, and then why nothing more comes.
func (p *presence) rest(b []byte) (n int, err error) {
	n = copy(b, p.ahead)
	if p.ahead = p.ahead[n:]; n > 0 {
		return n, nil
	}
	return 0, p.err
}
