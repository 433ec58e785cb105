package dpop

import (
	"net/http"
	"strings"
	"sync"
)

const (
	// maxOrigins bounds the servers whose nonces are known.
	maxOrigins = 256
	// maxNonce bounds a nonce, in bytes: it comes back in a header of each request.
	maxNonce = 1024
)

// Nonces are the newest nonces of servers, by their origin (RFC 9449 §8.2). Those of
// authorization servers and those of resource servers are kept apart, even at one origin. The
// zero value is ready; it is safe for concurrent use.
type Nonces struct {
	mu sync.RWMutex
	of map[string]string // guarded by mu
}

// Of returns the newest nonce of an origin, "" if none is known.
func (n *Nonces) Of(origin string) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.of[origin]
}

// Keep makes a nonce, as [NonceOf] read it out of any answer, the newest of its origin; "" is
// none. What an answer demands for a request that is about to be repeated is not kept before
// that: where each nonce is good for one proof, another request would use it up.
func (n *Nonces) Keep(origin, nonce string) {
	if nonce == "" || n.Of(origin) == nonce {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.of[origin]; !known && len(n.of) >= maxOrigins {
		for other := range n.of {
			delete(n.of, other) // it gives another one when it is asked
			break
		}
	}
	if n.of == nil {
		n.of = make(map[string]string)
	}
	n.of[origin] = nonce
}

// NonceOf returns the nonce of an answer (RFC 9449 §8.1), "" if it has none that can be used,
// or more than one.
func NonceOf(answer http.Header) string {
	lines := answer["Dpop-Nonce"]
	if len(lines) != 1 || len(lines[0]) > maxNonce || strings.ContainsFunc(lines[0], forbiddenInNonce) {
		return ""
	}
	return lines[0]
}

// forbiddenInNonce reports whether c is none of the characters of a nonce (NQCHAR, RFC 6749
// §A).
func forbiddenInNonce(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }
