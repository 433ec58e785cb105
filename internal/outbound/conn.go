package outbound

import (
	"bufio"
	"io"
	"math"
	"net"
	"sync/atomic"
	"time"
)

// conn is a connection to the upstream. One exchange at a time has it.
type conn struct {
	net.Conn
	buffered *bufio.Reader // reads from the conn
	home     *Transport
	glance   glance
	request  []byte    // the memory of the last request
	since    time.Time // when it was put aside
	left     int64     // bytes that may still be read
	reused   bool      // it has served a request before
	heard    bool      // the upstream has said something to this request
}

const unlimited = math.MaxInt64

// readBuffer is how much is read at once, in bytes.
const readBuffer = 4 << 10

func newConn(nc net.Conn, t *Transport) *conn {
	c := &conn{Conn: nc, home: t, left: unlimited, glance: glanceAt(nc)}
	c.buffered = bufio.NewReaderSize(c, readBuffer)
	return c
}

// Read implements io.Reader for the buffer.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.heard = c.heard || n > 0
	return n, err
}

// abort wakes whoever waits for the connection.
func (c *conn) abort() { _ = c.SetDeadline(time.Unix(1, 0)) }

// body is that of an answer. It gives its connection back at its end, and closes it if
// nobody reads so far.
type body struct {
	from     io.ReadCloser
	conn     *conn
	stop     func() bool // ends the watch over the request's context
	reusable bool
	ended    atomic.Bool
}

// Read implements io.Reader. It fails when the request's context ends.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err != nil {
		b.end(err == io.EOF)
	}
	return n, err
}

// Arrived reports whether some of the body has come with the header.
func (b *body) Arrived() bool { return b.conn.buffered.Buffered() > 0 }

// Close implements io.Closer. It may be called while another goroutine reads.
func (b *body) Close() error {
	b.end(false)
	return nil
}

// end gives the connection back if the answer was read whole, or closes it.
func (b *body) end(whole bool) {
	if b.ended.Swap(true) {
		return
	}
	// If abort runs, or has, the connection is of no use to anybody.
	if !b.stop() || !whole || !b.reusable {
		_ = b.conn.Close() // there is nothing more to be said on it
		return
	}
	b.conn.home.keep(b.conn)
}
