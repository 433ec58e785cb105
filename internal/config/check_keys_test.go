package config

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
)

func TestAKeyThatSomebodyMadeUpIsWeak(t *testing.T) {
	t.Parallel()
	ramp := func(first, step byte) string {
		b := make([]byte, keySize)
		for i := range b {
			b[i] = first + byte(i)*step
		}
		return string(b)
	}
	fromBase64 := func(text string) string {
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil || len(b) != keySize {
			t.Fatalf("%q has %d bytes, %v", text, len(b), err)
		}
		return string(b)
	}
	for name, key := range map[string]string{
		"zeros":             strings.Repeat("\x00", 32),
		"one byte":          strings.Repeat("\xa7", 32),
		"eight bytes again": strings.Repeat("\x01\xf3\x9c\x80\x55\xd2\x07\xee", 4),
		"sixteen again":     strings.Repeat("\x01\xf3\x9c\x80\x55\xd2\x07\xee\x11\xa3\x1c\x8f\x59\xd8\x47\xbe", 2),
		"padded with zeros": "\x01\xf3\x9c\x80\x55\xd2\x07\xee\x11\xa3\x1c\x8f" + strings.Repeat("\x00", 20),
		"counted up":        ramp(0, 1),
		"counted by threes": ramp(200, 3),
		"text":              "correct horse battery staple, 32!",
		"text with umlauts": "Zwölf Boxkämpfer jagen Viktor q.",
		"hexadecimal text":  "0123456789abcdef0c1d2e3f4a5b6c7d",
		"hex as base64":     fromBase64("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0"),
		"words as base64":   fromBase64("correcthorsebatterystapleandsomemorewordssc"),
	} {
		if !weak(key[:keySize]) {
			t.Errorf("%s: taken for random", name)
		}
	}
}

func TestARandomKeyIsNotWeak(t *testing.T) {
	t.Parallel()
	key := make([]byte, keySize)
	for range 10_000 {
		_, _ = rand.Read(key) // never fails
		if weak(string(key)) {
			t.Fatalf("%x is taken for weak", key)
		}
	}
}
