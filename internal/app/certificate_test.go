package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// writePair writes a self-signed certificate for name and its key, changed at stamp.
func writePair(t *testing.T, dir, name string, stamp time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: stamp.Add(-time.Hour), NotAfter: stamp.Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func commonName(t *testing.T, c certificate) string {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.get().Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Subject.CommonName
}

func TestANewCertificateIsServedWithoutARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := writePair(t, dir, "one.example", time.Now())
		c, err := newCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := commonName(t, c); got != "one.example" {
			t.Errorf("serving %s", got)
		}
		time.Sleep(time.Minute)
		writePair(t, dir, "two.example", time.Now())
		time.Sleep(time.Second)
		if got := commonName(t, c); got != "two.example" {
			t.Errorf("serving %s after the change", got)
		}
		time.Sleep(time.Minute)
		if err := os.WriteFile(keyFile, []byte("half a f"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := commonName(t, c); got != "two.example" {
			t.Errorf("serving %s after a broken change", got)
		}
	})
}

func TestACertificateThatDoesNotLoadStopsTheStart(t *testing.T) {
	if _, err := newCertificate(filepath.Join(t.TempDir(), "none.crt"), "none.key", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error")
	}
}
