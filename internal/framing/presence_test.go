package framing

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// observed counts the reads that the network sees, one byte long or more.
type observed struct {
	net.Conn
	reads, deadlines atomic.Int64
}

func (c *observed) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

func (c *observed) SetReadDeadline(t time.Time) error {
	c.deadlines.Add(1)
	return c.Conn.SetReadDeadline(t)
}

// onlyOne hands out one connection.
type onlyOne struct {
	net.Listener
	conns chan net.Conn
}

func (l *onlyOne) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *onlyOne) Close() error   { return nil }
func (l *onlyOne) Addr() net.Addr { return &net.TCPAddr{} }

// visit serves one client, in a bubble, over a pipe.
func visit(t *testing.T, h http.HandlerFunc) (client net.Conn, network *observed) {
	t.Helper()
	client, served := net.Pipe()
	network = &observed{Conn: served}
	l := &onlyOne{conns: make(chan net.Conn, 1)}
	l.conns <- network
	s := &http.Server{Handler: h, ConnContext: Context, ConnState: Follow, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(Listen(t.Context(), l, Config{})) }()
	t.Cleanup(func() {
		close(l.conns)
		_ = client.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		_ = s.Close()
		synctest.Wait()
	})
	return client, network
}

const plainGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// told reads an answer's status.
func told(t *testing.T, from *bufio.Reader) int {
	t.Helper()
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func TestALeavingClientEndsItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan time.Duration, 1)
		client, _ := visit(t, func(_ http.ResponseWriter, r *http.Request) {
			began := time.Now()
			<-r.Context().Done()
			over <- time.Since(began)
		})
		say(t, client, plainGet)
		_ = client.Close()
		if took := <-over; took > 2*moment {
			t.Errorf("heard after %v", took)
		}
	})
}

func TestAQuickAnswerCostsNoReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, network := visit(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		answers := bufio.NewReader(client)
		for range 10 {
			say(t, client, plainGet)
			if got := told(t, answers); got != http.StatusNoContent {
				t.Fatal(got)
			}
		}
		synctest.Wait()
		// One for each request, and one for the next that may come; and for that one deadline.
		if reads, deadlines := network.reads.Load(), network.deadlines.Load(); reads != 11 || deadlines > 11 {
			t.Errorf("%d reads, %d deadlines", reads, deadlines)
		}
	})
}

// A client may send its next request before it has the answer to the last.
func TestWhatComesWhileAClientWaitsIsItsNextRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{}, 2)
		client, _ := visit(t, func(w http.ResponseWriter, r *http.Request) {
			<-goOn
			if r.Context().Err() != nil {
				t.Error("the request was given up")
			}
			w.WriteHeader(http.StatusNoContent)
		})
		answers := bufio.NewReader(client)
		say(t, client, plainGet)
		time.Sleep(3 * moment)
		go func() { _, _ = io.WriteString(client, plainGet) }() // the pipe has no room of its own
		synctest.Wait()
		goOn <- struct{}{}
		goOn <- struct{}{}
		for range 2 {
			if got := told(t, answers); got != http.StatusNoContent {
				t.Error(got)
			}
		}
	})
}

func TestAConnectionThatIsTakenOverLateLosesNothing(t *testing.T) {
	for _, early := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			taken, got := make(chan struct{}), make(chan string, 1)
			client, _ := visit(t, func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(3 * moment)
				c, buffered, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				close(taken)
				text := make([]byte, 5)
				_, _ = io.ReadFull(buffered, text)
				got <- string(text)
			})
			say(t, client, plainGet)
			go func() {
				if !early {
					<-taken
				}
				_, _ = io.WriteString(client, "hello")
			}()
			if text := <-got; text != "hello" {
				t.Errorf("early %t: %q", early, text)
			}
		})
	}
}

func TestADeadlineHoldsForAReadThatIsUnderWay(t *testing.T) {
	client, served := net.Pipe()
	defer client.Close()
	c := &Conn{Conn: served}
	failed := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 10))
		failed <- err
	}()
	if err := c.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(client, "x") }()
	if n, err := c.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Error(n, err)
	}
}

func TestAConnectionOfAnotherKindKeepsItsContext(t *testing.T) {
	_, served := net.Pipe()
	if ctx := t.Context(); Context(ctx, served) != ctx {
		t.Error("another context")
	}
}
