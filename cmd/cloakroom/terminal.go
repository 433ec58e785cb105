package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// onTerminal reports whether somebody reads along what is written to w.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colours are the marks that a terminal turns into colours; the zero value has none.
type colours struct{ on bool }

// coloursOf are those for w: none unless it is a terminal that knows them, and none where
// the environment says NO_COLOR (no-color.org).
func (s *surroundings) coloursOf(w io.Writer) colours {
	return colours{onTerminal(w) && s.wantsColours()}
}

func (s *surroundings) wantsColours() bool {
	return !slices.ContainsFunc(s.env, func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")
		return name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb"
	})
}

// Colours of what a command found.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (c colours) paint(colour, text string) string {
	if !c.on {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// progress is a line on a terminal that says how far long work has come. The zero value
// writes nothing.
type progress struct {
	out   io.Writer
	what  string
	size  func(int64) string
	shown string
}

// progressOf shows the work that what names; nothing of it remains.
func (s *surroundings) progressOf(what string, size func(int64) string) *progress {
	if !onTerminal(s.stderr) {
		return &progress{}
	}
	return &progress{out: s.stderr, what: what, size: size}
}

// tell says that so much is done.
func (p *progress) tell(done, of int64) {
	if p.out == nil || of <= 0 {
		return
	}
	text := fmt.Sprintf("%s  %3d%%  %s of %s", p.what, done*100/of, p.size(done), p.size(of))
	if text == p.shown {
		return
	}
	p.shown = text
	_, _ = fmt.Fprintf(p.out, "\r%s\x1b[K", text) // it is for whoever looks, and nobody else
}

// end takes the line away.
func (p *progress) end() {
	if p.shown != "" {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K") // as in tell
	}
}

// inBytes is a size as people read it.
func inBytes(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

func inRecords(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}
