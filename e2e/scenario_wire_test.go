//go:build e2e

package e2e

import (
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"
)

// A wire is the network between two parts. It carries bytes, and breaks when it is told to:
//
//	gateway ──▶ wire ──▶ provider's token endpoint, or an upstream
//
// It is safe for concurrent use.
type wire struct {
	t      *testing.T
	addr   string
	target string

	mu       sync.Mutex
	listener net.Listener          // guarded by mu: nil while it is cut
	ends     map[net.Conn]struct{} // guarded by mu: open connections, both sides
	swallows bool                  // guarded by mu: what is sent never arrives
	lag      time.Duration         // guarded by mu: of what comes back
	sent     chan struct{}         // buffered: something was sent that never arrives
	came     map[string]delivery   // guarded by mu: the first answer, by refresh token
	carriers sync.WaitGroup
}

// A line is one connection over a wire. HTTP/1.1 has one exchange at a time on it.
type line struct {
	mu sync.Mutex
	rt string // guarded by mu: the refresh token that is on its way, empty for none
}

// A delivery is the answer to a refresh token, in the gateway's hands.
type delivery struct {
	at     time.Time
	access string // the access token
}

var (
	refreshToken = regexp.MustCompile(`refresh_token=([\w-]{20,})`)
	accessToken  = regexp.MustCompile(`"access_token":\s*"([^"]+)"`)
)

func stretchWire(t *testing.T, target string) *wire {
	t.Helper()
	w := &wire{t: t, target: target, addr: "127.0.0.1:0", ends: map[net.Conn]struct{}{}, sent: make(chan struct{}, 1), came: map[string]delivery{}}
	w.mend()
	t.Cleanup(func() {
		w.cut()
		w.carriers.Wait()
	})
	return w
}

// mend makes a wire carry again, and delivers nothing of what it has swallowed.
func (w *wire) mend() {
	w.t.Helper()
	w.hangUp()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.swallows = false
	if w.listener != nil {
		return
	}
	l, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.listener, w.addr = l, l.Addr().String()
	w.carriers.Go(func() { w.accept(l) })
}

// cut makes the other side refuse connections.
func (w *wire) cut() {
	w.mu.Lock()
	if w.listener != nil {
		_ = w.listener.Close() // nothing is lost with it
		w.listener = nil
	}
	w.mu.Unlock()
	w.hangUp()
}

// swallow takes what is sent and delivers none of it. The channel tells of the first.
func (w *wire) swallow() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.swallows = true
	return w.sent
}

// delay is how long answers are under way.
func (w *wire) delay(lag time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lag = lag
}

func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.ends {
		_ = c.Close() // both sides learn of it
	}
}

func (w *wire) accept(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return // cut
		}
		far, err := new(net.Dialer).Dial("tcp", w.target)
		if err != nil {
			_ = near.Close() // the target is away
			continue
		}
		w.mu.Lock()
		w.ends[near], w.ends[far] = struct{}{}, struct{}{}
		if w.listener != l { // cut meanwhile
			_, _ = near.Close(), far.Close()
		}
		w.mu.Unlock()
		l := &line{}
		w.carriers.Go(func() { w.carry(l, far, near, true) })
		w.carriers.Go(func() { w.carry(l, near, far, false) })
	}
}

// carry copies one direction; when it ends, both do.
func (w *wire) carry(l *line, to, from net.Conn, out bool) {
	defer func() {
		_, _ = to.Close(), from.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.ends, to)
		delete(w.ends, from)
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !w.deliver(l, to, buf[:n], out) {
			_, _ = io.Copy(io.Discard, from) // until somebody hangs up
			return
		}
		if err != nil {
			return
		}
	}
}

// deliver reports whether the bytes have gone on.
func (w *wire) deliver(l *line, to net.Conn, b []byte, out bool) bool {
	w.mu.Lock()
	swallows, lag := w.swallows && out, w.lag
	w.mu.Unlock()
	if swallows {
		select {
		case w.sent <- struct{}{}:
		default:
		}
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := refreshToken.FindSubmatch(b); out && m != nil {
		l.rt = string(m[1])
	}
	if !out && lag > 0 {
		<-time.After(lag)
	}
	_, err := to.Write(b)
	if !out && err == nil && l.rt != "" {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, again := w.came[l.rt]; !again {
			d := delivery{at: time.Now()}
			if m := accessToken.FindSubmatch(b); m != nil {
				d.access = string(m[1])
			}
			w.came[l.rt] = d
		}
		l.rt = ""
	}
	return err == nil
}

// answered returns the first answer to a refresh token that reached who had presented it.
func (w *wire) answered(rt string) (d delivery, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok = w.came[rt]
	return d, ok
}
