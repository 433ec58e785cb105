package proxy

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// message is a length-prefixed message of gRPC.
func message(text string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))) + text
}

// readMessage returns the next message of a body, "" at its end.
func readMessage(t testing.TB, r io.Reader) string {
	t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err == io.EOF {
		return ""
	} else if err != nil {
		t.Error(err)
		return ""
	}
	text := make([]byte, binary.BigEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(r, text); err != nil {
		t.Error(err)
	}
	return string(text)
}

// echoes is a gRPC server: it answers each message at once, and refuses /deny without one.
func echoes(t *testing.T) *url.URL {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || r.Header.Get("Content-Type") != "application/grpc" {
			t.Errorf("no call of gRPC: %s %v", r.Proto, r.Header)
		}
		w.Header().Set("Content-Type", "application/grpc")
		if r.URL.Path == "/echo.Echo/deny" {
			w.Header().Set("Grpc-Status", "7")
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(200)
		flush := http.NewResponseController(w).Flush
		_ = flush()
		for got := readMessage(t, r.Body); got != ""; got = readMessage(t, r.Body) {
			_, _ = io.WriteString(w, message("<"+got+"> for "+r.Header.Get("Authorization")))
			_ = flush()
		}
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return mustURL("h2c" + strings.TrimPrefix(s.URL, "http"))
}

// call is a call of gRPC under way.
type call struct {
	in  *io.PipeWriter
	res *http.Response
	out *bufio.Reader
}

// caller makes calls through a gateway that listens with TLS.
func caller(t *testing.T, f *front, ticket string) func(method string) *call {
	t.Helper()
	s := httptest.NewUnstartedServer(f.Gateway)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return func(method string) *call {
		t.Helper()
		body, in := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/echo.Echo/"+method, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = publicHost
		req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "X-Csrf": {"1"}, "Cookie": {f.cookie(ticket)}}
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return &call{in, res, bufio.NewReader(res.Body)}
	}
}

func TestGRPCStreamsBothWaysAndEndsInTrailers(t *testing.T) {
	f := open(t, []Route{{Path: "/echo.Echo/", Upstream: echoes(t)}})
	_, ticket := f.signIn(t, time.Hour)
	do := caller(t, f, ticket)
	c := do("talk")
	for _, text := range []string{"one", "two", strings.Repeat("x", 1<<20)} {
		go func() { _, _ = io.WriteString(c.in, message(text)) }()
		if got, want := readMessage(t, c.out), "<"+text+"> for Bearer "+accessToken; got != want {
			t.Fatalf("got %.50q…, want %.50q…", got, want)
		}
	}
	_ = c.in.Close()
	if rest, err := io.ReadAll(c.out); len(rest) > 0 || err != nil {
		t.Errorf("at the end %q, %v", rest, err)
	}
	if got := c.res.Trailer; got.Get("Grpc-Status") != "0" || got.Get("Grpc-Message") != "fine" {
		t.Errorf("the trailers are %v", got)
	}
}

func TestARefusalOfGRPCIsTheUpstreamsOwn(t *testing.T) {
	f := open(t, []Route{{Path: "/echo.Echo/", Upstream: echoes(t)}})
	_, ticket := f.signIn(t, time.Hour)
	c := caller(t, f, ticket)("deny")
	_ = c.in.Close()
	if c.res.StatusCode != 200 || c.res.Header.Get("Grpc-Status") != "7" || c.res.Header.Get("Cloakroom-Error") != "" {
		t.Errorf("%s %v", c.res.Status, c.res.Header)
	}
}

func TestGRPCGoesToWhomItCanReach(t *testing.T) {
	gone := nobody(t)
	gone.Scheme = "h2c"
	f := open(t, []Route{{Path: "/echo.Echo/", Upstream: gone, Replicas: []*url.URL{echoes(t)}}})
	_, ticket := f.signIn(t, time.Hour)
	do := caller(t, f, ticket)
	for tries := 0; !strings.Contains(f.log.String(), "left out"); tries++ {
		if tries > 50 {
			t.Fatal("nobody was left out")
		}
		c := do("talk")
		_, _ = io.WriteString(c.in, message("hello"))
		_ = c.in.Close()
		if got := readMessage(t, c.out); !strings.HasPrefix(got, "<hello>") {
			t.Fatalf("%s %q", c.res.Status, got)
		}
		_, _ = io.Copy(io.Discard, c.out) // else the server hears of a client that left
	}
}

// A browser's gRPC: over HTTP/1.1, with the trailers as the last part of the body.
func TestGRPCWebStreamsOverHTTP1(t *testing.T) {
	next := make(chan string)
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		if got := readMessage(t, r.Body); got != "hello" {
			t.Errorf("the upstream got %q", got)
		}
		w.Header().Set("Content-Type", "application/grpc-web+proto")
		flush := http.NewResponseController(w).Flush
		_ = flush()
		for part := range next {
			_, _ = io.WriteString(w, part)
			_ = flush()
		}
	})
	f := open(t, []Route{{Path: "/echo.Echo/", Upstream: up.url}})
	_, ticket := f.signIn(t, time.Hour)
	body := message("hello")
	res := f.raw(t, "POST /echo.Echo/talk HTTP/1.1\r\nHost: "+publicHost+"\r\nSec-Fetch-Site: same-origin\r\nCookie: "+f.cookie(ticket)+
		"\r\nContent-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\nContent-Length: 10\r\n\r\n"+body)
	for _, text := range []string{"one", "two"} {
		next <- message(text)
		if got := readMessage(t, res.Body); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	trailer := "\x80\x00\x00\x00\x0fgrpc-status:0\r\n"
	next <- trailer
	close(next)
	if got := text(t, res); got != trailer || res.Header.Get("Content-Type") != "application/grpc-web+proto" {
		t.Errorf("the last part is %q", got)
	}
	if h := up.last(t).Header; h.Get("Authorization") != "Bearer "+accessToken || h.Get("X-Grpc-Web") != "1" {
		t.Errorf("the upstream has %v", h)
	}
}
