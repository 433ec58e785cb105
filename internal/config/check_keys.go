package config

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// checkKeys warns of keys that protect less than they seem to. They work, so that who has
// one can rotate it away.
func (r *reader) checkKeys(path string, keys []secret.Text) {
	for i, k := range keys {
		switch {
		case k.IsZero(): // reported where it was read
		case slices.Contains(keys[:i], k):
			r.warn(element(path, i), "is the same key again, and counts once: write each once, newest first")
		case weak(k.Reveal()):
			r.warn(element(path, i), "does not look random, so that others may guess it: put a key in front that `cloakroom keys new` made")
		}
	}
}

// weak reports whether a key can hardly have come out of a random source: bytes, or steps
// from one to the next, that repeat themselves, or text, plain or as base64. A random key
// looks so once in a thousand million times.
func weak(key string) bool {
	steps := make([]byte, len(key)-1)
	for i := range steps {
		steps[i] = key[i+1] - key[i]
	}
	half := len(key) / 2
	return distinct([]byte(key)) < half || distinct(steps) < half || key[:half] == key[half:] ||
		utf8.ValidString(key) && !strings.ContainsFunc(key, unicode.IsControl) ||
		oneCase(base64.RawStdEncoding.EncodeToString([]byte(key)))
}

func distinct(bytes []byte) int {
	seen := make(map[byte]bool)
	for _, b := range bytes {
		seen[b] = true
	}
	return len(seen)
}

// oneCase reports whether a text lacks capitals or small letters: hexadecimal digits and
// words are base64, too.
func oneCase(text string) bool {
	return strings.ToLower(text) == text || strings.ToUpper(text) == text
}
