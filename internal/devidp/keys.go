package devidp

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Keys are a provider's first keys.
type Keys struct{ set *keySet }

// NewKeys makes keys that several providers of one test program can start with, or change
// to: making them is what takes time in [New] and in RotateKeys.
func NewKeys() (*Keys, error) {
	set, err := newKeySet(false)
	return &Keys{set}, err
}

// NewNastyKeys makes keys as the knob NastyKeys does.
func NewNastyKeys() (*Keys, error) {
	set, err := newKeySet(true)
	return &Keys{set}, err
}

// Alone returns the RSA key without the others: a set of one.
func (k *Keys) Alone() *Keys {
	return &Keys{&keySet{signing: k.set.signing[:1]}}
}

// keySet is the provider's keys at one time. It does not change; rotation makes another.
type keySet struct {
	signing    []jose.JSONWebKey // private, RSA and P-256
	extra      []jose.JSONWebKey // private, published and never used
	encryption jose.JSONWebKey   // private; makes JWE access tokens
	nasty      bool
}

// newKeySet makes fresh keys: one RSA and one P-256 key for signatures, or the nasty set.
func newKeySet(nasty bool) (*keySet, error) {
	s := &keySet{nasty: nasty}
	pairs := 1
	if nasty {
		pairs = 2
	}
	for range pairs {
		r, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("devidp: make an RSA key: %w", err)
		}
		e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("devidp: make a P-256 key: %w", err)
		}
		s.signing = append(s.signing, newJWK(r, jose.RS256), newJWK(e, jose.ES256))
	}
	enc, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("devidp: make an encryption key: %w", err)
	}
	s.encryption = jose.JSONWebKey{Key: enc, KeyID: random(), Use: "enc", Algorithm: string(jose.ECDH_ES_A256KW)}
	if nasty {
		if s.extra, err = unusedKeys(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func unusedKeys() ([]jose.JSONWebKey, error) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("devidp: make an Ed25519 key: %w", err)
	}
	enc, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("devidp: make an RSA key: %w", err)
	}
	return []jose.JSONWebKey{
		newJWK(ed, jose.EdDSA),
		{Key: enc, KeyID: random(), Use: "enc", Algorithm: string(jose.RSA_OAEP_256)},
	}, nil
}

func newJWK(private any, alg jose.SignatureAlgorithm) jose.JSONWebKey {
	return jose.JSONWebKey{Key: private, KeyID: random(), Use: "sig", Algorithm: string(alg)}
}

// signer picks one of the keys for alg, by chance where there are two.
func (s *keySet) signer(alg string) (jose.JSONWebKey, error) {
	var fit []jose.JSONWebKey
	for _, key := range s.signing {
		if key.Algorithm == alg {
			fit = append(fit, key)
		}
	}
	if len(fit) == 0 {
		return jose.JSONWebKey{}, fmt.Errorf("devidp: no key for %q: write RS256 or ES256", alg)
	}
	i, err := rand.Int(rand.Reader, big.NewInt(int64(len(fit))))
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("devidp: pick a key: %w", err)
	}
	return fit[i.Int64()], nil
}

// published returns the JWK set (RFC 7517 §5). In a nasty one the key on secp256k1 comes
// first, since clients that cannot read a key must go on to the next.
func (s *keySet) published() (map[string]any, error) {
	var keys []any
	if s.nasty {
		// The curve's base point: a true key, with a private half that everybody knows.
		keys = append(keys, map[string]string{
			"kty": "EC", "crv": "secp256k1", "use": "sig", "alg": "ES256K", "kid": "secp256k1",
			"x": "eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g", "y": "SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg",
		})
	}
	for _, key := range slices.Concat(s.extra, []jose.JSONWebKey{s.encryption}, s.signing) {
		if key.Key == nil {
			continue // a set of one has no key for encryption
		}
		public, err := key.Public().MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("devidp: publish a key: %w", err)
		}
		keys = append(keys, json.RawMessage(public))
	}
	return map[string]any{"keys": keys}, nil
}

// RotateKeys replaces all keys. The old ones are published no more; an ID token under one
// of them still is a good hint at a logout.
func (p *Provider) RotateKeys() error {
	keys, err := newKeySet(p.turned().NastyKeys)
	if err != nil {
		return err
	}
	p.UseKeys(&Keys{keys})
	return nil
}

// UseKeys is RotateKeys with keys that were made before.
func (p *Provider) UseKeys(next *Keys) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retired = append(p.retired, p.keys)
	p.keys = next.set
}

// foreignKeys returns keys that are not the provider's, for forgeries.
func (p *Provider) foreignKeys() (*keySet, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.foreign == nil {
		keys, err := newKeySet(false)
		if err != nil {
			return nil, err
		}
		p.foreign = keys
	}
	return p.foreign, nil
}

func (p *Provider) currentKeys() *keySet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys
}

func (p *Provider) serveKeys(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != p.path+p.turned().keysPath() {
		http.NotFound(w, r)
		return
	}
	set, err := p.currentKeys().published()
	if err != nil {
		http.Error(w, "The keys cannot be written.", http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, set)
}

// keysPath is where the keys are, below the issuer.
func (k Knobs) keysPath() string {
	if k.JWKSName == "" {
		return "/jwks"
	}
	return "/jwks/" + k.JWKSName
}

// random returns 128 unguessable bits or more as URL-safe text.
func random() string { return rand.Text() }
