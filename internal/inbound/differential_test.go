package inbound

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/framing"
)

// house is a server on loopback.
type house struct {
	addr   string
	server *Server
	open   atomic.Int64  // connections, as the server tells
	looped atomic.Int64  // answers of the loop
	moved  chan struct{} // gets something after a connection has closed
}

func (s *house) count(by int) {
	if s.open.Add(int64(by)); by < 0 {
		select {
		case s.moved <- struct{}{}:
		default:
		}
	}
}

// serve serves h by the loop and http.Server.
func serve(t *testing.T, h http.Handler) *house {
	t.Helper()
	return serveWithin(t, h, 10*time.Second, time.Minute)
}

// serveWithin gives clients so long for a header, and between two requests.
func serveWithin(t *testing.T, h http.Handler, header, idle time.Duration) *house {
	t.Helper()
	s := &house{moved: make(chan struct{}, 1)}
	s.server = &Server{
		Server: &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, short := w.(*answer); short {
					s.looped.Add(1)
				}
				h.ServeHTTP(w, r)
			}),
			ReadHeaderTimeout: header, IdleTimeout: idle,
			ConnContext: framing.Context, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
			ConnState: func(c net.Conn, state http.ConnState) {
				framing.Follow(c, state)
				if state == http.StateClosed || state == http.StateHijacked {
					s.count(-1)
				}
			},
		},
		Changed: s.count,
	}
	l := listen(t)
	s.addr = l.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(framing.Listen(t.Context(), l, framing.Config{})) }()
	t.Cleanup(func() {
		_ = s.server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// plainServer serves h by http.Server alone and returns its address.
func plainServer(t *testing.T, h http.Handler) string {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = s.Serve(framing.Listen(t.Context(), l, framing.Config{})) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// guest is a client that writes its requests byte by byte.
type guest struct {
	net.Conn
	from *bufio.Reader
}

func visit(t *testing.T, addr string) *guest {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &guest{c, bufio.NewReader(c)}
}

func (g *guest) say(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(g, text); err != nil {
		t.Fatal(err)
	}
}

// heard is an answer, but for what differs from time to time.
type heard struct {
	Interim string
	Status  string
	Header  http.Header
	Body    string
	Length  int64
	Coding  []string
	Trailer http.Header
	Close   bool
	Err     string
}

// hear reads one answer, and whatever stands before it.
func (g *guest) hear(method string) (h heard) {
	for {
		res, err := http.ReadResponse(g.from, &http.Request{Method: method})
		if err != nil {
			h.Err = err.Error()
			return h
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			h.Interim += fmt.Sprint(res.Status, res.Header)
			continue
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			h.Err = err.Error()
		}
		if res.Header["Date"] != nil {
			res.Header["Date"] = []string{"today"}
		}
		h.Status, h.Header, h.Body, h.Length = res.Status, res.Header, string(body), res.ContentLength
		h.Coding, h.Trailer, h.Close = res.TransferEncoding, res.Trailer, res.Close
		return h
	}
}

func TestAnswersAreThoseOfTheLibrarysServer(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"nothing":           func(http.ResponseWriter, *http.Request) {},
		"a status":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"one without words": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(799) },
		"two statuses": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			w.WriteHeader(http.StatusOK)
		},
		"a text":       text("hello"),
		"a long text":  text(strings.Repeat("long ", 1<<10)),
		"a huge text":  text(strings.Repeat("huge ", 1<<16)),
		"a page":       text("<!doctype html><p>hello"),
		"no type":      with(http.Header{"Content-Type": nil}, "<p>"),
		"compressed":   with(http.Header{"Content-Encoding": {"gzip"}}, "\x1f\x8b"),
		"of its age":   with(http.Header{"Date": {"Sat, 21 Nov 2026 10:00:00 GMT"}}, "x"),
		"a length":     with(http.Header{"Content-Length": {"5"}}, "hello"),
		"too short":    with(http.Header{"Content-Length": {"9"}}, "hello"),
		"too long":     with(http.Header{"Content-Length": {"3"}}, "hello"),
		"the last":     with(http.Header{"Connection": {"close"}}, "bye"),
		"odd headers":  with(http.Header{"X-A": {"a", " b\r\nX-C: d "}, "bad name": {"x"}, "": {"y"}, "X-Empty": {""}}, "x"),
		"many cookies": with(http.Header{"Set-Cookie": {"a=1", "b=2"}}, "x"),
		"204":          status(http.StatusNoContent, http.Header{"Content-Length": {"3"}, "Content-Type": {"text/plain"}}),
		"304":          status(http.StatusNotModified, http.Header{"Content-Length": {"3"}, "Content-Type": {"text/plain"}, "Etag": {`"x"`}}),
		"301":          status(http.StatusMovedPermanently, http.Header{"Location": {"/x"}}),
		"hints": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "done")
		},
		"pieces": func(w http.ResponseWriter, _ *http.Request) {
			for _, piece := range []string{"one", "", "two", strings.Repeat("3", 3000), strings.Repeat("4", 70_000), "five"} {
				_, _ = io.WriteString(w, piece)
				_ = http.NewResponseController(w).Flush()
			}
		},
		"pieces of a length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "6")
			_, _ = io.WriteString(w, "one")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "two")
		},
		"flushed first": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "hello")
		},
		"flushed only": func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() },
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, Content-Length")
			_, _ = io.WriteString(w, "hello")
			w.Header().Set("X-Sum", "7")
			w.Header().Set("Content-Length", "9")
		},
		"late trailers": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "7")
		},
		"a header that comes too late": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Late", "1")
			w.Header().Set("Connection", "close")
			w.Header().Set("Content-Type", "x/y")
			_, _ = io.WriteString(w, "hello")
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"cut off before a word": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		},
		"a file": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(strings.Repeat("file ", 1<<12)))
		},
		"a stream": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader(strings.Repeat("stream ", 1<<12)))
		},
		"what Write says": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			n, err := w.Write([]byte("abc"))
			m, more := w.Write([]byte("de"))
			w.Header().Set("X-Said", "nothing")
			_, _ = fmt.Fprint(w, n, err, m, more)
		},
		"the header afterwards": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, fmt.Sprint(len(w.Header()), r.Body == http.NoBody))
		},
	} {
		t.Run(name, func(t *testing.T) {
			short, long := serve(t, handler), plainServer(t, handler)
			for _, method := range []string{"GET", "HEAD"} {
				one, other := visit(t, short.addr), visit(t, long)
				for range 2 { // the second tells whether the connection is still good
					for _, g := range []*guest{one, other} {
						_, _ = io.WriteString(g, method+" /x HTTP/1.1\r\nHost: a\r\n\r\n") // it may be closed
					}
					got, want := one.hear(method), other.hear(method)
					if got.Err != "" && want.Err != "" {
						got.Err, want.Err = "", ""
					}
					if !reflect.DeepEqual(got, want) {
						t.Errorf("%s\n got %+v\nwant %+v", method, got, want)
					}
				}
			}
			if short.looped.Load() < 2 {
				t.Error("not by the loop")
			}
		})
	}
}

