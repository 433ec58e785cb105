package outbound

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// noFallback fails: the request was one for the short way.
type noFallback struct{ t *testing.T }

// RoundTrip implements http.RoundTripper.
func (f noFallback) RoundTrip(r *http.Request) (*http.Response, error) {
	f.t.Errorf("%s %s went the long way", r.Method, r.URL)
	return nil, errors.New("not the short way")
}

// to returns a Transport to the server at an address.
func to(t *testing.T, host string) *Transport {
	t.Helper()
	tr := &Transport{
		Host: host, Address: host, Dial: (&net.Dialer{}).DialContext, Fallback: noFallback{t},
		HeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20, MaxIdle: 8, IdleTimeout: time.Minute,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func get(t *testing.T, ctx context.Context, host string) *http.Request { //nolint:revive // t comes first everywhere
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/a?b", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = ""
	return r
}

// fetched is what came back: the status and the whole body.
func fetched(t *testing.T, tr *Transport, r *http.Request) (string, error) {
	t.Helper()
	res, err := tr.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, text), err
}

// script is an upstream that answers the requests of its connections, one after the other
// over all of them, with the bytes that it was given. An answer that begins with "close:"
// is the last on its connection.
type script struct {
	host  string
	conns atomic.Int32
	heard chan string // the request lines
}

func play(t *testing.T, answers ...string) *script {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &script{host: l.Addr().String(), heard: make(chan string, 2*len(answers)+2)}
	next := make(chan string, len(answers))
	for _, a := range answers {
		next <- a
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			go s.serve(c, next)
		}
	}()
	return s
}

func (s *script) serve(c net.Conn, next <-chan string) {
	defer c.Close()
	from := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		s.heard <- r.Method + " " + r.RequestURI
		answer, last := strings.CutPrefix(<-next, "close:")
		if _, err := io.WriteString(c, answer); err != nil || last {
			return
		}
	}
}

const plainOK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestOneConnectionServesOneRequestAfterAnother(t *testing.T) {
	s := play(t,
		plainOK,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		plainOK)
	tr := to(t, s.host)
	for _, want := range []string{"200 ok", "200 ok", "204 ", "200 ", "200 ok"} {
		if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != want || err != nil {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections for five requests", n)
	}
}

func TestWhatNobodyAskedForIsNeverTheNextAnswer(t *testing.T) {
	forged := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	for name, first := range map[string]string{
		"a second answer":           plainOK + forged,
		"bytes behind the body":     plainOK + "x",
		"a body where none can be":  "HTTP/1.1 204 No Content\r\n\r\n" + forged,
		"an answer to close":        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" + forged,
		"HTTP/1.0 that says no end": "close:HTTP/1.0 200 OK\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, first, plainOK)
			tr := to(t, s.host)
			if got, err := fetched(t, tr, get(t, t.Context(), s.host)); err != nil || strings.Contains(got, "forged") {
				t.Fatalf("%q, %v", got, err)
			}
			if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != "200 ok" || err != nil {
				t.Errorf("the second request got %q, %v", got, err)
			}
			if n := s.conns.Load(); n != 2 {
				t.Errorf("%d connections, want a fresh one for the second request", n)
			}
		})
	}
}

func TestAnAnswerThatComesWhileNobodyAsksSpoilsTheConnection(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tr := to(t, l.Addr().String())
	done := make(chan string, 1)
	go func() {
		got, err := fetched(t, tr, get(t, t.Context(), tr.Host))
		done <- fmt.Sprint(got, err)
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, plainOK); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != "200 ok<nil>" {
		t.Fatal(got)
	}
	if _, err := io.WriteString(c, plainOK); err != nil {
		t.Fatal(err)
	}
	kept := tr.idle.pop()
	if kept == nil {
		t.Fatal("the connection was not kept")
	}
	for kept.glance.quiet() { // until it has arrived
		if t.Context().Err() != nil {
			t.Fatal("what waits on the connection is not seen, and would be the next answer")
		}
		runtime.Gosched()
	}
	_ = kept.Close()
}

func TestARequestThatMetAClosedConnectionIsSentAgain(t *testing.T) {
	// The second request is read, and the connection closed without a word.
	s := play(t, plainOK, "close:", plainOK)
	tr := to(t, s.host)
	for range 2 {
		if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != "200 ok" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestARequestIsNotSentAgainOnceTheUpstreamHasSpoken(t *testing.T) {
	for name, answers := range map[string][]string{
		"half a header":      {plainOK, "close:HTTP/1.1 200 OK\r\nConte", plainOK},
		"a fresh connection": {"close:", plainOK},
		"nonsense":           {plainOK, "close:220 smtp.example.com\r\n\r\n", plainOK},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, answers...)
			tr := to(t, s.host)
			if len(answers) == 3 {
				if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != "200 ok" || err != nil {
					t.Fatalf("%q, %v", got, err)
				}
				<-s.heard
			}
			if got, err := fetched(t, tr, get(t, t.Context(), s.host)); err == nil {
				t.Errorf("an answer: %q", got)
			}
			<-s.heard
			if len(s.heard) > 0 {
				t.Error("the request was sent again")
			}
		})
	}
}

