// Package clientkey is the keys of an OAuth client that proves who it is by keys in the
// place of a secret: it reads and judges them, makes them, and signs with them.
//
//	client.json, client.pem ──▶ Parse ──▶ Set ──┬─▶ Sign: assertions of private_key_jwt, request objects
//	                                            ├─▶ Certificate: what TLS connections present
//	cloakroom keys client ◀── New               └─▶ Public: what the provider verifies with
//
// The first key of a set signs, and the first certificate is presented; all are published.
// So a key is rotated without a gap: put the new one last, wait until the provider has
// fetched it, move it to the front, and take the old one out when nothing that it signed is
// under way any more.
//
//	set, err := clientkey.Parse(data)
//	…
//	token, err := set.Sign(clientkey.Header{Type: "JWT"}, claims)
package clientkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Set is the keys of one client, in the order of their file. It does not change, and is safe
// for concurrent use. However it is formatted, it shows nothing.
type Set struct {
	keys   []*key
	digest string
}

// key is a private key and what is known of it.
type key struct {
	private crypto.Signer
	id      string
	alg     jose.SignatureAlgorithm // that the file states; "" leaves a choice
	chain   []*x509.Certificate     // leaf first; nil: none
}

// Digest tells two sets apart: it is the same for the same file, and shows nothing of it.
func (s *Set) Digest() string {
	if s == nil {
		return ""
	}
	return s.digest
}

// Format writes a mask for every verb: keys have no business in logs.
func (s *Set) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[client keys]")) }

// Public returns the public halves as JSON Web Keys (RFC 7517 §4), with x5c where there is a
// certificate, as self_signed_tls_client_auth wants it (RFC 8705 §2.2.2).
func (s *Set) Public() ([]json.RawMessage, error) {
	if s == nil {
		return nil, nil
	}
	var all []json.RawMessage
	for _, k := range s.keys {
		text, err := k.public().MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("clientkey: %w", err)
		}
		all = append(all, text)
	}
	return all, nil
}

func (k *key) public() jose.JSONWebKey {
	public := jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Use: "sig", Algorithm: string(k.alg), Certificates: k.chain}
	if k.chain != nil { // by which some providers know a certificate again
		thumb := sha256.Sum256(k.chain[0].Raw)
		public.CertificateThumbprintSHA256 = thumb[:]
	}
	return public
}

// Certificate returns what connections present, with its key; nil if the set has no
// certificate.
func (s *Set) Certificate() *tls.Certificate {
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.keys, func(k *key) bool { return k.chain != nil })
	if i < 0 {
		return nil
	}
	k := s.keys[i]
	pair := &tls.Certificate{PrivateKey: k.private, Leaf: k.chain[0]}
	for _, c := range k.chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair
}

// newKey judges a private key. It is weak, or none that a provider takes, or good.
func newKey(private any, id, alg string) (*key, error) {
	k := &key{id: id, alg: jose.SignatureAlgorithm(alg)}
	var can []jose.SignatureAlgorithm
	switch p := private.(type) {
	case *rsa.PrivateKey:
		if bits := p.N.BitLen(); bits < 2048 {
			return nil, fmt.Errorf("is an RSA key of %d bits, which is too weak: make one of 2048 or more", bits)
		}
		if err := p.Validate(); err != nil {
			return nil, errors.New("is no sound RSA key: make another one")
		}
		k.private, can = p, []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
	case *ecdsa.PrivateKey:
		if p.Curve != elliptic.P256() {
			return nil, fmt.Errorf("is on the curve %s: make one on P-256", p.Curve.Params().Name)
		}
		k.private, can = p, []jose.SignatureAlgorithm{jose.ES256}
	case ed25519.PrivateKey:
		k.private, can = p, []jose.SignatureAlgorithm{jose.EdDSA}
	default:
		return nil, errors.New("is no RSA key, no key on P-256 and no Ed25519 key: make one of these")
	}
	switch {
	case alg != "" && !slices.Contains(can, k.alg):
		return nil, fmt.Errorf("has the alg %q, and can do %v: write one of these, or leave it out", alg, can)
	case alg == "" && len(can) == 1:
		k.alg = can[0]
	}
	return k, k.name()
}

// name gives a key the id that it has everywhere, if its file gives none (RFC 7638).
func (k *key) name() error {
	if k.id != "" {
		return nil
	}
	public := jose.JSONWebKey{Key: k.private.Public()}
	thumb, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return errors.New("has no thumbprint: make another one")
	}
	k.id = base64.RawURLEncoding.EncodeToString(thumb)
	return nil
}

// newSet is the keys of a file.
func newSet(data []byte, keys []*key) (*Set, error) {
	for i, k := range keys {
		if slices.ContainsFunc(keys[:i], func(before *key) bool { return before.id == k.id }) {
			return nil, fmt.Errorf("clientkey: key %d has the id (kid) of an earlier one: keep one of them, or give it another id", i+1)
		}
	}
	sum := sha256.Sum256(data)
	return &Set{keys: keys, digest: hex.EncodeToString(sum[:])}, nil
}
