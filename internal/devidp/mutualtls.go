package devidp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"
)

// aliases are the endpoints of the listener that asks for certificates (RFC 8705 §5).
func (p *Provider) aliases(k Knobs, base string) map[string]string {
	all := map[string]string{
		"token_endpoint":      base + "/token",
		"revocation_endpoint": base + "/revoke",
		"userinfo_endpoint":   base + "/userinfo",
	}
	if k.Push != "" {
		all["pushed_authorization_request_endpoint"] = base + "/par"
	}
	return all
}

// certificateOf is what the client's end of the connection presents, nil for nothing. The
// handshake has shown that it has the key, and nothing beyond.
func certificateOf(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// thumbprint is x5t#S256 (RFC 8705 §3.1); "" of none.
func thumbprint(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// verifyCertificate judges the certificate of a client that authenticates with it: by its
// subject (RFC 8705 §2.1), or as one of those that it has registered (§2.2).
func (p *Provider) verifyCertificate(r *http.Request, method ClientAuth, client Client) error {
	c := certificateOf(r)
	switch {
	case c == nil:
		return badClient("the connection presents no certificate")
	case method == MutualTLS && (client.SubjectDN == "" || c.Subject.String() != client.SubjectDN):
		return badClient("the certificate is of another subject: " + c.Subject.String())
	case method == MutualTLS:
		return nil
	}
	if p.registered(client.ID, c) {
		return nil
	}
	if client.JWKSURI != "" {
		set, err := fetchKeys(r.Context(), client.JWKSURI)
		if err != nil {
			return badClient(err.Error())
		}
		p.mu.Lock()
		p.clientKeys[client.ID] = set
		p.mu.Unlock()
	}
	if p.registered(client.ID, c) {
		return nil
	}
	return badClient("the certificate is none that the client has registered")
}

// registered reports whether a certificate is in the client's key set (x5c).
func (p *Provider) registered(id string, c *x509.Certificate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range p.clientKeys[id].Keys {
		if len(key.Certificates) > 0 && key.Certificates[0].Equal(c) {
			return true
		}
	}
	return false
}

// binding is what tokens are bound to: thumbprints, "" for nothing.
type binding struct {
	certificate string // RFC 8705 §3
	key         string // RFC 9449 §6
}

// binding returns what access tokens of a request are bound to.
func (p *Provider) binding(k Knobs, r *http.Request) (b binding, err error) {
	if k.BoundTokens {
		if b.certificate = thumbprint(certificateOf(r)); b.certificate == "" {
			return b, refuse("invalid_request", "tokens are bound to certificates here, and the connection presents none")
		}
	}
	b.key, err = p.proven(k, r, "")
	return b, refuseProof(err)
}

// confirm writes the binding into the claims of a token.
func (b binding) confirm(claims map[string]any) {
	cnf := make(map[string]string)
	if b.certificate != "" {
		cnf["x5t#S256"] = b.certificate
	}
	if b.key != "" {
		cnf["jkt"] = b.key
	}
	if len(cnf) > 0 {
		claims["cnf"] = cnf
	}
}

// askForCertificates puts TLS before a listener, and returns the server's own certificate.
func askForCertificates(l net.Listener, now time.Time) (net.Listener, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("devidp: %w", err)
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, nil, errors.New("devidp: a listener without an IP address")
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "devidp"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{address.IP},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	own, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("devidp: %w", err)
	}
	cfg := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{own}, PrivateKey: key}},
		ClientAuth:   tls.RequestClientCert, // who it is, verifyCertificate judges
	}
	return tls.NewListener(l, cfg), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own}), nil
}
