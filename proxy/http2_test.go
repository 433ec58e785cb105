package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// overTLS serves a gateway over TLS, with HTTP/2.
func (f *front) overTLS(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(f.Gateway)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// inFrames is one request in frames that no client library would send, and what came back:
// the status, or "refused": a 400, or the end of the stream or the connection.
func inFrames(t *testing.T, s *httptest.Server, fields [][2]string, body string) string {
	t.Helper()
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	c, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	packer := hpack.NewEncoder(&block)
	for _, f := range withUsual(fields) {
		_ = packer.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		_ = framer.WriteData(1, true, []byte(body))
	}
	for {
		f, err := framer.ReadFrame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("no answer to %q", fields)
		case err != nil:
			return "refused"
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			switch status := f.PseudoValue("status"); status {
			case "100":
			case "400":
				return "refused"
			default:
				return status
			}
		case *http2.RSTStreamFrame:
			return "refused"
		case *http2.GoAwayFrame:
			return "refused"
		}
	}
}

// withUsual puts the pseudo-headers of a good request in front of the fields, but for those
// that stand there.
func withUsual(fields [][2]string) [][2]string {
	all := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", publicHost}, {":path", "/x"}}
	for _, f := range fields {
		if i := slices.IndexFunc(all[:4], func(usual [2]string) bool { return usual[0] == f[0] }); i >= 0 {
			all[i] = f
			continue
		}
		all = append(all, f)
	}
	return all
}

