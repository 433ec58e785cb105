//go:build e2e

package redisstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// authority makes certificates, as files in a directory.
type authority struct {
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue makes name.crt and name.key, signed by the authority or, the first one, by itself.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a.serial++
	template.SerialNumber, template.Subject = big.NewInt(a.serial), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	for file, block := range map[string]*pem.Block{
		a.path(name, "crt"): {Type: "CERTIFICATE", Bytes: der},
		a.path(name, "key"): {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		must(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, key
}

func (a *authority) path(name, kind string) string { return filepath.Join(a.dir, name+"."+kind) }

// documentedACL is what the package's manual allows to the store's user.
func documentedACL(t *testing.T) []string {
	t.Helper()
	manual, err := os.ReadFile("doc.go")
	must(t, err)
	_, rest, ok := strings.Cut(string(manual), "//	user cloakroom on >secret ")
	if !ok {
		t.Fatal("the manual has no ACL")
	}
	rest, _, _ = strings.Cut(rest, "\npackage")
	return strings.Fields(strings.ReplaceAll(rest, "//", ""))
}

func TestTLSWithAnACLAndClientCertificatesKeepsTheContract(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	ca.issue(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	ca.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	server := newServer(t, program(t, "redis-server"),
		"--tls-cert-file", ca.path("server", "crt"), "--tls-key-file", ca.path("server", "key"), "--tls-ca-cert-file", ca.path("ca", "crt"),
		"--tls-auth-clients", "yes", "--user", "default", "off", "--user", "admin", "on", ">admin", "~*", "&*", "+@all",
		"--user", "cloakroom", "on", ">pa:ss@w0rd%/")
	server.args = append(server.args, documentedACL(t)...)
	server.args[0], server.args[1] = "--port", "0"
	server.args = append(server.args, "--tls-port", strconv.Itoa(server.port))
	server.auth = []string{
		"--tls", "--cacert", ca.path("ca", "crt"), "--cert", ca.path("client", "crt"), "--key", ca.path("client", "key"),
		"--user", "admin", "-a", "admin", "--no-auth-warning",
	}
	server.up()
	files := fmt.Sprintf("?ca_file=%s&cert_file=%s&key_file=%s", ca.path("ca", "crt"), ca.path("client", "crt"), ca.path("client", "key"))
	url := "rediss://cloakroom:pa%3Ass%40w0rd%25%2F@" + server.addr() + files
	keepsTheContract(t, url)

	t.Run("the wrong password", func(t *testing.T) {
		s := connect(t, "rediss://cloakroom:wr0ng-p4ss@"+server.addr()+files, Options{})
		_, err := s.Now(t.Context())
		if err == nil || !strings.Contains(err.Error(), "check user and password") || strings.Contains(err.Error(), "wr0ng-p4ss") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("another authority", func(t *testing.T) {
		s := connect(t, "rediss://cloakroom:x@"+server.addr()+"?ca_file="+newAuthority(t).path("ca", "crt"), Options{})
		if _, err := s.Now(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("no client certificate", func(t *testing.T) {
		s := connect(t, "rediss://cloakroom:x@"+server.addr()+"?ca_file="+ca.path("ca", "crt"), Options{})
		if _, err := s.Now(t.Context()); err == nil {
			t.Error("a server that wants a certificate went without")
		}
	})
	if log := server.must("acl", "log"); strings.Contains(log, "command") {
		t.Errorf("the manual's ACL lacks something:\n%s", log)
	}
}
