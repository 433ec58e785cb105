package framing

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// server serves over a Listener and notes what its handler read.
type server struct {
	addr  string
	roots *x509.CertPool
	mu    sync.Mutex
	seen  []string // guarded by mu
}

func serve(t *testing.T, secure bool) *server { return serveMost(t, secure, 0) }

// serveMost serves so many connections at a time.
func serveMost(t *testing.T, secure bool, most int) *server {
	t.Helper()
	s := &server{}
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = plain.Addr().String()
	var config *tls.Config
	if secure {
		lender := httptest.NewTLSServer(nil)
		lender.Close()
		config = &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
		s.roots = x509.NewCertPool()
		s.roots.AddCert(lender.Certificate())
	}
	h := &http.Server{Handler: s, TLSConfig: config, ConnContext: Context, ConnState: Follow, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(Listen(t.Context(), plain, Config{TLS: config, Answer: said, Most: most})) }()
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/echo" {
		echo(w)
		return
	}
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, fmt.Sprintf("%s %s %q %v", r.Method, r.URL.Path, body, err != nil))
	s.mu.Unlock()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, r.Proto)
}

// echo takes the connection over, as for a WebSocket.
func echo(w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(c, rw)
	_ = c.Close()
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *server) dial(t *testing.T, secure bool) net.Conn {
	t.Helper()
	var c net.Conn
	var err error
	if secure {
		c, err = (&tls.Dialer{Config: &tls.Config{RootCAs: s.roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", s.addr)
	} else {
		c, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// TestWhatHasTwoReadingsIsA400InItsTurn sends each message behind a good one.
func TestWhatHasTwoReadingsIsA400InItsTurn(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, m := range messages {
			if m.good < 0 || strings.HasPrefix(m.name, "what ") {
				continue
			}
			t.Run(fmt.Sprint(m.name, " tls=", secure), func(t *testing.T) {
				s := serve(t, secure)
				c := s.dial(t, secure)
				text := strings.Replace(m.text, "HTTP/1.1\r\n", "HTTP/1.1\r\nHost: a\r\n", 1)
				// What is refused early is not read to its end.
				_, _ = io.WriteString(c, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n"+text+"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
				answers := bufio.NewReader(c)
				for i, want := range []int{http.StatusOK, http.StatusBadRequest} {
					res, err := http.ReadResponse(answers, nil)
					if err != nil {
						t.Fatalf("answer %d: %v", i, err)
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					if res.StatusCode/100 != want/100 {
						t.Errorf("answer %d is %s", i, res.Status)
					}
				}
				if rest, _ := io.ReadAll(answers); len(rest) > 0 {
					t.Errorf("more comes: %q", rest)
				}
				for _, request := range s.requests()[1:] {
					if !strings.HasSuffix(request, "true") {
						t.Errorf("the handler read %s", request)
					}
				}
			})
		}
	}
}

func TestGoodMessagesArriveWhole(t *testing.T) {
	s := serve(t, false)
	c := s.dial(t, false)
	go func() {
		for _, b := range []byte("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\n\r\r\n0\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\n\n") {
			_, _ = c.Write([]byte{b})
		}
	}()
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.requests()); got != `[POST /a "a\n\r" false POST /b "\n\n" false]` {
		t.Errorf("the handler read %s", got)
	}
}

func TestAConnectionThatWasTakenOverIsNobodysBusiness(t *testing.T) {
	s := serve(t, false)
	c := s.dial(t, false)
	if _, err := io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	frame := []byte("\n\n GET / HTTP/1.1\nContent-Length: -1\r\r\n\n\x00")
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(frame))
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, frame) {
		t.Errorf("%q came back, %v", got, err)
	}
}

func TestHTTP2IsSpokenOverTLS(t *testing.T) {
	s := serve(t, true)
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}, Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || string(body) != "HTTP/2.0" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestNobodyWaitsForAnothersHandshake(t *testing.T) {
	s := serve(t, true)
	for range 3 {
		s.dial(t, false) // says nothing
	}
	c := s.dial(t, true)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestAListenerThatIsClosedAcceptsNobody(t *testing.T) {
	for _, config := range []*tls.Config{nil, {MinVersion: tls.VersionTLS12}} {
		plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := Listen(t.Context(), plain, Config{TLS: config})
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if c, err := l.Accept(); err == nil {
			t.Errorf("%v was accepted", c.RemoteAddr())
		}
		_ = l.Close()
	}
}
