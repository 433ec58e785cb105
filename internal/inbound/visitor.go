package inbound

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/framing"
)

// visitor is a connection that the loop serves. One goroutine owns it.
type visitor struct {
	server *Server
	conn   *framing.Conn
	rest   *listener
	peer   string
	state  atomic.Int32
	read   []byte
	answer answer
}

// What a visitor does.
const (
	fresh     int32 = iota // it has said nothing yet
	idle                   // it may say something
	busy                   // it waits for an answer
	dismissed              // it may say nothing more
)

// readBuffer bounds the header of a request that the loop takes, in bytes.
const readBuffer = 8 << 10

func newVisitor(s *Server, c *framing.Conn, rest *listener) *visitor {
	return &visitor{server: s, conn: c, rest: rest, peer: c.RemoteAddr().String()}
}

// run serves requests until one is not for the loop, or the connection ends.
func (v *visitor) run(ctx context.Context) {
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, v.conn.LocalAddr())
	ctx = framing.Context(ctx, v.conn)
	v.read = make([]byte, readBuffer)
	v.answer.conn, v.answer.leaving, v.answer.today = v.conn, v.server.leaving.Load, &v.server.today
	timeout := v.server.ReadHeaderTimeout
	for {
		if err := v.conn.SetReadDeadline(deadline(timeout)); err != nil {
			break
		}
		n, _ := v.conn.Read(v.read)
		if n == 0 { // it has left, or says nothing any more
			break
		}
		r, ok := parse(v.read[:n])
		if !ok {
			v.handOver(n)
			return
		}
		if err := v.conn.SetReadDeadline(time.Time{}); err != nil { // whoever waits for an answer is not silent
			break
		}
		if !v.begin() {
			break
		}
		again := v.serve(ctx, r)
		if !v.end() || !again {
			break
		}
		timeout = v.server.IdleTimeout
	}
	_ = v.conn.Close() // there is nothing more to be said
	v.server.change(-1)
	v.server.leave(v)
}

func deadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// handOver gives the connection to http.Server, with what was read of it.
func (v *visitor) handOver(n int) {
	v.conn.Unread(v.read[:n])
	if !v.rest.hand(v.conn) {
		v.server.change(-1)
	}
	v.server.leave(v)
}

// begin notes that a request is there; false: nobody may answer it any more.
func (v *visitor) begin() bool {
	return v.state.CompareAndSwap(idle, busy) || v.state.CompareAndSwap(fresh, busy)
}

// end notes that the answer is through; false: there is to be no other request.
func (v *visitor) end() bool { return v.state.CompareAndSwap(busy, idle) && !v.server.leaving.Load() }

// dismiss ends a connection on which nothing is under way.
func (v *visitor) dismiss() {
	switch {
	case v.state.CompareAndSwap(idle, dismissed):
		_ = v.conn.Close() // whoever reads from it notices
	case v.state.Load() == fresh:
		_ = v.conn.SetReadDeadline(time.Now().Add(freshTime))
	}
}

// serve has a request answered and reports whether the connection is good for another one.
func (v *visitor) serve(ctx context.Context, r request) (again bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v.conn.Wait()
	defer v.conn.Attend()
	a := &v.answer
	a.reset(r.head)
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the very value, as http.Server compares it
			v.server.report(v.peer, p)
		}
	}()
	v.server.Handler.ServeHTTP(a, r.request(ctx, v.peer))
	return a.finish()
}
