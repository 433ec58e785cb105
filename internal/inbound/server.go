// Package inbound serves most requests over HTTP/1.1 in a loop of its own.
//
// http.Server is made for every request that there can be: it starts a goroutine for each,
// has several readers and writers on top of each other, and makes some forty small objects.
// Most requests of a gateway are a GET without a body whose header arrives in one piece.
// Those, a [Server] serves itself: one read, one write. All else it hands to http.Server,
// with the bytes that it has read, and the connection stays there:
//
//	framing.Conn ─┬─ GET, HEAD: whole, plain, alone ─▶ loop ─▶ Handler
//	              └─ bodies, upgrades, all else, HTTP/2 ─▶ http.Server ─▶ Handler
//
// What the loop takes is little, and read to the letter; whatever could be read in two ways
// is none of it. Handlers cannot tell the two ways apart.
package inbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/framing"
)

// Server is an http.Server with a short way in front of it. Handler, IdleTimeout and
// ReadHeaderTimeout hold for both. It is safe for concurrent use.
type Server struct {
	*http.Server
	// Changed hears of every connection that opens (1) or closes (-1), but for those that
	// http.Server has: its ConnState says when these are closed or taken over. Nil: nobody does.
	Changed func(change int)

	today today

	mu        sync.Mutex
	listeners map[*listener]struct{} // guarded by mu
	visitors  map[*visitor]struct{}  // guarded by mu
	none      chan struct{}          // guarded by mu: closed when there is no visitor; nil until somebody waits
	leaving   atomic.Bool            // written with mu held
}

// freshTime is how long a connection that has said nothing yet may still do so while the
// server shuts down: the request may be on its way.
const freshTime = 5 * time.Second

// Serve accepts connections until the listener fails, or is closed, or the server is shut
// down; then it returns http.ErrServerClosed. Connections that it has accepted are served
// until the server is shut down.
func (s *Server) Serve(l net.Listener) error {
	rest := &listener{Listener: l, ready: make(chan net.Conn), done: make(chan struct{})}
	if !s.listen(rest) {
		_ = rest.Close() // as http.Server does: nobody else knows that there was no need of it
		return http.ErrServerClosed
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Server.Serve(rest) // it ends with the listener, which is ours
	}()
	if err := s.accept(l, rest); !s.leaving.Load() {
		return err
	}
	<-served
	return http.ErrServerClosed
}

func (s *Server) accept(l net.Listener, rest *listener) error {
	// As in http.Server a request ends with its connection and not with who serves it.
	ctx := context.WithValue(context.Background(), http.ServerContextKey, s.Server)
	for {
		c, err := l.Accept()
		if temporary(err) {
			<-time.After(acceptPause)
			continue
		}
		if err != nil {
			return err
		}
		s.change(1)
		own, http1 := c.(*framing.Conn)
		if !http1 {
			rest.hand(c)
			continue
		}
		v := newVisitor(s, own, rest)
		if !s.enter(v) {
			s.change(-1)
			_ = c.Close() // nobody serves it any more
			continue
		}
		go v.run(ctx)
	}
}

// acceptPause is for a system that has no descriptor left for the moment.
const acceptPause = 5 * time.Millisecond

func temporary(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Temporary() //nolint:staticcheck // as http.Server asks; there is no other word for it
}

func (s *Server) change(by int) {
	if s.Changed != nil {
		s.Changed(by)
	}
}

// listen notes a listener, unless the server is shut down.
func (s *Server) listen(l *listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Load() {
		return false
	}
	if s.listeners == nil {
		s.listeners, s.visitors = map[*listener]struct{}{}, map[*visitor]struct{}{}
	}
	s.listeners[l] = struct{}{}
	return true
}

// enter notes a visitor, unless the server is shut down.
func (s *Server) enter(v *visitor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Load() {
		return false
	}
	s.visitors[v] = struct{}{}
	return true
}

// leave forgets a visitor.
func (s *Server) leave(v *visitor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.visitors, v)
	if len(s.visitors) == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// Shutdown stops to accept connections, closes those on which nothing is under way, and
// returns when all others have ended, or with ctx's error. Connections that were taken over
// it leaves alone.
func (s *Server) Shutdown(ctx context.Context) error {
	none := s.dismiss((*visitor).dismiss)
	err := s.Server.Shutdown(ctx)
	select {
	case <-none:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Close closes the listeners and all connections, but for those that were taken over.
func (s *Server) Close() error {
	s.dismiss(func(v *visitor) { _ = v.conn.Close() }) // whoever serves it notices
	return s.Server.Close()
}

// dismiss closes the listeners and tells every visitor; the channel closes when none is left.
func (s *Server) dismiss(tell func(*visitor)) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving.Store(true)
	for l := range s.listeners {
		_ = l.Close() // it takes nobody in any more
	}
	for v := range s.visitors {
		tell(v)
	}
	if s.none == nil {
		s.none = make(chan struct{})
		if len(s.visitors) == 0 {
			none := s.none
			close(none)
			s.none = nil
			return none
		}
	}
	return s.none
}

// report tells of a handler that panicked.
func (s *Server) report(peer string, panicked any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf("inbound: panic serving %s: %T", peer, panicked)
	}
}

// listener hands to http.Server the connections that are not for the loop.
type listener struct {
	net.Listener
	ready chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Only the first call does something: http.Server makes one,
// too.
func (l *listener) Close() (err error) {
	l.once.Do(func() {
		close(l.done)
		err = l.Listener.Close()
	})
	return err
}

// hand reports whether http.Server has the connection now. If it takes none any more, the
// connection is closed.
func (l *listener) hand(c net.Conn) bool {
	select {
	case l.ready <- c:
		return true
	case <-l.done:
		_ = c.Close() // nobody serves it any more
		return false
	}
}
