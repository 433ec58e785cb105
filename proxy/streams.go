package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// A WebSocket or an event stream outlives the check at its beginning. So each one has a
// watcher, which has its session checked meanwhile and cuts it when that ends. Ordinary
// answers have none: they are over before it matters.

// StreamKind says what kind of stream is open.
type StreamKind string

// The kinds of streams.
const (
	WebSocket   StreamKind = "websocket"
	EventStream StreamKind = "event_stream" // an upstream's server-sent events
	OwnEvents   StreamKind = "bff_events"   // GET /bff/events
)

// ending is why a stream is cut.
type ending int

const (
	byItself     ending = iota // it was not
	sessionEnded               // its session is over
	tooOld                     // the route's StreamMaxAge has come
	goingAway                  // the gateway shuts down
)

// closeCode is what a WebSocket's client hears (RFC 6455 §7.4).
func (e ending) closeCode() (code uint16, reason string) {
	switch e {
	case sessionEnded:
		return 4401, "session ended"
	case tooOld:
		return 1001, "stream too old"
	default:
		return 1001, "shutting down"
	}
}

// isWebSocket reports whether a request is a WebSocket handshake (RFC 6455 §4.1). The
// tokens of Connection come in any order and company.
func isWebSocket(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.EqualFold(one(r.Header, "Upgrade"), "websocket") {
		return false
	}
	for _, token := range list(r.Header["Connection"]) {
		if strings.EqualFold(token, "upgrade") {
			return true
		}
	}
	return false
}

// isEventStream reports whether an answer goes on for as long as the client likes.
func isEventStream(res *http.Response) bool {
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
}

// stream is an exchange that goes on. Its watcher is the exchange's: endStream stops it and
// waits for it.
type stream struct {
	kind StreamKind
	stop context.CancelFunc
	over chan struct{} // closed when the watcher is gone
}

// watch has a watcher call cut when the stream must not go on.
func (g *Gateway) watch(ctx context.Context, x *exchange, kind StreamKind, cut func(ending)) {
	ctx, stop := context.WithCancel(ctx)
	st := &stream{kind, stop, make(chan struct{})}
	x.stream, x.opened = st, g.cfg.Now()
	g.streams.begin(kind)
	go func() {
		defer close(st.over)
		if why := g.attend(ctx, x); why != byItself {
			cut(why)
		}
	}()
}

// endStream lets the watcher go, if there is one.
func (g *Gateway) endStream(x *exchange) {
	if st := x.stream; st != nil {
		st.stop()
		<-st.over
		g.streams.end(st.kind)
	}
}

// attend stays with an upstream's stream until it has to be cut, or ctx ends. The route's
// token is kept fresh on the way: a refusal has to be heard.
func (g *Gateway) attend(ctx context.Context, x *exchange) ending {
	var ended, changed <-chan struct{}
	var aged, look <-chan time.Time
	check := func() {}
	if x.who != nil {
		var target session.Target
		if x.kind == UserToken {
			target = x.route.Target
		}
		w, next := x.who.Watch(), time.NewTimer(0)
		defer w.Stop()
		defer next.Stop()
		ended, changed, look = w.Done(), w.Changed(), next.C
		check = func() { next.Reset(w.Check(ctx, target)) }
	}
	if age := x.route.StreamMaxAge; age > 0 {
		end := time.NewTimer(age)
		defer end.Stop()
		aged = end.C
	}
	for {
		select {
		case <-ctx.Done():
			return byItself
		case <-g.streams.leaving:
			return goingAway
		case <-ended:
			return sessionEnded
		case <-aged:
			return tooOld
		case <-changed:
			check()
		case <-look:
			check()
		}
	}
}

// upgrade watches a WebSocket, whose connection it takes over.
func (g *Gateway) upgrade(ctx context.Context, x *exchange) func(net.Conn) net.Conn {
	return func(c net.Conn) net.Conn {
		s := newSocket(c)
		g.watch(ctx, x, WebSocket, func(why ending) { s.cut(why.closeCode()) })
		return s
	}
}

// eventStream watches an upstream's event stream. To the client the end looks like the stream's
// own: it comes back, and hears why.
func (g *Gateway) eventStream(ctx context.Context, x *exchange, res *http.Response) {
	body := &cuttable{ReadCloser: res.Body}
	res.Body = body
	g.watch(ctx, x, EventStream, func(ending) {
		body.cut.Store(true)
		_ = body.Close() // whoever copies from it finds its end
		_ = http.NewResponseController(x).SetWriteDeadline(time.Now().Add(socketGrace))
	})
}

// cuttable is a body that ends when it is told to.
type cuttable struct {
	io.ReadCloser
	cut atomic.Bool
}

// Read implements io.Reader.
func (c *cuttable) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.cut.Load() {
		return 0, io.EOF
	}
	return n, err
}

// streams counts what is open, so that a shutdown can end it.
type streams struct {
	observe func(kind StreamKind, change int)
	leaving chan struct{} // closed when the shutdown begins

	mu   sync.Mutex
	gone bool          // guarded by mu: leaving is closed
	open int           // guarded by mu
	none chan struct{} // guarded by mu: closed when none is open; nil until somebody waits
}

func (s *streams) begin(kind StreamKind) { s.count(kind, 1) }

func (s *streams) end(kind StreamKind) { s.count(kind, -1) }

func (s *streams) count(kind StreamKind, change int) {
	if s.observe != nil {
		s.observe(kind, change)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += change
	if s.open == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// AwaitStreams returns nil when no stream is open at the moment, or ctx's error.
func (g *Gateway) AwaitStreams(ctx context.Context) error {
	s := g.streams
	s.mu.Lock()
	none := s.over()
	s.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("proxy: streams still open: %w", ctx.Err())
	}
}

// over returns what is closed when no stream is open. It is called with mu held.
func (s *streams) over() <-chan struct{} {
	if s.open == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if s.none == nil {
		s.none = make(chan struct{})
	}
	return s.none
}

// CloseStreams ends all open streams, and every one that opens from now on, and waits until
// they are over or ctx ends. They would go on for ever: a shutdown must not wait for them.
// WebSockets get a close frame with 1001, "going away" (RFC 6455 §7.4.1).
func (g *Gateway) CloseStreams(ctx context.Context) error {
	s := g.streams
	s.mu.Lock()
	if !s.gone {
		s.gone = true
		close(s.leaving)
	}
	s.mu.Unlock()
	return g.AwaitStreams(ctx)
}
