package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

// algorithms are those that a token may be signed with: asymmetric ones only. With
// "none" anybody could sign, with HS256 everybody who knows the public key.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// What comes of a signature that was not found good.
var (
	// errForged says that a signature is false under a key that the provider publishes.
	errForged = errors.New("the signature is false")
	// errUnknownKey says that the provider publishes no such key.
	errUnknownKey = errors.New("signed with a key that the provider does not publish")
	// errNoKeys says that the provider's keys are not to be had now.
	errNoKeys = errors.New("the provider's keys could not be fetched")
)

// Times of a key set.
const (
	keysEvery = time.Minute            // after a fetch for the sake of an unknown key that was for nothing
	keysStale = time.Hour              // after which the keys are fetched again
	keysPause = 500 * time.Millisecond // after a fetch that failed
)

// keySet holds the provider's signing keys (RFC 7517). An unknown key leads to a fetch at
// once, so that a rotation just before signing hurts nobody. After a fetch that did not
// bring it the next one waits a minute: forged key ids must not make of the gateway a
// hammer on the provider. The minutes of a token that anybody can send are counted by
// themselves: he must not be able to hold up the logins after a rotation. And so are those
// of a false signature under a key that is known, where a new key is hardly to be found. It
// is safe for concurrent use.
type keySet struct {
	fetch func(ctx context.Context, address string) ([]byte, error)
	now   func() time.Time

	flight singleflight.Group

	mu       sync.Mutex // guards what follows
	keys     []jose.JSONWebKey
	fetched  time.Time            // when keys were
	searched map[search]time.Time // when keys were last fetched for the sake of another one
	failed   time.Time            // when a fetch last failed
	problem  error                // how it failed
}

// origin is where a token came from.
type origin int

// The origins of tokens.
const (
	fromProvider origin = iota // in an answer of the provider's
	fromAnybody                // posted to us
)

// search is why another key is looked for.
type search struct {
	from  origin
	known bool // there is a key of that id, and the signature is false under it
}

// verify returns the payload of a signed token. The errors are errForged, errUnknownKey
// and errNoKeys, the last of them wrapped.
func (s *keySet) verify(ctx context.Context, address string, from origin, jws *jose.JSONWebSignature) ([]byte, error) {
	keys, err := s.update(ctx, address, search{from: from}, s.wanted)
	if keys == nil {
		return nil, err
	}
	payload, err := verifyWith(keys, jws)
	if err == nil {
		return payload, nil
	}
	why := search{from: from, known: errors.Is(err, errForged)}
	keys, fetchErr := s.update(ctx, address, why, func(now time.Time) bool { return s.searchable(why, now) })
	if fetchErr != nil {
		return nil, fetchErr
	}
	payload, err = verifyWith(keys, jws)
	if err == nil || !why.known && errors.Is(err, errForged) {
		s.found(why)
	}
	return payload, err
}

// found lets the next key be searched for at once: this one is published, and a provider
// that has rotated may do so again.
func (s *keySet) found(why search) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.searched, why)
}

// wanted reports whether the keys have to be fetched anyway. Call it with mu held.
func (s *keySet) wanted(now time.Time) bool {
	if s.keys == nil {
		return true
	}
	// Old keys are better than none: a failed fetch is not repeated at every token.
	return now.Sub(s.fetched) >= keysStale && now.Sub(s.failed) >= keysEvery
}

// searchable reports whether another key is a reason to fetch. Call it with mu held.
func (s *keySet) searchable(why search, now time.Time) bool {
	return now.Sub(s.searched[why]) >= keysEvery
}

// update fetches the keys if due says so, and returns those at hand. Callers share one
// fetch, which none of them can cancel by leaving.
func (s *keySet) update(ctx context.Context, address string, why search, due func(time.Time) bool) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	keys, now := s.keys, s.now()
	ask := due(now)
	recent := s.problem != nil && now.Sub(s.failed) < keysPause
	problem, again := s.problem, keys != nil
	s.mu.Unlock()
	switch {
	case !ask:
		return keys, nil
	case recent:
		return nil, problem
	}
	done := s.flight.DoChan(address, func() (any, error) {
		return s.load(context.WithoutCancel(ctx), address, why, again, due)
	})
	select {
	case r := <-done:
		keys, _ := r.Val.([]jose.JSONWebKey)
		return keys, r.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errNoKeys, context.Cause(ctx))
	}
}

// load is the one fetch. Whoever was late for the last one finds its work done.
func (s *keySet) load(ctx context.Context, address string, why search, again bool, due func(time.Time) bool) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	if keys := s.keys; !due(s.now()) {
		s.mu.Unlock()
		return keys, nil
	}
	s.mu.Unlock()

	doc, err := s.fetch(ctx, address)
	var keys []jose.JSONWebKey
	if err == nil {
		keys, err = readKeys(doc)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed, s.problem = s.now(), fmt.Errorf("%w: %w", errNoKeys, err)
		return s.keys, s.problem
	}
	s.keys, s.fetched, s.problem = keys, s.now(), nil
	if s.searched == nil {
		s.searched = make(map[search]time.Time)
	}
	if again {
		s.searched[why] = s.now()
	}
	return keys, nil
}

// readKeys reads a key set and leaves out what it cannot use: unknown types and curves,
// symmetric and encryption keys (RFC 7517 §5), RSA keys that are too short.
func readKeys(doc []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, fmt.Errorf("the key set is no valid JSON: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig") && strong(k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that can verify a signature")
	}
	return keys, nil
}

// strong reports whether a key is none that others can compute (RFC 7518 §3.3).
func strong(k jose.JSONWebKey) bool {
	public, ok := k.Key.(*rsa.PublicKey)
	return !ok || public.N.BitLen() >= 2048
}

// verifyWith tries every key that fits. The header's own jwk, jku and x5u are not asked:
// a forger writes there what he likes.
func verifyWith(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) ([]byte, error) {
	err := errUnknownKey
	h := jws.Signatures[0].Protected
	for _, k := range keys {
		if !fits(k, h) {
			continue
		}
		if payload, bad := jws.Verify(k.Key); bad == nil {
			return payload, nil
		}
		if k.KeyID == h.KeyID || h.KeyID == "" {
			err = errForged
		}
	}
	return nil, err
}

// fits reports whether a signature can be by a key: by id, where both have one, by
// algorithm, type and curve. Ids may repeat within a set.
func fits(k jose.JSONWebKey, h jose.Header) bool {
	if k.KeyID != "" && h.KeyID != "" && k.KeyID != h.KeyID || k.Algorithm != "" && k.Algorithm != h.Algorithm {
		return false
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(h.Algorithm, "RS") || strings.HasPrefix(h.Algorithm, "PS")
	case *ecdsa.PublicKey:
		curve := map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[h.Algorithm]
		return curve != "" && public.Curve.Params().Name == curve
	case ed25519.PublicKey:
		return h.Algorithm == "EdDSA"
	}
	return false
}

// fetchKeys gets the provider's key set.
func (c *Client) fetchKeys(ctx context.Context, address string) ([]byte, error) {
	return c.get(ctx, "jwks", address)
}