// TestNoFieldOfHTTP2BecomesTwoOfHTTP1 sends what frames can carry and a line cannot, to an
// upstream that speaks HTTP/1.1. With -v each row is printed.
func TestNoFieldOfHTTP2BecomesTwoOfHTTP1(t *testing.T) {
	up := api(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	f := open(t, public(up))
	s := f.overTLS(t)
	type field = [2]string
	for _, row := range []struct {
		name   string
		fields []field // beside the usual pseudo-headers, or in their place
		body   string
		want   string
		saw    string // but for Via
	}{
		{"nothing special", []field{{"x-a", "b"}}, "", "200", "GET /x · X-A: b"},
		{"CRLF in a value", []field{{"x-a", "b\r\nX-User: root"}}, "", "refused", ""},
		{"LF in a value", []field{{"x-a", "b\nX-User: root"}}, "", "refused", ""},
		{"CR in a value", []field{{"x-a", "b\rX-User: root"}}, "", "refused", ""},
		{"NUL in a value", []field{{"x-a", "b\x00"}}, "", "refused", ""},
		{"a colon in a name", []field{{"x-a:b", "c"}}, "", "refused", ""},
		{"CRLF in a name", []field{{"x-a\r\nx-user: root\r\nx", "c"}}, "", "refused", ""},
		{"a space in a name", []field{{"x a", "c"}}, "", "refused", ""},
		{"a space behind a name", []field{{"content-length ", "3"}}, "", "refused", ""},
		{"a name in capitals", []field{{"X-A", "c"}}, "", "refused", ""},
		{"a name that is empty", []field{{"", "c"}}, "", "refused", ""},
		{"a name with an underscore", []field{{"x_forwarded_for", "6.6.6.6"}}, "", "200", "GET /x"},
		{"a name between two of ours", []field{{"x-forwarded-for", "6.6.6.6"}, {"forwarded", "for=6.6.6.6"}, {"x-real-ip", "6.6.6.6"}}, "", "200", "GET /x"},
		{"a space in the path", []field{{":path", "/a b"}}, "", "refused", ""},
		{"a request line in the path", []field{{":path", "/a HTTP/1.1\r\nX-User: root"}}, "", "refused", ""},
		{"a request line in the query", []field{{":path", "/a?b HTTP/1.1\r\nX-User: root"}}, "", "refused", ""},
		{"a version in the query", []field{{":path", "/a?b HTTP/1.1"}}, "", "refused", ""},
		{"a version in the query of a POST", []field{{":method", "POST"}, {":path", "/a?b HTTP/1.1"}, {"content-length", "2"}}, "x=", "refused", ""},
		{"a tab in the query", []field{{":path", "/a?b\tHTTP/1.1"}}, "", "refused", ""},
		{"a NUL in the query", []field{{":path", "/a?b\x00"}}, "", "refused", ""},
		{"a fragment", []field{{":path", "/a#b"}}, "", "refused", ""},
		{"no path", []field{{":path", ""}}, "", "refused", ""},
		{"a path without a slash", []field{{":path", "x"}}, "", "refused", ""},
		{"a path that is a URL", []field{{":path", "https://evil.example/x"}}, "", "refused", ""},
		{"a path with two slashes", []field{{":path", "//evil.example/x"}}, "", "200", "GET //evil.example/x"},
		{"the path of OPTIONS", []field{{":path", "*"}}, "", "refused", ""},
		{"a request line in the method", []field{{":method", "GET /evil HTTP/1.1"}}, "", "refused", ""},
		{"CRLF in the method", []field{{":method", "GET\r\nX-User: root"}}, "", "refused", ""},
		{"no method", []field{{":method", ""}}, "", "refused", ""},
		{"TRACE", []field{{":method", "TRACE"}}, "", "405", ""},
		{"CONNECT", []field{{":method", "CONNECT"}}, "", "refused", ""},
		{"CONNECT for a WebSocket, which is not offered", []field{{":method", "CONNECT"}, {":protocol", "websocket"}}, "", "refused", ""},
		{"a foreign authority, our host", []field{{":authority", "evil.example"}, {"host", publicHost}}, "", "refused", ""},
		{"a foreign authority", []field{{":authority", "evil.example"}}, "", "404", ""},
		{"our authority, a foreign host", []field{{"host", "evil.example"}}, "", "refused", ""},
		{"our authority and host", []field{{"host", publicHost}}, "", "200", "GET /x"},
		{"two hosts", []field{{":authority", ""}, {"host", publicHost}, {"host", "evil.example"}}, "", "refused", ""},
		{"a user in the authority", []field{{":authority", "evil.example@" + publicHost}}, "", "refused", ""},
		{"CRLF in the authority", []field{{":authority", publicHost + "\r\nX-User: root"}}, "", "refused", ""},
		{"a path in the authority", []field{{":authority", publicHost + "/x"}}, "", "404", ""},
		{"a URL in the scheme", []field{{":scheme", "http://evil.example/?"}}, "", "refused", ""},
		{"a pseudo-header that is none", []field{{":evil", "b"}}, "", "refused", ""},
		{"a pseudo-header of answers, behind a header", []field{{"x-a", "b"}, {":status", "200"}}, "", "refused", ""},
		{"chunks", []field{{"transfer-encoding", "chunked"}}, "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", "refused", ""},
		{"a list of a connection's headers", []field{{"connection", "x-forwarded-for"}}, "", "refused", ""},
		{"an upgrade", []field{{"upgrade", "h2c"}}, "", "refused", ""},
		{"a header of a connection", []field{{"proxy-connection", "close"}}, "", "refused", ""},
		{"te: gzip", []field{{"te", "gzip"}}, "", "refused", ""},
		{"te: trailers", []field{{"te", "trailers"}}, "", "200", "GET /x · Te: trailers"},
		{"settings of an upgrade", []field{{"http2-settings", "AAMAAABk"}}, "", "200", "GET /x"},
		{"a length that is right", []field{{":method", "POST"}, {"content-length", "5"}}, "hello", "200", "POST /x"},
		{"a length with a sign", []field{{":method", "POST"}, {"content-length", "+5"}}, "hello", "refused", ""},
		{"a length beyond all numbers", []field{{":method", "POST"}, {"content-length", "18446744073709551621"}}, "hello", "refused", ""},
		{"a length without a body", []field{{":method", "POST"}, {"content-length", "5"}}, "", "refused", ""},
		{"two lengths", []field{{":method", "POST"}, {"content-length", "5"}, {"content-length", "3"}}, "hello", "refused", ""},
		{"cookies in pieces, with ours", []field{{"cookie", "a=1"}, {"cookie", "__Host-Http-cloakroom=x"}, {"cookie", "b=2"}}, "", "200", "GET /x · Cookie: a=1; b=2"},
	} {
		before := up.hits()
		got, saw := inFrames(t, s, row.fields, row.body), ""
		if up.hits() > before {
			saw = strings.Replace(arrival(up.last(t)), " · Via: 2.0 cloakroom", "", 1)
		}
		t.Logf("%s | %q | %s | %s", row.name, row.fields, got, saw)
		if got != row.want || saw != row.saw {
			t.Errorf("%s: %s, and the upstream saw %q; want %s and %q", row.name, got, saw, row.want, row.saw)
		}
	}
}

// TestABodyOfAnotherLengthIsNotWhole says another length than the body has: the upstream must
// not take a part for all.
func TestABodyOfAnotherLengthIsNotWhole(t *testing.T) {
	var whole atomic.Bool
	t.Cleanup(func() { // after the upstream has been closed, which waits for its handlers
		if whole.Load() {
			t.Error("the upstream took it for whole")
		}
	})
	up := api(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			whole.Store(true)
		}
	})
	s := open(t, public(up)).overTLS(t)
	for _, length := range []string{"3", "9"} {
		if got := inFrames(t, s, [][2]string{{":method", "POST"}, {"content-length", length}}, "hello"); got == "200" {
			t.Errorf("of a length of %s the answer is %s", length, got)
		}
	}
}
