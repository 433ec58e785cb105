package framing

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// handshakeTimeout bounds the time that a client may take over TLS.
const handshakeTimeout = 10 * time.Second

// Config says what a [Listener] hands out.
type Config struct {
	TLS    *tls.Config          // nil: plain connections
	Most   int                  // connections at a time; 0 means 10,000
	Answer func(Refusal) []byte // the whole answer to a request that no handler sees; nil: the server's own
	Log    *slog.Logger         // nil: nowhere
}

func (c Config) withDefaults() Config {
	c.Most = cmp.Or(c.Most, mostConnections)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Listener hands out connections as [Conn]. It is safe for concurrent use.
type Listener struct {
	net.Listener
	cfg    Config
	gate   gate
	ready  chan accepted
	closed chan struct{}
	close  sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen wraps a listener. The end of ctx ends handshakes that are under way; Close ends
// the listener.
func Listen(ctx context.Context, l net.Listener, cfg Config) *Listener {
	cfg = cfg.withDefaults()
	wrapped := &Listener{
		Listener: l, cfg: cfg, gate: make(gate, cfg.Most),
		ready: make(chan accepted), closed: make(chan struct{}),
	}
	if cfg.TLS != nil {
		go wrapped.shakeHands(ctx)
	}
	return wrapped
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	if l.cfg.TLS == nil {
		c, seat, err := l.admit()
		if err != nil {
			return nil, err
		}
		return &Conn{Conn: c, answer: l.cfg.Answer, seat: seat}, nil
	}
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// admit accepts a connection as soon as there is room for one more.
func (l *Listener) admit() (net.Conn, *seat, error) {
	seat := l.gate.enter(l.closed, l.cfg.Log)
	if seat == nil {
		return nil, nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		seat.leave()
		return nil, nil, err
	}
	return c, seat, nil
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// shakeHands accepts connections until the listener is closed, and lets none wait for
// another's handshake: whether it is HTTP/2 is known only after it.
func (l *Listener) shakeHands(ctx context.Context) {
	var shaking sync.WaitGroup
	for {
		c, seat, err := l.admit()
		if errors.Is(err, net.ErrClosed) {
			shaking.Wait() // who was accepted is served
			l.hand(accepted{err: err})
			return
		}
		if err != nil {
			l.hand(accepted{err: err})
			continue
		}
		shaking.Go(func() { l.shakeHand(ctx, &seated{c, seat}) })
	}
}

func (l *Listener) shakeHand(ctx context.Context, raw net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	c := tls.Server(raw, l.cfg.TLS)
	if err := c.HandshakeContext(ctx); err != nil {
		l.cfg.Log.Debug("a TLS handshake failed", "peer", raw.RemoteAddr().String(), "err", err)
		if plainHTTP(err) && l.cfg.Answer != nil {
			_ = refuse(raw, l.cfg.Answer(Refusal{http.StatusBadRequest, "This port speaks TLS: ask it with https."}))
		}
		_ = c.Close()
		return
	}
	if c.ConnectionState().NegotiatedProtocol == "h2" {
		l.hand(accepted{conn: c})
		return
	}
	l.hand(accepted{conn: &Conn{Conn: c, answer: l.cfg.Answer}})
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
