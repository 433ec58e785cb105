// Package dpop makes the proofs by which a client shows that it holds the key that its
// tokens are bound to (RFC 9449): a stolen token is then worth nothing without the key.
//
//	key ──▶ Thumbprint ──▶ dpop_jkt of the authorization request
//	 │
//	 └────▶ Proof{method, URL, access token, nonce} ──▶ the DPoP header of one request
//	                                              ▲
//	              Nonces, newest of each server ──┘◀── the DPoP-Nonce header of any answer
//
// Keys are P-256 and proofs ES256. A [Key] travels as text, which is as secret as a token.
package dpop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
)

// Key is the private key that tokens are bound to. It does not print. It is safe for
// concurrent use.
type Key struct {
	private    *ecdsa.PrivateKey
	head       string // of every proof, encoded
	thumbprint string
}

// NewKey returns a fresh key as text.
func NewKey() (string, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	scalar, err := private.Bytes()
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	return encode(scalar), nil
}

// ParseKey is the reverse of NewKey.
func ParseKey(text string) (*Key, error) {
	scalar, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("dpop: a key that is no base64") // the error would quote the key
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		return nil, errors.New("dpop: a key that is none of P-256")
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("dpop: %w", err)
	}
	// The members that the thumbprint is of, in its order (RFC 7638 §3.2).
	jwk := fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, encode(point[1:33]), encode(point[33:65]))
	sum := sha256.Sum256([]byte(jwk))
	return &Key{
		private:    private,
		head:       encode([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":` + jwk + `}`)),
		thumbprint: encode(sum[:]),
	}, nil
}

// Thumbprint is what tokens are bound to: the jkt of their cnf claim, and the dpop_jkt of an
// authorization request (RFC 9449 §6.1, §10).
func (k *Key) Thumbprint() string { return k.thumbprint }

// Format writes a mask for every verb.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[key]")) }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// maxKeys bounds each half of Keys.
const maxKeys = 4096

// Keys remembers keys by their text, since to read one costs as much as a signature. The zero
// value is ready; it is safe for concurrent use, and bounded: what is not asked for is
// forgotten.
type Keys struct {
	mu         sync.RWMutex
	young, old map[string]*Key // guarded by mu
}

// Get returns the key of a text.
func (ks *Keys) Get(text string) (*Key, error) {
	ks.mu.RLock()
	k := ks.young[text]
	ks.mu.RUnlock()
	if k != nil {
		return k, nil
	}
	k, err := ParseKey(text)
	if err != nil {
		return nil, err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if known := ks.old[text]; known != nil {
		k = known
	}
	if ks.young == nil || len(ks.young) >= maxKeys {
		ks.young, ks.old = make(map[string]*Key), ks.young
	}
	ks.young[text] = k
	return k, nil
}
