// Package secret holds strings that cannot be printed by accident: a client secret, a
// key, a password in a URL.
//
//	s := secret.New("hunter2")
//	fmt.Println(s)   // [secret]
//	s.Reveal()       // hunter2, and a reader sees where
//
// The mask also holds where fmt cannot call methods, in an unexported field of some other
// struct: what is printed there is an address.
package secret

import (
	"fmt"
	"log/slog"
	"unique"
)

// Mask is what stands in the place of a secret.
const Mask = "[secret]"

// Text is a string that formatting, logging and encoding show as a mask. The zero Text is
// empty. It is comparable: two Texts are equal if their strings are.
type Text struct {
	// A handle compares as the string does and is a pointer to anybody who reflects.
	text unique.Handle[string]
}

// New returns s as a Text.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{unique.Make(s)}
}

// Reveal returns the string.
func (t Text) Reveal() string {
	if t.IsZero() {
		return ""
	}
	return t.text.Value()
}

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t == Text{} }

// String returns a mask, or nothing for an empty text.
func (t Text) String() string {
	if t.IsZero() {
		return ""
	}
	return Mask
}

// Format writes a mask for every verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// MarshalText returns a mask.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue returns a mask.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
