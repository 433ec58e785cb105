package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

// authority issues certificates that nobody trusts but who is told to.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	var der []byte
	der, a.key = a.sign(template, nil, nil)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign makes a certificate; without a parent it signs itself.
func (a *authority) sign(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// leaf makes a server's certificate for 127.0.0.1, unless change makes another of it.
func (a *authority) leaf(change func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour * 30), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	change(template)
	der, key := a.sign(template, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// files writes a certificate and its key in PEM.
func (a *authority) files(s *setup, name string, c tls.Certificate) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	s.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})))
	s.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// secure puts the provider behind TLS. Its own client trusts the authority.
func (s *setup) secure(a *authority, c tls.Certificate) {
	s.t.Helper()
	s.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})))
	s.provider = append(s.provider, "ca_file: ./ca.pem")
	server := httptest.NewUnstartedServer(nil)
	keys, err := keysOfAll()
	if err != nil {
		s.t.Fatal(err)
	}
	s.issuer = "https://" + server.Listener.Addr().String()
	idp, err := devidp.New(devidp.Config{Issuer: s.issuer, Keys: keys, Clients: []devidp.Client{{
		ID: "app", Secret: clientSecret, RedirectURIs: []string{s.public + "/bff/callback"}, PostLogoutRedirectURIs: []string{s.public + "/"},
	}}})
	if err != nil {
		s.t.Fatal(err)
	}
	server.Config.Handler = idp
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	s.t.Cleanup(server.Close)
}

func TestAProviderBehindTLSIsSoundIfItsAuthorityIsTrusted(t *testing.T) {
	t.Parallel()
	s, a := newSetup(t), newAuthority(t)
	s.secure(a, a.leaf(func(*x509.Certificate) {}))
	if bad := troubles(s.examine()); len(bad) > 0 {
		t.Errorf("not in order: %q", bad)
	}
}

func TestEachFaultOfACertificateIsNamed(t *testing.T) {
	t.Parallel()
	const discovery = "provider.discovery"
	sound := func(*x509.Certificate) {}
	for _, f := range []fault{
		{name: "an authority that nobody trusts", broken: func(s *setup) {
			a := newAuthority(s.t)
			s.secure(a, a.leaf(sound))
			s.provider = []string{"timeout: 2s"}
		}, check: discovery, verdict: doctor.Fail, found: "does not trust", remedy: "into provider.ca_file"},
		{name: "a certificate for another name", broken: func(s *setup) {
			a := newAuthority(s.t)
			s.secure(a, a.leaf(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"id.example.com"} }))
		}, check: discovery, verdict: doctor.Fail, found: "is for another name", remedy: "stands in the certificate"},
		{name: "a certificate that has expired", broken: func(s *setup) {
			a := newAuthority(s.t)
			s.secure(a, a.leaf(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }))
		}, check: discovery, verdict: doctor.Fail, found: "has expired", remedy: "renew it"},
		{name: "no TLS at all", broken: func(s *setup) { s.issuer = strings.Replace(s.issuer, "http:", "https:", 1) }, check: discovery, verdict: doctor.Fail, found: "speaks no TLS", remedy: "port"},
		{name: "roots that are none", broken: func(s *setup) {
			s.write("ca.pem", "no certificate")
			s.provider = append(s.provider, "ca_file: ./ca.pem")
		}, check: "provider", verdict: doctor.Fail, found: "holds no PEM certificate", remedy: "mend that file"},
		{name: "our own certificate has expired", broken: func(s *setup) {
			s.listenWith(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
		}, check: "tls.cert_file", verdict: doctor.Fail, found: "has expired", remedy: "renew it"},
		{name: "our own certificate expires soon", broken: func(s *setup) {
			s.listenWith(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) })
		}, check: "tls.cert_file", verdict: doctor.Warn, found: "expires on", remedy: "renew it"},
		{name: "our own certificate is not valid yet", broken: func(s *setup) {
			s.listenWith(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) })
		}, check: "tls.cert_file", verdict: doctor.Fail, found: "is not valid before", remedy: "clock"},
		{name: "our own certificate is for another host", broken: func(s *setup) {
			s.listenWith(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"www.example.com"} })
		}, check: "tls.cert_file", verdict: doctor.Fail, found: "is not for 127.0.0.1", remedy: "names it"},
		{name: "our own key is another's", broken: func(s *setup) {
			s.listenWith(sound)
			a := newAuthority(s.t)
			a.files(s, "other", a.leaf(sound))
			s.write("own.key", s.read("other.key"))
		}, check: "tls.cert_file", verdict: doctor.Fail, found: "private key does not match", remedy: "both in PEM"},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			f.broken(s)
			f.hold(t, s.examine())
		})
	}
}

// listenWith gives the public listener a certificate.
func (s *setup) listenWith(change func(*x509.Certificate)) {
	s.t.Helper()
	a := newAuthority(s.t)
	a.files(s, "own", a.leaf(change))
	s.top = "tls: {cert_file: ./own.crt, key_file: ./own.key}"
}
