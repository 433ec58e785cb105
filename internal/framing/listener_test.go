package framing

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// said is a refusal in words of a test's own.
func said(r Refusal) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d said\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", r.Status, len(r.Reason), r.Reason)
}

func TestWhatNobodyCanReadIsRefusedInOurWords(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: a\r\n"
	for _, row := range []struct {
		name, send, reason string
		status             int
	}{
		{"two readings", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "The request can be read in two ways.", 400},
		{"two readings, known at once", "GET / HTTP/1.1\n", "The request can be read in two ways.", 400},
		{"the server's own 400", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "The request cannot be read.", 400},
		{"the server's own 400 with its reason", "GET / HTTP/1.1\r\n\r\n", "The request cannot be read: missing required Host header.", 400},
		{"too many header lines", post + strings.Repeat("A: b\r\n", mostFields) + "\r\n", "The request's header is too large.", 431},
		{"too many bytes", post + "A: " + strings.Repeat("b", 2<<20) + "\r\n\r\n", "The request's header is too large.", 431},
		{"an expectation", post + "Expect: miracles\r\n\r\n", "The request expects what this server does not know.", 417},
		{"a coding", post + "Transfer-Encoding: gzip\r\n\r\n", "The request has a transfer coding that this server does not know.", 501},
		{"a version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "The request cannot be read: unsupported protocol version.", 505},
	} {
		for _, before := range []string{"", "GET /first HTTP/1.1\r\nHost: a\r\n\r\n"} {
			t.Run(fmt.Sprint(row.name, ", behind ", len(before)), func(t *testing.T) {
				s := serve(t, false)
				c := s.dial(t, false)
				_, _ = io.WriteString(c, before+row.send) // may be refused before its end
				r := bufio.NewReader(c)
				if before != "" {
					mustAnswer(t, r, http.StatusOK, "HTTP/1.1")
				}
				mustAnswer(t, r, row.status, row.reason)
				if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("and then %v", err)
				}
			})
		}
	}
}

func mustAnswer(t *testing.T, r *bufio.Reader, status int, text string) {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != status || string(body) != text {
		t.Errorf("%s %q, %v; want %d %q", res.Status, body, err, status, text)
	}
}

// The handler's own words are its own, even if they are those that the server would use.
func TestAnAnswerOfAHandlerIsLeftAlone(t *testing.T) {
	client, raw := net.Pipe()
	c := &Conn{Conn: raw, answer: said}
	go func() {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request"+ownWords+"400 Bad Request")
		_ = c.Close()
	}()
	if got, err := io.ReadAll(client); err != nil || strings.Contains(string(got), "said") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPlainHTTPAtTheTLSPortGetsAReadableAnswer(t *testing.T) {
	s := serve(t, true)
	c := s.dial(t, false)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	mustAnswer(t, bufio.NewReader(c), http.StatusBadRequest, "This port speaks TLS: ask it with https.")
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	s := serve(t, true)
	_, err := (&tls.Dialer{Config: &tls.Config{RootCAs: s.roots, ServerName: "example.com", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}).DialContext(t.Context(), "tcp", s.addr)
	if err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("%v", err)
	}
}

// Who comes when all places are taken waits until somebody leaves.
func TestConnectionsBeyondTheMostWait(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
			s := serveMost(t, secure, 2)
			first, second := s.dial(t, secure), s.dial(t, secure)
			waiting, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer waiting.Close()
			const ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
			for _, c := range []net.Conn{first, second} {
				if _, err := io.WriteString(c, ask); err != nil {
					t.Fatal(err)
				}
				mustAnswer(t, bufio.NewReader(c), http.StatusOK, "HTTP/1.1")
			}
			c := waiting
			if secure {
				c = tls.Client(waiting, &tls.Config{RootCAs: s.roots, ServerName: "example.com", MinVersion: tls.VersionTLS12})
			}
			answered := make(chan error, 1)
			go func() {
				_, err := io.WriteString(c, ask)
				if err == nil {
					_, err = bufio.NewReader(c).ReadByte()
				}
				answered <- err
			}()
			select {
			case err := <-answered:
				t.Fatalf("the third was answered, %v", err)
			case <-time.After(50 * time.Millisecond):
			}
			_ = first.Close()
			if err := <-answered; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAFullListenerCanBeClosed(t *testing.T) {
	g := make(gate, 1)
	done := make(chan struct{})
	log := Config{}.withDefaults().Log
	first := g.enter(done, log)
	first.leave()
	first.leave()
	if second := g.enter(done, log); second == nil {
		t.Error("a place that was given back is not there")
	}
	close(done)
	if third := g.enter(done, log); third != nil {
		t.Error("there was a place where there is none")
	}
}

// A client that takes nothing for a minute is cut off; one that takes something each
// half a minute is not, nor is one whose deadline somebody else has set.
func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, raw := net.Pipe()
		c := &Conn{Conn: raw}
		go func() {
			for range 4 {
				time.Sleep(patience / 2)
				_, _ = client.Read(make([]byte, 1))
			}
		}()
		for range 4 {
			if _, err := c.Write([]byte{'a'}); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if _, err := c.Write([]byte{'a'}); err == nil || time.Since(began) != patience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := c.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		if _, err := c.Write([]byte{'a'}); err == nil || time.Since(began) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		if _, err := c.Write([]byte{'a'}); err == nil || time.Since(began) != patience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// interrupted calls for something as soon as the other side has answered.
type interrupted struct {
	net.Conn
	answered func()
}

func (c interrupted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.answered()
	return n, err
}

// When another process has the socket, this one still serves whom it has accepted.
func TestWhoShakesHandsIsServedThoughNobodyAcceptsAnyMore(t *testing.T) {
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lender := httptest.NewTLSServer(nil)
	lender.Close()
	roots := x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	l := Listen(t.Context(), plain, Config{TLS: &tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12}})
	t.Cleanup(func() { _ = l.Close() })
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	client := tls.Client(interrupted{raw, func() { _ = plain.Close() }}, &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12})
	shaken := make(chan error, 1)
	go func() { shaken <- client.HandshakeContext(t.Context()) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("the connection was dropped: %v", err)
	}
	defer c.Close()
	if err := <-shaken; err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("then Accept returned %v", err)
	}
}