func text(s string) http.HandlerFunc { return with(nil, s) }

func with(h http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), h)
		_, _ = io.WriteString(w, body)
	}
}

func status(code int, h http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), h)
		w.WriteHeader(code)
	}
}

// theirs is how package net/http reads a request, as far as a handler of its server sees it.
func theirs(text []byte) (*http.Request, error) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(text))))
	if err != nil {
		return nil, err
	}
	r.Header.Del("Host")
	return r, nil
}

// agrees fails if the loop takes a request that package net/http reads in another way.
func agrees(t *testing.T, text []byte) {
	t.Helper()
	got, ok := parse(text)
	if !ok {
		return
	}
	want, err := theirs(text)
	if err != nil {
		t.Fatalf("%q was taken: %v", text, err)
	}
	r := got.request(context.Background(), "peer")
	type seen struct {
		Method, Target, Host, Proto string
		URL                         *url.URL
		Header                      http.Header
		Close, Body                 bool
		Length                      int64
	}
	of := func(r *http.Request) seen {
		return seen{r.Method, r.RequestURI, r.Host, r.Proto, r.URL, r.Header, r.Close, r.Body == http.NoBody, r.ContentLength}
	}
	if one, other := of(r), of(want); !reflect.DeepEqual(one, other) {
		t.Errorf("%q\n got %+v\nwant %+v", text, one, other)
	}
}

// seeds are requests, and whether the loop takes them.
var seeds = []struct {
	text  string
	taken bool
}{
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"HEAD /x?y=z HTTP/1.1\r\nhost: a:80\r\nAccept: */*\r\n\r\n", true},
	{"GET /a%2Fb/%zz HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET /a%2Fb?%zz HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"GET //a/b HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"GET /a;b@c:d?e?f#g HTTP/1.1\r\nHost: a\r\n\r\n", true},
	{"GET /a HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\nX-Y_z: \t v w \t\r\nSEC-FETCH-SITE: none\r\n\r\n", true},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nCookie: a=b; c=\"d\"\r\nCookie: e\r\n\r\n", true},
	{"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", true},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9\r\n\r\n", true},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-User\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost:\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", false},
	{"GET / HTTP/1.1\nHost: a\n\n", false},
	{"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: b\x00c\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\nX", false},
	{"GET / HTTP/1.1\r\nHost: a\r\n", false},
	{"GET / HTTP/1.0\r\nHost: a\r\n\r\n", false},
	{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET * HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET / x HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"get / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"PRI * HTTP/2.0\r\n\r\n", false},
	{"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
}

func TestTheLoopTakesWhatHasOneReading(t *testing.T) {
	for _, row := range seeds {
		if _, ok := parse([]byte(row.text)); ok != row.taken {
			t.Errorf("%q: taken %t", row.text, ok)
		}
		agrees(t, []byte(row.text))
	}
}

func TestKnownNamesAreSpelledAsTheyAreKept(t *testing.T) {
	for written, kept := range known {
		if kept != textproto.CanonicalMIMEHeaderKey(written) {
			t.Errorf("%s is kept as %s", written, kept)
		}
	}
}

// FuzzTheLoopReadsAsTheLibraryDoes holds what the loop takes against package net/http.
func FuzzTheLoopReadsAsTheLibraryDoes(f *testing.F) {
	for _, row := range seeds {
		f.Add([]byte(row.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { agrees(t, text) })
}
