//go:build e2e

package e2e

import (
	"bytes"
	"strings"
	"testing"
)

// A hunt looks for any of very many secrets, in all their spellings, in one pass.
type hunt struct {
	begins [1 << 16]bool       // by the first two bytes
	long   map[lead][][]byte   // by the first bytes
	short  map[string]struct{} // than a lead
}

// lead is how a spelling begins.
type lead [16]byte

func newHunt(secrets map[string]bool) *hunt {
	h := &hunt{long: map[lead][][]byte{}, short: map[string]struct{}{}}
	for secret := range secrets {
		for _, spelling := range spellings(secret) {
			if len(spelling) < len(lead{}) {
				h.short[spelling] = struct{}{}
				continue
			}
			h.begins[uint16(spelling[0])<<8|uint16(spelling[1])] = true
			key := lead([]byte(spelling[:len(lead{})]))
			h.long[key] = append(h.long[key], []byte(spelling))
		}
	}
	return h
}

// in returns where the first secret stands in text, and its length; -1 for none.
func (h *hunt) in(text []byte) (at, length int) {
	for i := 0; i+len(lead{}) <= len(text); i++ {
		if !h.begins[uint16(text[i])<<8|uint16(text[i+1])] {
			continue
		}
		for _, spelling := range h.long[lead(text[i:i+len(lead{})])] {
			if bytes.HasPrefix(text[i:], spelling) {
				return i, len(spelling)
			}
		}
	}
	for spelling := range h.short {
		if i := bytes.Index(text, []byte(spelling)); i >= 0 {
			return i, len(spelling)
		}
	}
	return -1, 0
}

func TestAHuntFindsAnySecretInAnySpelling(t *testing.T) {
	t.Parallel()
	secrets := map[string]bool{
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg": true,
		"a secret: with +, % and space of 40 byte":                                 true,
		"shortone": true,
	}
	h := newHunt(secrets)
	if at, _ := h.in([]byte(strings.Repeat("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl ", 9))); at >= 0 {
		t.Errorf("found at %d where there is only a beginning", at)
	}
	for secret := range secrets {
		for _, spelling := range spellings(secret) {
			for _, before := range []string{"", "x", "eyJhbGci "} {
				if at, length := h.in([]byte(before + spelling + "\n")); at != len(before) || length != len(spelling) {
					t.Errorf("%q behind %q: at %d, %d bytes", spelling, before, at, length)
				}
			}
		}
	}
}
