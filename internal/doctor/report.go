package doctor

import (
	"strings"
	"unicode"
)

// Verdict is what came of a check.
type Verdict string

// The verdicts. A warning works, or may work; a failure does not.
const (
	Pass Verdict = "pass"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
)

// Line is one check that was made.
type Line struct {
	Check   string  `json:"check"` // a stable name: the key of the configuration that it is about, where there is one
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`            // what is there
	Remedy  string  `json:"remedy,omitempty"` // what to do; empty if nothing is to be done, or Found says it
}

// Report is what an examination found, in the order of the parts.
type Report struct {
	Lines []Line `json:"lines"`
}

// Count returns how many lines have a verdict.
func (r Report) Count(v Verdict) int {
	n := 0
	for _, l := range r.Lines {
		if l.Verdict == v {
			n++
		}
	}
	return n
}

// Verdict is the worst of the lines'.
func (r Report) Verdict() Verdict {
	switch {
	case r.Count(Fail) > 0:
		return Fail
	case r.Count(Warn) > 0:
		return Warn
	}
	return Pass
}

// chart gathers the lines of one part of the examination.
type chart struct{ lines []Line }

func (c *chart) pass(check, found string)         { c.add(Pass, check, found, "") }
func (c *chart) warn(check, found, remedy string) { c.add(Warn, check, found, remedy) }
func (c *chart) fail(check, found, remedy string) { c.add(Fail, check, found, remedy) }

func (c *chart) add(v Verdict, check, found, remedy string) {
	c.lines = append(c.lines, Line{Check: check, Verdict: v, Found: printable(found), Remedy: printable(remedy)})
}

// failed reports whether a line is a failure.
func (c *chart) failed() bool { return (Report{c.lines}).Count(Fail) > 0 }

// printable keeps what others said from moving the cursor, or from breaking the line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// quote makes a text of somebody else's fit for a line.
func quote(text string) string {
	const most = 200
	words := strings.Join(strings.Fields(text), " ")
	if r := []rune(words); len(r) > most {
		words = string(r[:most]) + "…"
	}
	return "“" + words + "”"
}
