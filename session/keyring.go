package session

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
)

// KeySize is the length of a key of the keyring, in bytes.
const KeySize = 32

// Keyring holds the gateway's keys, newest first: the first seals, all open. So a key is
// rotated by putting a new one in front, and removing one ends only what it alone could
// open. A Keyring never changes and is safe for concurrent use; Manager.SetKeys puts another
// one in its place.
type Keyring struct {
	keys  []key
	boxes sync.Map // boxKind → *Box: no key is derived twice
}

// keyMark names a key inside a sealed record.
type keyMark [4]byte

// key is one key with what is derived from it. No two uses share key material.
type key struct {
	secret []byte
	mark   keyMark
	record []byte // seals records
	id     []byte // hashes ticket ids and values used once
	index  []byte // hashes subjects and provider sessions
}

// NewKeyring makes a keyring of keys of KeySize random bytes each, newest first. A key that
// comes again counts where it came first.
func NewKeyring(secrets ...[]byte) (*Keyring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("session: a keyring needs at least one key")
	}
	ring := &Keyring{}
	for i, secret := range secrets {
		if len(secret) != KeySize {
			return nil, fmt.Errorf("session: key %d has %d bytes, a key has %d", i+1, len(secret), KeySize)
		}
		if slices.ContainsFunc(ring.keys, func(k key) bool { return bytes.Equal(k.secret, secret) }) {
			continue
		}
		k := key{secret: bytes.Clone(secret)}
		var mark []byte
		for _, d := range []struct {
			use  string
			into *[]byte
		}{{"mark", &mark}, {"record", &k.record}, {"id", &k.id}, {"index", &k.index}} {
			derived, err := derive(secret, d.use)
			if err != nil {
				return nil, err
			}
			*d.into = derived
		}
		copy(k.mark[:], mark)
		ring.keys = append(ring.keys, k)
	}
	return ring, nil
}

// knows reports whether the ring has the key with this mark.
func (k *Keyring) knows(mark keyMark) bool {
	return slices.ContainsFunc(k.keys, func(key key) bool { return key.mark == mark })
}

// derive gives a key of its own to each use of a secret (RFC 5869).
func derive(secret []byte, use string) ([]byte, error) {
	k, err := hkdf.Key(sha256.New, secret, nil, "cloakroom/"+use, KeySize)
	if err != nil {
		return nil, fmt.Errorf("session: deriving a key: %w", err)
	}
	return k, nil
}

// Secrets returns a secret of KeySize bytes for each key of the ring, newest first. They are
// for this purpose alone and the same on every gateway that has the key.
func (k *Keyring) Secrets(purpose string) ([][]byte, error) {
	out := make([][]byte, 0, len(k.keys))
	for _, key := range k.keys {
		s, err := derive(key.secret, "secret/"+purpose)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// hash is the keyed hash under which a value stands in the store.
func hash(secret []byte, parts ...string) (sum [32]byte) {
	mac := hmac.New(sha256.New, secret)
	for _, p := range parts {
		// The length keeps ("ab","c") and ("a","bc") apart.
		_, _ = fmt.Fprintf(mac, "%d:%s", len(p), p)
	}
	mac.Sum(sum[:0])
	return sum
}

// Box seals small values for cookies and URLs with gorilla/securecookie (AES-CTR and
// HMAC-SHA-256). What is sealed for one purpose and name opens under no other. A Box is
// safe for concurrent use.
type Box struct{ codecs []*securecookie.SecureCookie }

// boxKind is what a box is for.
type boxKind struct {
	purpose string
	ttl     time.Duration
	most    int // bytes of a sealed value
}

// Bounds of what a box seals, in bytes of the sealed value.
const (
	inCookie  = 4 << 10
	inAddress = 16 << 10
)

// Box returns the box for values of this purpose that live for ttl at most. It is made once.
// Nothing longer than a cookie is sealed.
func (k *Keyring) Box(purpose string, ttl time.Duration) (*Box, error) {
	return k.box(boxKind{purpose, ttl, inCookie})
}

// AddressBox returns a box for values that travel in addresses, and may have 16 KiB there.
func (k *Keyring) AddressBox(purpose string, ttl time.Duration) (*Box, error) {
	return k.box(boxKind{purpose, ttl, inAddress})
}

func (k *Keyring) box(kind boxKind) (*Box, error) {
	if b, ok := k.boxes.Load(kind); ok {
		return b.(*Box), nil
	}
	b, err := k.newBox(kind)
	if err != nil {
		return nil, err
	}
	made, _ := k.boxes.LoadOrStore(kind, b)
	return made.(*Box), nil
}

func (k *Keyring) newBox(kind boxKind) (*Box, error) {
	purpose, ttl := kind.purpose, kind.ttl
	if ttl < time.Second {
		return nil, fmt.Errorf("session: a box for %s that lives for %v: one second is the least", purpose, ttl)
	}
	b := &Box{}
	for _, key := range k.keys {
		mac, err := derive(key.secret, "box/mac/"+purpose)
		if err != nil {
			return nil, err
		}
		block, err := derive(key.secret, "box/block/"+purpose)
		if err != nil {
			return nil, err
		}
		// The library's own limit of 30 days must not end what lives longer.
		b.codecs = append(b.codecs, securecookie.New(mac, block).
			SetSerializer(securecookie.NopEncoder{}).MaxAge(int(ttl/time.Second)).MaxLength(kind.most))
	}
	return b, nil
}

// Seal encrypts and authenticates data; the result is made of URL-safe characters.
func (b *Box) Seal(name string, data []byte) (string, error) {
	// The library encrypts in place.
	value, err := b.codecs[0].Encode(name, bytes.Clone(data))
	if err != nil {
		return "", fmt.Errorf("session: sealing %s: %w", name, err)
	}
	return value, nil
}

// Open is the reverse of Seal, under any key of the ring. It fails for anything that was
// not sealed for this purpose and name, or is older than the box's ttl.
func (b *Box) Open(name, value string) ([]byte, error) {
	data, _, err := b.open(name, value)
	return data, err
}

// open also tells which key it was.
func (b *Box) open(name, value string) (data []byte, key int, err error) {
	for i, codec := range b.codecs {
		if err = codec.Decode(name, value, &data); err == nil {
			return data, i, nil
		}
	}
	return nil, 0, fmt.Errorf("session: opening %s: %w", name, err)
}
