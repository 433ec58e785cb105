package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// socket is the client's side of an upgraded connection. It can be ended from outside by a
// close frame of the gateway's own, which goes between two frames of the upstream's:
//
//	client ◀── close frame ── socket ◀── frames ── tunnel ◀── upstream
//
// A client that does not read, or an upstream that stays in the middle of a frame, delays
// the end by socketGrace; then the connection closes without the frame.
type socket struct {
	net.Conn

	ready   chan struct{} // closed when the handshake's answer is through and frames may follow
	began   sync.Once
	cutting atomic.Bool
	ended   chan struct{} // closed when nothing more of the upstream's goes to the client

	mu     sync.Mutex
	frames frames // guarded by mu
	closer []byte // guarded by mu: the close frame that waits for the end of a frame
	torn   bool   // guarded by mu: a write failed, perhaps in the middle of a frame
	over   bool   // guarded by mu: ended is closed
}

// Together they are well below the second in which a stream ends with its session.
const (
	socketGrace  = 400 * time.Millisecond // for a frame that is under way
	socketLinger = 400 * time.Millisecond // for the client's own close frame
)

var errSocketEnded = errors.New("proxy: the gateway has ended the WebSocket")

func newSocket(c net.Conn) *socket {
	return &socket{Conn: c, ready: make(chan struct{}), ended: make(chan struct{})}
}

// Hijack implements http.Hijacker for the tunnel, which writes the head of the answer
// to the buffer and all else to the connection.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffered, err := http.NewResponseController(x.w).Hijack()
	if err != nil || x.upgraded == nil {
		return c, buffered, err
	}
	return x.upgraded(c), buffered, nil
}

// begin notes that whoever copies has started, and so the head is out.
func (s *socket) begin() { s.began.Do(func() { close(s.ready) }) }

// Read implements io.Reader. What a client says after the end is read, since a connection
// that is closed with bytes unread is reset, and the reset overtakes the close frame.
func (s *socket) Read(p []byte) (int, error) {
	s.begin()
	n, err := s.Conn.Read(p)
	if !s.cutting.Load() {
		return n, err
	}
	<-s.ended
	s.linger()
	return 0, errSocketEnded
}

// Write implements io.Writer.
func (s *socket) Write(p []byte) (int, error) {
	s.begin()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return 0, errSocketEnded
	case s.closer == nil:
		s.frames.pass(p)
		return s.send(p)
	}
	n, err := s.send(p[:s.frames.step(p)])
	if err != nil || s.frames.between() {
		s.end()
		return n, errSocketEnded
	}
	return n, nil
}

// send is called with mu held.
func (s *socket) send(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	s.torn = s.torn || err != nil
	return n, err
}

// end writes the close frame, unless there was one or it would land in the middle of
// another. It is called with mu held.
func (s *socket) end() {
	if s.over {
		return
	}
	if s.frames.between() && !s.frames.closed && !s.torn {
		_, _ = s.send(s.closer) // a client that has left needs none
	}
	s.over = true
	_ = s.CloseWrite() // likewise
	_ = s.SetReadDeadline(time.Now().Add(socketLinger))
	close(s.ended)
}

// cut ends the connection with a close frame, and returns when nothing more goes to the
// client. It is called once, and never before the upgrade.
func (s *socket) cut(code uint16, reason string) {
	grace := time.NewTimer(socketGrace)
	defer grace.Stop()
	s.cutting.Store(true)
	_ = s.SetWriteDeadline(time.Now().Add(socketGrace)) // frees a Write whose client does not read
	select {
	case <-s.ready:
	case <-grace.C:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.torn = true
		s.end()
		return
	}
	s.mu.Lock()
	s.closer = newCloseFrame(code, reason)
	if s.frames.between() {
		s.end()
	}
	s.mu.Unlock()
	select {
	case <-s.ended:
	case <-grace.C:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.end()
	}
}

// linger waits until the client has closed its side, too, or will not.
func (s *socket) linger() { _, _ = io.Copy(io.Discard, s.Conn) }

// CloseWrite lets the tunnel pass on the end of one direction.
func (s *socket) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close implements net.Conn.
func (s *socket) Close() error {
	if s.cutting.Load() {
		<-s.ended
		s.linger()
	}
	return s.Conn.Close()
}
