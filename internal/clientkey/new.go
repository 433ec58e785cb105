package clientkey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms are what keys can be made for, the best choice first.
func Algorithms() []string { return []string{"ES256", "EdDSA", "PS256", "RS256"} }

// New makes a fresh key for an algorithm, and returns the private JWK set of it, behind the
// keys of another set in the same format. before is nil for none.
func New(alg string, before []byte) ([]byte, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if before != nil {
		if _, err := Parse(before); err != nil {
			return nil, err
		}
		if bytes.TrimSpace(before)[0] != '{' {
			return nil, errors.New("clientkey: the file has no JSON Web Keys, but PEM: put the new key behind the old one yourself")
		}
		if err := json.Unmarshal(before, &set); err != nil {
			return nil, errors.New("clientkey: the file is no valid JSON")
		}
		if set.Keys == nil {
			set.Keys = []json.RawMessage{before}
		}
	}
	private, err := generate(alg)
	if err != nil {
		return nil, err
	}
	k, err := newKey(private, "", alg)
	if err != nil {
		return nil, fmt.Errorf("clientkey: the new key %w", err)
	}
	text, err := (&jose.JSONWebKey{Key: private, KeyID: k.id, Use: "sig", Algorithm: alg}).MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("clientkey: %w", err)
	}
	set.Keys = append(set.Keys, text)
	out, err := json.MarshalIndent(set, "", "  ")
	return append(out, '\n'), err
}

// NewCertificate makes a key for an algorithm and a certificate of it that it signs itself,
// for mutual TLS (RFC 8705 §2.2), and returns both as PEM. name is the certificate's subject.
func NewCertificate(alg, name string, from time.Time, life time.Duration) ([]byte, error) {
	private, err := generate(alg)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("clientkey: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		// A provider's clock may be behind.
		NotBefore: from.Add(-time.Minute), NotAfter: from.Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("clientkey: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("clientkey: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// generate makes a key. RSA keys have 3,072 bits, which are as strong as P-256.
func generate(alg string) (private crypto.Signer, err error) {
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "PS256", "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		return nil, fmt.Errorf("clientkey: %q is no algorithm that keys are made for: write one of %v", alg, Algorithms())
	}
	if err != nil {
		return nil, fmt.Errorf("clientkey: %w", err)
	}
	return private, nil
}
