package demo

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// keySet is the provider's published keys (RFC 7517), read when a token names one that is
// not known. Keys that were read stay good while the provider is down.
type keySet struct {
	issuer string
	client *http.Client

	mu   sync.Mutex
	keys map[string]crypto.PublicKey // guarded by mu: by kid
	read time.Time                   // guarded by mu: when keys was read
}

// again is how long a token with an unknown key waits for the next look at the provider:
// tokens come from outside, and must not make the API a hammer.
const again = time.Second

func newKeySet(issuer string) *keySet {
	return &keySet{issuer: issuer, client: &http.Client{Timeout: 5 * time.Second}}
}

// find returns the key with this kid.
func (k *keySet) find(ctx context.Context, kid string, now time.Time) (crypto.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.keys[kid]; ok {
		return key, nil
	}
	if k.keys == nil || now.Sub(k.read) >= again {
		keys, err := k.fetch(ctx)
		if err != nil {
			return nil, fmt.Errorf("demo: read the provider's keys: %w", err)
		}
		k.keys, k.read = keys, now
	}
	if key, ok := k.keys[kid]; ok {
		return key, nil
	}
	return nil, invalid("signed with an unknown key")
}

// fetch reads the address of the keys from the provider's metadata, and then the keys.
func (k *keySet) fetch(ctx context.Context) (map[string]crypto.PublicKey, error) {
	var metadata struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration", &metadata); err != nil {
		return nil, err
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := k.get(ctx, metadata.JWKS, &set); err != nil {
		return nil, err
	}
	keys := make(map[string]crypto.PublicKey)
	for _, j := range set.Keys {
		if key := j.public(); key != nil {
			keys[j.Kid] = key
		}
	}
	return keys, nil
}

func (k *keySet) get(ctx context.Context, address string, v any) error {
	// Whoever asked may leave; the others wait for the same keys.
	ctx = context.WithoutCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(v)
}

// jwk is a public key as RFC 7518 §6 writes it.
type jwk struct {
	Kty, Kid, Use, Crv string
	N, E, X, Y         string
}

// public returns the key if it is of a kind that signs access tokens here, else nil: a
// set may hold keys for other purposes.
func (j jwk) public() crypto.PublicKey {
	if j.Use != "" && j.Use != "sig" {
		return nil
	}
	switch {
	case j.Kty == "RSA":
		n, e := decode(j.N), new(big.Int).SetBytes(decode(j.E))
		if len(n) < 256 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(e.Int64())}
	case j.Kty == "EC" && j.Crv == "P-256":
		point := append(append([]byte{4}, decode(j.X)...), decode(j.Y)...)
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil
		}
		return key
	}
	return nil
}

// decode returns nothing for what is no base64url; no key is made of nothing.
func decode(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}
