package migrate

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// Kind says what became of a setting.
type Kind string

// The kinds of remarks.
const (
	Lost     Kind = "lost"     // not carried: Text says why, and what to do instead
	Unknown  Kind = "unknown"  // no setting of the product that is known here
	Todo     Kind = "todo"     // somebody has to do something before it works
	Changed  Kind = "changed"  // carried, and behaves differently
	Carried  Kind = "carried"  // carried
	Needless Kind = "needless" // has no counterpart and needs none
)

// Kinds lists the kinds, the most urgent first.
func Kinds() []Kind { return []Kind{Lost, Unknown, Todo, Changed, Carried, Needless} }

// Remark says what became of one setting. It never holds a value that could be a secret.
type Remark struct {
	Kind   Kind   `json:"kind"`
	Option string `json:"option,omitempty"` // as the product calls it; empty: the whole
	At     string `json:"at,omitempty"`     // file:line, an environment variable, or "arguments"
	To     string `json:"to,omitempty"`     // the key of config.yaml
	Text   string `json:"text,omitempty"`
}

// Count is the number of remarks of some kinds.
func (r Result) Count(kinds ...Kind) (n int) {
	for _, remark := range r.Remarks {
		if slices.Contains(kinds, remark.Kind) {
			n++
		}
	}
	return n
}

// sorted orders remarks by kind and leaves the order within.
func sorted(all []Remark) []Remark {
	kinds := Kinds()
	slices.SortStableFunc(all, func(a, b Remark) int {
		return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind))
	})
	return all
}

// shown is a name of the input as remarks show it: what is no name is not repeated, for it
// could be anything.
func shown(name string) string {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:/<>[]", c)
	}
	if name == "" || len(name) > 80 || strings.ContainsFunc(name, odd) {
		return "(no name)"
	}
	return name
}

// oneLine is s with a space in the place of each control character.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, s)
}
