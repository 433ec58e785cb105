package config

import (
	"crypto/rand"
	"encoding/base64"
)

// NewKey returns a fresh random key for session.keys.
func NewKey() string {
	b := make([]byte, keySize)
	// Read never fails: the program stops if there is no randomness.
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
