package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration, or a weakness that works. Its
// text is one line that says what is wrong and what to write instead; it never holds a
// secret, nor anything that came out of the environment or a referenced file.
type Problem struct {
	File     string // as it was given to Load
	Line     int    // 1 is the first
	Column   int    // in characters; 1 is the first
	Variable string // the environment variable, instead of Line and Column
	Text     string
}

// String writes "file:line:column: text", or "CLOAKROOM_…: text".
func (p Problem) String() string {
	if p.Variable != "" {
		return p.Variable + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems is all that is wrong with a configuration, in the file's order. It is the error
// of [Load].
type Problems []Problem

// Error writes a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems by position, each once; those of variables come last.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			strings.Compare(a.Variable, b.Variable),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		)
	})
	return slices.Compact(ps)
}

// position is where a value stands: a line and a column, or an environment variable.
type position struct {
	line, column int
	variable     string
}

// nearest returns the candidate that name most likely means, "" if none is near.
func nearest(name string, candidates []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their neighbour, to make
// b of a.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
