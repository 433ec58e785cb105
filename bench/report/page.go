package report

import (
	"fmt"
	"strings"
)

// The marks between which a page's parts are written.
const (
	partBegin = "<!-- bench: "
	partClose = " -->\n"
	partEnd   = "<!-- bench: end -->"
)

// Fill writes the parts of a page anew: what stands between a mark such as
//
//	<!-- bench: table json-32 -->
//	<!-- bench: end -->
//
// becomes what part returns for "table json-32". All else stays.
func Fill(page string, part func(name string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(page, partBegin)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, rest, opened := strings.Cut(rest, partClose)
		_, after, closed := strings.Cut(rest, partEnd)
		if !opened || !closed {
			return "", fmt.Errorf("report: the part %q of the page has no end: write %s", name, partEnd)
		}
		text, err := part(name)
		if err != nil {
			return "", err
		}
		out.WriteString(partBegin + name + partClose + "\n" + strings.TrimSpace(text) + "\n\n" + partEnd)
		page = after
	}
}

// Markdown is the table for a page.
func (t *Table) Markdown() string {
	redis := false
	for _, r := range t.Rows {
		redis = redis || r.Redis.Median > 0
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %d rounds of %v:\n\n", t.caption(), t.Rounds, t.Round)
	text.WriteString("| | CPU µs | least to most | ratio |")
	rule := "| :-- | --: | --: | --: |"
	if redis {
		text.WriteString(" and Redis µs |")
		rule += " --: |"
	}
	text.WriteString(" requests/s | p50 ms | p99 ms | p99.9 ms | PSS MiB |\n" + rule + strings.Repeat(" --: |", 5) + "\n")
	ms := func(f Figure) string { return fmt.Sprintf("%.2f", f.Median/1000) }
	for _, r := range t.Rows {
		fmt.Fprintf(&text, "| %s | %.1f | %.1f to %.1f | %.2f |", r.Side, r.CPU.Median, r.CPU.Least, r.CPU.Most, r.Ratio.Median)
		switch {
		case r.Redis.Median > 0:
			fmt.Fprintf(&text, " %.1f |", r.Redis.Median)
		case redis:
			text.WriteString(" |")
		}
		fmt.Fprintf(&text, " %s | %s | %s | %s | %.1f |\n", Thousands(int(r.Rate.Median)), ms(r.P50), ms(r.P99), ms(r.P999), float64(r.PSS)/(1<<20))
	}
	for _, f := range t.Failed {
		fmt.Fprintf(&text, "\nLeft out, since it did not bear this load: %s.\n", f)
	}
	return text.String()
}