func TestAClientThatLeavesEndsTheExchange(t *testing.T) {
	for name, begun := range map[string]string{
		"before the header":       "",
		"in the middle of it":     "HTTP/1.1 200 OK\r\nContent-Le",
		"in the middle of a body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, begun)
			tr := to(t, s.host)
			left := errors.New("the client has left")
			ctx, leave := context.WithCancelCause(t.Context())
			r := get(t, ctx, s.host)
			go func() {
				<-s.heard
				leave(left)
			}()
			res, err := tr.RoundTrip(r)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				if err == nil {
					t.Error("the body has an end")
				}
			} else if !errors.Is(err, left) {
				t.Errorf("%v, want the cause", err)
			}
			if tr.idle.get() != nil {
				t.Error("the connection is kept")
			}
		})
	}
}

func TestABodyThatIsClosedEarlyClosesTheConnection(t *testing.T) {
	s := play(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", plainOK)
	tr := to(t, s.host)
	res, err := tr.RoundTrip(get(t, t.Context(), s.host))
	if err != nil {
		t.Fatal(err)
	}
	reads := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(res.Body)
		reads <- err
	}()
	_ = res.Body.Close()
	if err := <-reads; err == nil {
		t.Error("whoever read was told that it was all")
	}
	if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != "200 ok" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOnlyTheHeaderHasATimeLimit(t *testing.T) {
	release := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Silent") != "" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "begun, ")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	defer up.Close()
	host := up.Listener.Addr().String()
	tr := to(t, host)
	tr.HeaderTimeout = 50 * time.Millisecond
	res, err := tr.RoundTrip(get(t, t.Context(), host))
	if err != nil {
		t.Fatal(err)
	}
	silent := get(t, t.Context(), host)
	silent.Header.Set("Silent", "yes")
	_, err = tr.RoundTrip(silent) // takes as long as the limit
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
		t.Errorf("%v, want a time-out", err)
	}
	close(release)
	if text, err := io.ReadAll(res.Body); string(text) != "begun, done" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAHeaderHasALimit(t *testing.T) {
	s := play(t, "HTTP/1.1 200 OK\r\nA: "+strings.Repeat("a", 8<<10)+"\r\n\r\n")
	tr := to(t, s.host)
	tr.MaxHeaderBytes = 4 << 10
	if _, err := fetched(t, tr, get(t, t.Context(), s.host)); !errors.Is(err, errHeaderTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestInterimAnswersAndTrailersArrive(t *testing.T) {
	s := play(t, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n2\r\nok\r\n0\r\nSum: 7\r\n\r\n")
	tr := to(t, s.host)
	var hints []string
	tr.Interim = func(_ *http.Request, status int, h http.Header) {
		hints = append(hints, fmt.Sprint(status, h.Get("Link")))
	}
	r := get(t, t.Context(), s.host)
	res, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	if res.Trailer.Get("Sum") != "7" || fmt.Sprint(hints) != "[103</a.css>]" {
		t.Errorf("trailer %v, hints %v", res.Trailer, hints)
	}
}

func TestAHeadHasNoBody(t *testing.T) {
	s := play(t, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", plainOK)
	tr := to(t, s.host)
	r := get(t, t.Context(), s.host)
	r.Method = http.MethodHead
	res, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(res.Body); len(text) > 0 || err != nil || res.ContentLength != 99 {
		t.Errorf("%q, %v, length %d", text, err, res.ContentLength)
	}
	if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != "200 ok" || err != nil || s.conns.Load() != 1 {
		t.Errorf("%q, %v, on connection %d", got, err, s.conns.Load())
	}
}

// longWay notes what it gets.
type longWay struct{ got *http.Request }

// RoundTrip implements http.RoundTripper.
func (l *longWay) RoundTrip(r *http.Request) (*http.Response, error) {
	l.got = r
	return &http.Response{StatusCode: http.StatusTeapot}, nil
}

func TestWhatIsNotForTheShortWayGoesTheLongOne(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"a body":            func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x")) },
		"a method":          func(r *http.Request) { r.Method = http.MethodDelete },
		"an upgrade":        func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
		"an expectation":    func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
		"TLS":               func(r *http.Request) { r.URL.Scheme = "https" },
		"another host":      func(r *http.Request) { r.URL.Host = "127.0.0.2:1" },
		"another Host line": func(r *http.Request) { r.Host = "other.example" },
		"trailers":          func(r *http.Request) { r.Trailer = http.Header{"Sum": nil} },
		"its last request":  func(r *http.Request) { r.Close = true },
	} {
		l := &longWay{}
		tr := &Transport{Host: "127.0.0.1:1", Fallback: l}
		r := get(t, t.Context(), tr.Host)
		change(r)
		res, err := tr.RoundTrip(r)
		if err != nil || res.StatusCode != http.StatusTeapot || l.got != r {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
}

func TestARequestThatCannotBeWrittenIsNotSent(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"a line break in a value": func(r *http.Request) { r.Header["A"] = []string{"b\r\nC: d"} },
		"a bare line feed":        func(r *http.Request) { r.Header["A"] = []string{"b\nC: d"} },
		"NUL in a value":          func(r *http.Request) { r.Header["A"] = []string{"b\x00"} },
		"a line break in a name":  func(r *http.Request) { r.Header["A\r\nB"] = []string{"c"} },
		"a colon in a name":       func(r *http.Request) { r.Header["A:"] = []string{"c"} },
		"no name":                 func(r *http.Request) { r.Header[""] = []string{"c"} },
		"a space in the target":   func(r *http.Request) { r.URL.Opaque = "/a HTTP/1.1" },
		"a line break in it":      func(r *http.Request) { r.URL.RawQuery = "\r\nA: b" },
	} {
		s := play(t, plainOK, plainOK)
		tr := to(t, s.host)
		if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != "200 ok" || err != nil {
			t.Fatalf("%s: %q, %v", name, got, err)
		}
		<-s.heard
		r := get(t, t.Context(), s.host)
		change(r)
		if got, err := fetched(t, tr, r); err == nil {
			t.Errorf("%s: %q", name, got)
		}
		if len(s.heard) > 0 {
			t.Errorf("%s: the upstream heard %q", name, <-s.heard)
		}
		if got, err := fetched(t, tr, get(t, t.Context(), s.host)); got != "200 ok" || err != nil || s.conns.Load() != 1 {
			t.Errorf("%s: the next request got %q, %v, on connection %d", name, got, err, s.conns.Load())
		}
	}
}

func TestBothWaysSendTheSame(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"plain":           func(*http.Request) {},
		"a target in one": func(r *http.Request) { r.URL.Opaque = "/a%2Fb;c"; r.URL.RawQuery = "d=%zz&e" },
		"two slashes":     func(r *http.Request) { r.URL.Path = "//a" },
		"an empty query":  func(r *http.Request) { r.URL.RawQuery = ""; r.URL.ForceQuery = true },
		"no user agent":   func(r *http.Request) { r.Header["User-Agent"] = []string{""} },
		"many headers":    func(r *http.Request) { r.Header["A"] = []string{"b", " c\t", ""}; r.Header["X-Y"] = []string{"é"} },
		"headers that frame": func(r *http.Request) {
			r.Header["Content-Length"] = []string{"5"}
			r.Header["Transfer-Encoding"] = []string{"chunked"}
			r.Header["Host"] = []string{"evil"}
			r.Header["Trailer"] = []string{"A"}
		},
	} {
		sent := func(tr http.RoundTripper, host string, wire *bytes.Buffer) string {
			r := get(t, t.Context(), host)
			r.Header.Set("User-Agent", "test")
			change(r)
			if _, err := tr.RoundTrip(r); err == nil {
				t.Errorf("%s: an answer from nobody", name)
			}
			got, err := http.ReadRequest(bufio.NewReader(wire))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return fmt.Sprint(got.Method, got.RequestURI, got.Proto, got.Host, got.Header, got.ContentLength, got.TransferEncoding, wire.Len())
		}
		var short, long bytes.Buffer
		dial := func(wire *bytes.Buffer) func(context.Context, string, string) (net.Conn, error) {
			return func(context.Context, string, string) (net.Conn, error) {
				return &tape{heard: wire, asked: make(chan struct{})}, nil
			}
		}
		a := sent(&Transport{Host: "up.test", Dial: dial(&short), Fallback: noFallback{t}, MaxHeaderBytes: 1 << 20}, "up.test", &short)
		b := sent(&http.Transport{DialContext: dial(&long), DisableCompression: true}, "up.test", &long)
		if a != b {
			t.Errorf("%s:\n%s\n%s", name, a, b)
		}
	}
}

func TestConnectionsThatNobodyNeedsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool
		var kept []*tape
		for i := range 4 {
			tape := &tape{}
			c := newConn(tape, &Transport{})
			c.since = time.Now()
			if ok := p.put(c, 3, time.Minute); ok != (i < 3) {
				t.Errorf("connection %d was kept: %v", i, ok)
			}
			kept = append(kept, tape)
			time.Sleep(10 * time.Second)
		}
		closed := func() (which []bool) {
			for _, tape := range kept[:3] {
				which = append(which, tape.closed.Load())
			}
			return which
		}
		time.Sleep(35 * time.Second) // They are 75, 65 and 55 seconds old.
		if got := closed(); !slices.Equal(got, []bool{true, true, false}) {
			t.Errorf("closed: %v", got)
		}
		time.Sleep(10 * time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !closed()[2] || len(p.conns) != 0 || p.watched {
			t.Error("the last connection is still there, or is watched for")
		}
	})
}
