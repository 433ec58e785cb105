package framing

import (
	"net"
	"sync"
	"time"
)

// deadline is that of reads. The server sets one several times in each request, and most of
// them never meet a read: what is set counts, and costs, when somebody reads.
type deadline struct {
	mu      sync.Mutex
	wanted  time.Time // guarded by mu
	set     time.Time // guarded by mu: the connection's own
	reading bool      // guarded by mu
}

// begin is for the moment before a read, end for the one after.
func (d *deadline) begin(c net.Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reading = true
	return d.apply(c)
}

func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reading = false
}

// want sets the deadline, at once if somebody reads.
func (d *deadline) want(c net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	if !d.reading {
		return nil
	}
	return d.apply(c)
}

// apply is called with mu held.
func (d *deadline) apply(c net.Conn) error {
	if d.wanted.Equal(d.set) {
		return nil
	}
	d.set = d.wanted
	return c.SetReadDeadline(d.wanted)
}
