// Package framing keeps HTTP/1.1 messages that can be read in two ways from the server.
//
// The attack is request smuggling: two servers in a row disagree where a request ends, and
// what the first takes for a body the second takes for the next request, past every check
// of the first. Package net/http is lenient where its peers are not: it unfolds header
// lines that go on in the next one, takes a bare line feed for a line break, drops
// Content-Length where Transfer-Encoding stands beside it, and reads chunks from HTTP/1.0.
// All that is decided before a handler runs. So a [Listener] looks at the bytes first:
//
//	accept ─▶ TLS ─▶ Conn: scanner ─▶ http.Server
//	           └ h2 ──────────────────▶ http.Server, which is strict enough
//
// In the place of a message with two readings the server gets a byte that no message may
// have. So the 400 is the server's own, in its turn behind the answers that are still
// under way, and the connection is closed (RFC 9112 §2.2, §5.2, §6.1, §6.3).
package framing

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// handshakeTimeout bounds the time that a client may take over TLS.
const handshakeTimeout = 10 * time.Second

// Conn is a connection whose messages have one reading. Reads are for one goroutine at a
// time, as in package net/http.
type Conn struct {
	net.Conn
	scanner scanner
	left    []byte // of what no message may have, still to be read
	spoilt  bool   // after that comes nothing
}

// spoiler ends the line that the server may be in the middle of, the header around it, and
// the server's patience: it stands in no line, no header and no chunk.
const spoiler = "\x00\r\n\r\n"

// Read implements io.Reader.
func (c *Conn) Read(p []byte) (int, error) {
	if c.spoilt {
		return c.readSpoiler(p)
	}
	n, err := c.Conn.Read(p)
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

func (c *Conn) readSpoiler(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// ReadFrom implements io.ReaderFrom: files go out without a copy where the system can.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite shuts down the writing side, so that a last answer is not lost in a reset.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Hijacked is for http.Server.ConnState: what comes over a connection that was taken over
// is no HTTP/1.1 any more.
func Hijacked(c net.Conn, state http.ConnState) {
	if own, ok := c.(*Conn); ok && state == http.StateHijacked {
		own.scanner.state = theirs
	}
}

// Listener hands out connections as [Conn]. It is safe for concurrent use.
type Listener struct {
	net.Listener
	config *tls.Config
	log    *slog.Logger
	ready  chan accepted
	closed chan struct{}
	close  sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen wraps a listener. Without a configuration its connections are plain. The end of
// ctx ends handshakes that are under way; Close ends the listener.
func Listen(ctx context.Context, l net.Listener, config *tls.Config, log *slog.Logger) *Listener {
	wrapped := &Listener{Listener: l, config: config, log: log, ready: make(chan accepted), closed: make(chan struct{})}
	if config != nil {
		go wrapped.shakeHands(ctx)
	}
	return wrapped
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	if l.config == nil {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		return &Conn{Conn: c}, nil
	}
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// shakeHands accepts connections until the listener is closed, and lets none wait for
// another's handshake: whether it is HTTP/2 is known only after it.
func (l *Listener) shakeHands(ctx context.Context) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.hand(accepted{err: err})
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		go l.shakeHand(ctx, tls.Server(c, l.config))
	}
}

func (l *Listener) shakeHand(ctx context.Context, c *tls.Conn) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		l.log.Debug("a TLS handshake failed", "peer", c.RemoteAddr().String(), "err", err)
		_ = c.Close()
		return
	}
	if c.ConnectionState().NegotiatedProtocol == "h2" {
		l.hand(accepted{conn: c})
		return
	}
	l.hand(accepted{conn: &Conn{Conn: c}})
}

// hand gives a connection to Accept, or closes it if nobody accepts any more.
func (l *Listener) hand(a accepted) {
	select {
	case l.ready <- a:
	case <-l.closed:
		if a.conn != nil {
			_ = a.conn.Close()
		}
	}
}
