package outbound

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tape is a connection that says what it was given, and then ends.
type tape struct {
	net.Conn
	says   []byte
	heard  *bytes.Buffer
	closed atomic.Bool
	asked  chan struct{} // closed by the first Write, which Read waits for; nil: it does not
	first  sync.Once
}

// Read implements io.Reader.
func (c *tape) Read(p []byte) (int, error) {
	if c.asked != nil {
		<-c.asked // An answer before the request would be one that nobody asked for.
	}
	if len(c.says) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.says)
	c.says = c.says[n:]
	return n, nil
}

// Write implements io.Writer.
func (c *tape) Write(p []byte) (int, error) {
	if c.asked != nil {
		defer c.first.Do(func() { close(c.asked) })
	}
	if c.heard != nil {
		c.heard.Write(p)
	}
	return len(p), nil
}

// Close implements io.Closer.
func (c *tape) Close() error {
	c.closed.Store(true)
	return nil
}

// SetDeadline implements net.Conn; a tape waits for nothing.
func (c *tape) SetDeadline(time.Time) error { return nil }

// answers are what upstreams say, well and badly.
var answers = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"HTTP/1.0 200 OK\r\n\r\nok",
	"HTTP/1.1 200 OK\r\n\r\nto the end",
	"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 304 Not Modified\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
	"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n",
	"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
	"HTTP/1.1 20 OK\r\n\r\n",
	"HTTP/1.1 2000 OK\r\n\r\n",
	"HTTP/2.0 200 OK\r\n\r\n",
	"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
	"ICY 200 OK\r\n\r\n",
	"220 smtp.example.com\r\n\r\n",
	"\r\nHTTP/1.1 200 OK\r\n\r\n",
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
	"",
}

// read is what a client gets of an answer.
func read(t *testing.T, way http.RoundTripper) string {
	t.Helper()
	r := get(t, t.Context(), "up.test")
	res, err := way.RoundTrip(r)
	if err != nil || res.StatusCode < 100 { // The long way leaves it to others to see that this is none.
		return "no answer"
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s %v %q trailer %v length %d, whole: %v", res.StatusCode, res.Proto, res.Header, text, res.Trailer, res.ContentLength, err == nil)
}

// bothWays returns what the short and the long way make of an answer.
func bothWays(t *testing.T, answer []byte) (short, long string) {
	t.Helper()
	dial := func(context.Context, string, string) (net.Conn, error) {
		return &tape{says: slices.Clone(answer), asked: make(chan struct{})}, nil
	}
	a := &Transport{Host: "up.test", Dial: dial, Fallback: noFallback{t}, MaxHeaderBytes: 1 << 20}
	b := &http.Transport{DialContext: dial, DisableCompression: true}
	defer b.CloseIdleConnections()
	return read(t, a), read(t, b)
}

func TestBothWaysReadTheSame(t *testing.T) {
	for _, answer := range answers {
		if short, long := bothWays(t, []byte(answer)); short != long {
			t.Errorf("%q:\nshort: %s\nlong:  %s", answer, short, long)
		}
	}
}

// FuzzBothWaysReadTheSame looks for an answer that the short way reads in another way than
// http.Transport.
func FuzzBothWaysReadTheSame(f *testing.F) {
	for _, answer := range answers {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if short, long := bothWays(t, answer); short != long {
			t.Errorf("short: %s\nlong:  %s", short, long)
		}
	})
}
