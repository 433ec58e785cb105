// Package secret holds strings that cannot be printed by accident: a client secret, a
// key, a password in a URL.
//
//	s := secret.New("hunter2")
//	fmt.Println(s)   // [secret]
//	s.Reveal()       // hunter2, and a reader sees where
package secret

import (
	"fmt"
	"log/slog"
)

const mask = "[secret]"

// Text is a string that formatting, logging and encoding show as a mask. The zero Text is
// empty. It is comparable.
type Text struct{ text string }

// New returns s as a Text.
func New(s string) Text { return Text{s} }

// Reveal returns the string.
func (t Text) Reveal() string { return t.text }

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.text == "" }

// String returns a mask, or nothing for an empty text.
func (t Text) String() string {
	if t.text == "" {
		return ""
	}
	return mask
}

// Format writes a mask for every verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// MarshalText returns a mask.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue returns a mask.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
