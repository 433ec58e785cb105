// Package framing keeps HTTP/1.1 messages that can be read in two ways from the server.
//
// The attack is request smuggling: two servers in a row disagree where a request ends, and
// what the first takes for a body the second takes for the next request, past every check
// of the first. Package net/http is lenient where its peers are not: it unfolds header
// lines that go on in the next one, takes a bare line feed for a line break, drops
// Content-Length where Transfer-Encoding stands beside it, reads chunks from HTTP/1.0, and
// goes on behind a body that it could not read. All that is decided before a handler runs.
// So a [Listener] looks at the bytes first:
//
//	accept ─▶ gate ─▶ TLS ─▶ Conn: scanner ─▶ http.Server
//	                   └ h2 ──────────────────▶ http.Server, which is strict enough
//
// In the place of a message with two readings the server gets a byte that no message may
// have. So the 400 is the server's own, in its turn behind the answers that are still
// under way, and the connection is closed (RFC 9112 §2.2, §5.2, §6.1, §6.3). What the
// server then says is put into [Config].Answer's words.
package framing

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

// Conn is a connection whose messages have one reading. Reads are for one goroutine at a
// time, as in package net/http.
type Conn struct {
	net.Conn
	scanner scanner
	again   []byte // what somebody has read and put back
	left    []byte // of what no message may have, still to be read
	spoilt  bool   // after that comes nothing

	answer func(Refusal) []byte // nil: the server's own words
	silent bool                 // nothing was written since the last request ended; the server's goroutine owns it
	pace   pace
	seat   *seat // nil: somebody below gives it back

	answering bool // the server has a request, and the answer is to come; its goroutine owns it
	presence  presence
	deadline  deadline
}

// spoiler ends the line that the server may be in the middle of, the header around it, and
// the server's patience: it stands in no line, no header and no chunk.
const spoiler = "\x00\r\n\r\n"

// Read implements io.Reader.
func (c *Conn) Read(p []byte) (int, error) {
	if n := copy(p, c.again); n > 0 {
		c.again = c.again[n:]
		return n, nil
	}
	if c.spoilt {
		return c.readSpoiler(p)
	}
	if len(p) == 1 && c.answering && c.scanner.between() && c.presence.looks() {
		// The server reads ahead, to hear when the client leaves. It asks for nothing else in
		// so small a piece here; a read without result ends its interest.
		c.Wait()
		return 0, nil
	}
	n, err := c.presence.rest(p)
	if n == 0 && err == nil {
		n, err = c.read(p)
	}
	if n == 0 || c.scanner.state == theirs {
		return n, err
	}
	if good := c.scanner.next(p[:n]); good < n {
		c.spoilt, c.left = true, []byte(spoiler)
		if good > 0 {
			return good, nil
		}
		return c.readSpoiler(p)
	}
	return n, err
}

// Unread puts p back in front of what is still to be read. It is for whoever has looked at a
// connection and gives it on.
func (c *Conn) Unread(p []byte) { c.again = append(bytes.Clone(p), c.again...) }

// read reads from the network.
func (c *Conn) read(p []byte) (int, error) {
	if err := c.deadline.begin(c.Conn); err != nil {
		return 0, err
	}
	defer c.deadline.end()
	return c.Conn.Read(p)
}

func (c *Conn) readSpoiler(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// Write implements io.Writer. A client that takes nothing for a minute is an error.
func (c *Conn) Write(p []byte) (int, error) {
	if c.silent {
		c.silent = false
		if r, ok := c.refusal(p); ok {
			return len(p), refuse(c, c.answer(r))
		}
	}
	c.pace.allow(c.Conn)
	return c.Conn.Write(p)
}

// piece is how much of a file goes out before its time begins anew.
const piece = 64 << 10

// ReadFrom implements io.ReaderFrom: files go out without a copy where the system can.
func (c *Conn) ReadFrom(r io.Reader) (n int64, err error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	c.silent = false
	// The system knows a file with one limit around it, and not with two.
	whole, ok := r.(*io.LimitedReader)
	if !ok {
		whole = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for whole.N > 0 {
		c.pace.allow(c.Conn)
		part := &io.LimitedReader{R: whole.R, N: min(whole.N, piece)}
		sent, err := to.ReadFrom(part)
		n, whole.N = n+sent, whole.N-sent
		if err != nil || part.N > 0 {
			return n, err
		}
	}
	return n, nil
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadline.want(c.Conn, t) }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn. While somebody has set one, it is the one that
// counts.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.pace.set(c.Conn, t) }

// CloseWrite shuts down the writing side, so that a last answer is not lost in a reset.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	if c.seat != nil {
		defer c.seat.leave()
	}
	c.presence.end()
	return c.Conn.Close()
}

// Follow is for http.Server.ConnState: a connection has to know when a request is over, and
// that what comes over one that was taken over is no HTTP/1.1 any more.
func Follow(c net.Conn, state http.ConnState) {
	own, ok := c.(*Conn)
	if !ok {
		return
	}
	own.answering = state == http.StateActive
	switch state {
	case http.StateNew:
		own.silent = true
	case http.StateIdle:
		own.silent = true
		own.Attend()
	case http.StateHijacked:
		own.silent, own.scanner.state = false, theirs
		own.Attend()
	}
}
