package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/cloakroom-bff/cloakroom/session"
)

// signer signs JWTs (RFC 7519) with ES256 under keys that follow from the keyring. So they
// survive a restart, are the same on every replica, and rotate with it: the first signs,
// all are published.
type signer struct{ made atomic.Pointer[signingKeys] }

// signingKeys are the keys of one keyring, newest first.
type signingKeys struct {
	of   *session.Keyring
	keys []signingKey
}

type signingKey struct {
	private *ecdsa.PrivateKey
	public  publicKey
	header  string // of the JWTs that it signs, encoded
}

// publicKey is a JSON Web Key (RFC 7517 §4, RFC 7518 §6.2).
type publicKey struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
	ID    string `json:"kid"`
	Use   string `json:"use"`
	Alg   string `json:"alg"`
}

// keys returns the keys that belong to a keyring. They are made once.
func (s *signer) keys(ring *session.Keyring) (*signingKeys, error) {
	if made := s.made.Load(); made != nil && made.of == ring {
		return made, nil
	}
	secrets, err := ring.Secrets("proxy/assertion")
	if err != nil {
		return nil, err
	}
	made := &signingKeys{of: ring}
	for _, secret := range secrets {
		k, err := newSigningKey(secret)
		if err != nil {
			return nil, err
		}
		made.keys = append(made.keys, k)
	}
	s.made.Store(made)
	return made, nil
}

// newSigningKey makes the key that belongs to 32 random bytes, by testing candidates (FIPS
// 186-5 §A.2.2): one in four thousand million is no key, and then the next one's turn comes.
func newSigningKey(secret []byte) (signingKey, error) {
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	for err != nil {
		next := sha256.Sum256(secret)
		secret = next[:]
		private, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return signingKey{}, fmt.Errorf("proxy: signing key: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	p := publicKey{Type: "EC", Curve: "P-256", X: encode(point[1:33]), Y: encode(point[33:]), Use: "sig", Alg: "ES256"}
	// The thumbprint (RFC 7638 §3) names a key alike everywhere.
	thumb := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + p.X + `","y":"` + p.Y + `"}`))
	p.ID = encode(thumb[:])
	return signingKey{private, p, encode([]byte(`{"alg":"ES256","kid":"` + p.ID + `","typ":"JWT"}`))}, nil
}

// sign makes a JWT of claims, under the newest key.
func (s *signingKeys) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("proxy: sign: %w", err)
	}
	key := &s.keys[0]
	text := key.header + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(text))
	r, t, err := ecdsa.Sign(rand.Reader, key.private, digest[:])
	if err != nil {
		return "", fmt.Errorf("proxy: sign: %w", err)
	}
	var signature [64]byte // RFC 7518 §3.4
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}

// jwks answers GET /bff/jwks.json (RFC 7517 §5): the public keys of the assertions for
// upstreams, and those of the client, for the provider.
func (g *Gateway) jwks(w http.ResponseWriter, _ *http.Request) error {
	made, err := g.signer.keys(g.cfg.Sessions.Keys())
	if err != nil {
		return err
	}
	set := struct {
		Keys []any `json:"keys"`
	}{}
	for _, k := range made.keys {
		set.Keys = append(set.Keys, k.public)
	}
	for _, k := range g.cfg.ClientKeys {
		set.Keys = append(set.Keys, k)
	}
	return writeJSON(w, http.StatusOK, set)
}
