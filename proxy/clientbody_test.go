package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// inMemory is a listener of pipes, so that a server's minutes pass in no time.
type inMemory struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *inMemory) Close() error   { close(l.closed); return nil }
func (l *inMemory) Addr() net.Addr { return &net.TCPAddr{} }

// serveInMemory serves and returns a client's end.
func serveInMemory(t *testing.T, h http.HandlerFunc) net.Conn {
	t.Helper()
	l := &inMemory{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	client, server := net.Pipe()
	l.conns <- server
	t.Cleanup(func() {
		_ = client.Close()
		if err := errors.Join(s.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client
}

func TestAClientThatPausesWithinItsBodyIsCutOff(t *testing.T) {
	for _, row := range []struct {
		name     string
		pause    time.Duration // between two bytes
		answered bool          // the upstream has begun to
		broken   bool
	}{
		{"slow, but steady", bodyPause - time.Second, false, false},
		{"a pause too long", bodyPause + time.Second, false, true},
		{"a pause while the upstream talks, too", time.Hour, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan error)
				c := serveInMemory(t, func(w http.ResponseWriter, r *http.Request) {
					b := newClientBody(w, r)
					if row.answered {
						b.answered()
					}
					_, err := io.Copy(io.Discard, b)
					if b.paused() != (err != nil) {
						t.Errorf("paused %t, %v", b.paused(), err)
					}
					done <- err
				})
				var sender sync.WaitGroup
				defer sender.Wait()
				sender.Go(func() {
					_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
					for range 4 {
						time.Sleep(row.pause)
						_, _ = c.Write([]byte{'a'})
					}
				})
				sender.Go(func() { _, _ = io.Copy(io.Discard, c) })
				if err := <-done; (err != nil) != row.broken {
					t.Error(err)
				}
				_ = c.Close()
			})
		})
	}
}

// A body that nobody wants is waited for, but not long: neither the answer nor the
// connection hangs on it.
func TestABodyThatNobodyWantsHasLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serveInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			b := newClientBody(w, r)
			w.WriteHeader(http.StatusUnauthorized)
			if err := b.settle(); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if took := time.Since(began); res.StatusCode != http.StatusUnauthorized || !res.Close || took != bodyRest {
			t.Errorf("%s, close %t, after %v", res.Status, res.Close, took)
		}
	})
}

// An upstream that answers before it has read the body must neither cost the client its
// connection nor make a request of what is left of the body.
func TestABodyThatTheUpstreamDidNotReadLeavesTheConnectionInOrder(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusConflict)
		}
	})
	f := open(t, public(up))
	const again = "GET /next HTTP/1.1\r\nHost: " + publicHost + "\r\n\r\n"
	for _, body := range []string{
		"Content-Length: 70000\r\n\r\n" + strings.Repeat("a", 70000),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", 70000, strings.Repeat("a", 70000)),
	} {
		for range 20 {
			res, c := f.rawConn(t, "POST /x HTTP/1.1\r\nHost: "+publicHost+"\r\n"+body+again)
			if res.StatusCode != http.StatusConflict {
				t.Fatal(res.Status)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			next, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("the next request: %v", err)
			}
			_ = next.Body.Close()
			if next.StatusCode != http.StatusOK || up.last(t).URL.Path != "/next" {
				t.Fatalf("%s, the upstream read %s", next.Status, up.last(t).URL)
			}
		}
	}
}

// What comes late of such a body is no request.
func TestTheRestOfABodyIsNoRequest(t *testing.T) {
	t.Parallel() // It waits for bodyRest.
	up := api(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // else the server would wait for the body
		w.WriteHeader(http.StatusConflict)
	})
	f := open(t, public(up))
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: " + publicHost + "\r\n\r\n"
	_, c := f.rawConn(t, fmt.Sprintf("POST /x HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\na", publicHost, 1+len(smuggled)))
	_ = c.SetDeadline(time.Now().Add(bodyRest + 10*time.Second))
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	_, _ = io.WriteString(c, smuggled)
	if n := up.hits(); n != 1 {
		t.Errorf("%d requests reached the upstream", n)
	}
}
