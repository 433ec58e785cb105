//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secureGateway runs the binary with a certificate and one public route to an API.
func secureGateway(t *testing.T, upstream string) *gateway {
	t.Helper()
	g := newGateway(t)
	listen := "127.0.0.1:" + port(g.url)
	g.url = strings.Replace(g.url, "http:", "https:", 1)
	certificate, private := selfSigned(t)
	g.write("tls.crt", certificate)
	g.write("tls.key", private)
	key, err := exec.CommandContext(t.Context(), binary, "keys", "new").Output()
	if err != nil {
		t.Fatalf("cloakroom keys new: %v", err)
	}
	g.write("session.key", key)
	provider := provide(t, g.url)
	g.write("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
tls: {cert_file: tls.crt, key_file: tls.key}
admin: {listen: %q, token: the-operators-token-of-these-tests}
provider: {issuer: %s, client_id: cloakroom, client_secret: %s}
session:
  store: bolt:./cloakroom.db
  keys: ["${file:./session.key}"]
routes:
  - path: /
    upstream: %s
    access: public
`, g.url, listen, "127.0.0.1:"+port(g.admin), provider.URL, providerSecret, upstream))
	g.start()
	return g
}

// address of the public listener.
func (g *gateway) address() string {
	return strings.Replace(g.url, "https://localhost", "127.0.0.1", 1)
}

// trusts is a client's side of TLS that knows the gateway's certificate.
func (g *gateway) trusts() *tls.Config {
	g.t.Helper()
	certificate, err := os.ReadFile(filepath.Join(g.dir, "tls.crt"))
	if err != nil {
		g.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS10}
}

// TestTheListenerSpeaksTodaysTLS tries old versions, weak ciphers and none of it at all.
func TestTheListenerSpeaksTodaysTLS(t *testing.T) {
	t.Parallel()
	g := secureGateway(t, startUpstream(t).url)
	for name, row := range map[string]struct {
		version   uint16
		ciphers   []uint16
		protocols []string
		want      string // the protocol above TLS; empty: no handshake
	}{
		"TLS 1.3":                {tls.VersionTLS13, nil, []string{"h2", "http/1.1"}, "h2"},
		"TLS 1.2":                {tls.VersionTLS12, nil, []string{"h2", "http/1.1"}, "h2"},
		"without HTTP/2":         {tls.VersionTLS13, nil, []string{"http/1.1"}, "http/1.1"},
		"TLS 1.1":                {tls.VersionTLS11, nil, nil, ""},
		"TLS 1.0":                {tls.VersionTLS10, nil, nil, ""},
		"a cipher of yesterday":  {tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}, nil, ""},
		"RC4":                    {tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}, nil, ""},
		"another protocol above": {tls.VersionTLS13, nil, []string{"smtp"}, ""},
	} {
		config := g.trusts()
		config.MaxVersion, config.CipherSuites, config.NextProtos = row.version, row.ciphers, row.protocols
		c, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", g.address())
		if err != nil {
			if row.want != "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if state := c.(*tls.Conn).ConnectionState(); row.want == "" || state.NegotiatedProtocol != row.want {
			t.Errorf("%s: version %x, %q", name, state.Version, state.NegotiatedProtocol)
		}
		_ = c.Close()
	}
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", g.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if answer, err := io.ReadAll(c); bytes.Contains(answer, []byte(" 200 ")) {
		t.Errorf("without TLS: %q, %v", answer, err)
	}
}

// TestWhatAnUpstreamSaysUnaskedIsInNoLog has one that goes on talking behind its answer.
func TestWhatAnUpstreamSaysUnaskedIsInNoLog(t *testing.T) {
	t.Parallel()
	const secret = "eyJhbGciOiJub25lIn0.secret.unasked"
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	hungUp := make(chan struct{}, 3)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			if _, err := http.ReadRequest(r); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n"+secret)
				_, _ = io.Copy(io.Discard, r)
				hungUp <- struct{}{}
			}
			_ = c.Close()
		}
	}()
	g := secureGateway(t, "http://"+l.Addr().String())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: g.trusts()}}
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		req, err := http.NewRequestWithContext(t.Context(), method, g.url+"/x", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %s", method, res.Status)
		}
	}
	for range 2 {
		select {
		case <-hungUp: // so the gateway has read it
		case <-time.After(20 * time.Second):
			t.Fatal("the gateway keeps a connection that brings what nobody asked for")
		}
	}
	g.stop()
	if log := g.log(); bytes.Contains(log, []byte("secret")) || bytes.Contains(log, []byte("Unsolicited")) {
		t.Errorf("the log holds it:\n%s", log)
	}
}
