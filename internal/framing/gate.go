package framing

import (
	"log/slog"
	"net"
	"sync"
)

// mostConnections is a bound that a gateway of ordinary size never meets, and that leaves
// descriptors and memory to those who are in.
const mostConnections = 10_000

// gate bounds how many connections are open at a time. Who comes later waits in the
// system's queue until somebody leaves.
type gate chan struct{}

// seat is the place of one connection.
type seat struct {
	gate gate
	once sync.Once
}

// enter waits for a place; nil if done is closed first.
func (g gate) enter(done <-chan struct{}, log *slog.Logger) *seat {
	select {
	case g <- struct{}{}:
		return &seat{gate: g}
	default:
	}
	log.Warn("as many connections are open as may be; new ones wait", "most", cap(g))
	select {
	case g <- struct{}{}:
		return &seat{gate: g}
	case <-done:
		return nil
	}
}

// leave gives the place back, once.
func (s *seat) leave() { s.once.Do(func() { <-s.gate }) }

// seated is a connection that gives its place back when it is closed.
type seated struct {
	net.Conn
	seat *seat
}

// Close implements net.Conn.
func (c *seated) Close() error {
	defer c.seat.leave()
	return c.Conn.Close()
}

// CloseWrite shuts down the writing side.
func (c *seated) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
