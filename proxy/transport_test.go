package proxy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// selfSigned is a certificate for a name, and the pool that trusts it.
func selfSigned(t *testing.T, name string) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// guarded is an https upstream that takes only clients with a certificate that it knows.
func guarded(t *testing.T, own *tls.Certificate, clients *x509.CertPool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, r.Proto+" "+r.TLS.PeerCertificates[0].Subject.CommonName)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
		_ = c.Close()
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestAnUpstreamHasRootsACertificateAndANameOfItsOwn(t *testing.T) {
	theirs, trusted := selfSigned(t, "orders.internal")
	ours, known := selfSigned(t, "cloakroom")
	up := mustURL(guarded(t, theirs, known).URL)
	certificate := func() *tls.Certificate { return ours }
	roots := func() *x509.CertPool { return trusted }
	for name, row := range map[string]struct {
		shape *UpstreamTLS
		fine  bool
	}{
		"all":                   {&UpstreamTLS{"orders.internal", roots, certificate}, true},
		"the system's roots":    {&UpstreamTLS{"orders.internal", nil, certificate}, false},
		"another name":          {&UpstreamTLS{"billing.internal", roots, certificate}, false},
		"the address for name":  {&UpstreamTLS{"", roots, certificate}, false},
		"no certificate":        {&UpstreamTLS{"orders.internal", roots, nil}, false},
		"nothing of its own":    {nil, false},
		"a certificate of none": {&UpstreamTLS{"orders.internal", roots, func() *tls.Certificate { return &tls.Certificate{} }}, false},
	} {
		f := open(t, []Route{{Path: "/", Upstream: up, Access: Public, UpstreamTLS: row.shape}})
		res := f.get(t, "/")
		if !row.fine {
			mustFail(t, res, UpstreamUnreachable)
		} else if got := text(t, res); got != "HTTP/2.0 cloakroom" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestNewRootsCountForTheNextConnection(t *testing.T) {
	theirs, trusted := selfSigned(t, "orders.internal")
	ours, known := selfSigned(t, "cloakroom")
	up := mustURL(guarded(t, theirs, known).URL)
	var roots atomic.Pointer[x509.CertPool]
	roots.Store(x509.NewCertPool())
	f := open(t, []Route{{Path: "/", Upstream: up, Access: Public, UpstreamTLS: &UpstreamTLS{
		"orders.internal", roots.Load, func() *tls.Certificate { return ours },
	}}})
	mustFail(t, f.get(t, "/"), UpstreamUnreachable)
	if log := f.log.String(); !strings.Contains(log, "TLS handshake") || !strings.Contains(log, "unknown authority") {
		t.Error(log)
	}
	roots.Store(trusted)
	if res := f.get(t, "/"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
}

// HTTP/2 has no such upgrade, and an upstream that offers it agrees on it.
func TestAWebSocketToAnUpstreamThatSpeaksHTTP2(t *testing.T) {
	theirs, trusted := selfSigned(t, "orders.internal")
	ours, known := selfSigned(t, "cloakroom")
	up := mustURL(guarded(t, theirs, known).URL)
	f := open(t, []Route{{Path: "/", Upstream: up, Access: Public, UpstreamTLS: &UpstreamTLS{
		"orders.internal", func() *x509.CertPool { return trusted }, func() *tls.Certificate { return ours },
	}}})
	if got := text(t, f.get(t, "/")); !strings.HasPrefix(got, "HTTP/2.0") {
		t.Fatal(got)
	}
	res, c := f.rawConn(t, "GET / HTTP/1.1\r\nHost: "+publicHost+"\r\n"+asWebSocket+"\r\n\r\n")
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res.Status, text(t, res))
	}
	if got, err := io.ReadAll(bufio.NewReader(c)); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
