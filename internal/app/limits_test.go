package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/framing"
)

// inMemory is a listener of pipes, so that a server's minutes pass in no time.
type inMemory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *inMemory) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *inMemory) Addr() net.Addr { return &net.TCPAddr{} }

// dialInMemory serves as Run does and returns a client's end.
func dialInMemory(t *testing.T, h http.HandlerFunc) net.Conn {
	t.Helper()
	l := &inMemory{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := server(h, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(framing.Listen(t.Context(), l, framing.Config{})) }()
	client, conn := net.Pipe()
	l.conns <- conn
	t.Cleanup(func() {
		_ = client.Close()
		if err := errors.Join(s.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client
}

// cutAfter returns how long it took until the server hung up.
func cutAfter(c net.Conn) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, c)
	return time.Since(began)
}

func TestASlowHeaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialInMemory(t, func(http.ResponseWriter, *http.Request) { t.Error("it was served") })
		var drip sync.WaitGroup
		defer drip.Wait()
		drip.Go(func() {
			for _, b := range []byte("GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 100)) {
				time.Sleep(time.Second)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		})
		if took := cutAfter(c); took != 10*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialInMemory(t, func(http.ResponseWriter, *http.Request) {})
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
		if took := cutAfter(c); took != 2*time.Minute {
			t.Errorf("after %v", took)
		}
	})
}

func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		c := dialInMemory(t, func(w http.ResponseWriter, _ *http.Request) {
			began := time.Now()
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					ended <- time.Since(began)
					return
				}
			}
		})
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if took := <-ended; took != time.Minute {
			t.Errorf("after %v", took)
		}
	})
}

// Who comes when max_connections are open waits until one of them closes.
func TestMoreConnectionsThanConfiguredWait(t *testing.T) {
	f := newRawFront(t, "max_connections: 1")
	first, err := net.Dial("tcp", f.app.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	const ask = "GET /open/a HTTP/1.1\r\nHost: app.example.com\r\n\r\n"
	if _, err := io.WriteString(first, ask); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil {
		t.Fatal(err)
	}
	answered := make(chan string, 1)
	go func() {
		answers, _, _ := f.exchange(ask)
		answered <- answers
	}()
	select {
	case <-answered:
		t.Fatal("the second was answered")
	case <-time.After(100 * time.Millisecond):
	}
	_ = first.Close()
	if answers := <-answered; answers != "200" {
		t.Errorf("then the second got %q", answers)
	}
}

// A client that leaves in the middle of its upload takes the upstream's request with it.
func TestAClientThatLeavesItsUploadCancelsTheUpstream(t *testing.T) {
	left := make(chan struct{})
	h := newHouse(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(left)
	})
	c, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", h.app.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, host, _ := strings.Cut(h.origin, "//")
	if _, err := io.WriteString(c, "POST /open/x HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 1000000\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Error("the upstream still waits")
	}
}
