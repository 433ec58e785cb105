// Package report writes what was measured: as text, as JSON, as Markdown and as plots.
//
//	table := report.Table{Title: "1 KiB of JSON", Connections: 32, Rows: rows}
//	err := table.WriteText(os.Stdout)
//
// A figure is the median of the rounds, with the least and the most beside it. A ratio is
// the median of the ratios of each round, in which both stood on the same machine in the
// same seconds, and not the ratio of two medians.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Figure is one quantity over the rounds.
type Figure struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// Of is the figure of what the rounds gave, at least one.
func Of(rounds []float64) Figure {
	v := slices.Sorted(slices.Values(rounds))
	n := len(v)
	return Figure{Median: (v[(n-1)/2] + v[n/2]) / 2, Least: v[0], Most: v[n-1]}
}

// Row is one side in one table. Times are in microseconds, memory in bytes.
type Row struct {
	Side  string `json:"side"`
	CPU   Figure `json:"cpu_us"`       // of a request
	Redis Figure `json:"redis_cpu_us"` // what Redis adds to it; zero without one
	Ratio Figure `json:"ratio"`        // of CPU, to the baseline's in the same round
	Rate  Figure `json:"requests_per_second"`
	P50   Figure `json:"p50_us"`
	P99   Figure `json:"p99_us"`
	P999  Figure `json:"p999_us"`
	RSS   int64  `json:"rss"`
	PSS   int64  `json:"pss"`
}

// Table is one cell of the matrix: the same load on several sides in turns.
type Table struct {
	Name        string        `json:"name"` // for marks, "json-32"
	Title       string        `json:"title"`
	Connections int           `json:"connections"`
	Sessions    int           `json:"sessions"`
	Rounds      int           `json:"rounds"`
	Round       time.Duration `json:"round_ns"`
	Rows        []Row         `json:"rows"`
	Pairs       []Pair        `json:"pairs,omitempty"`
	Failed      []string      `json:"failed,omitempty"` // who could not bear the load, and how that showed
}

// Pair holds two sides against each other, round by round.
type Pair struct {
	Side  string `json:"side"`
	To    string `json:"to"`
	Ratio Figure `json:"ratio"` // of the CPU of a request
}

// Run is a whole measurement.
type Run struct {
	When    time.Time `json:"when"`
	Busy    string    `json:"load_average,omitempty"` // of the machine before it began; more than none makes noise
	Machine Machine   `json:"machine"`
	Tables  []Table   `json:"tables"`
	Missing []string  `json:"missing,omitempty"` // what was not measured, and why
}

// Find returns the table with this name.
func (r *Run) Find(name string) (Table, bool) {
	i := slices.IndexFunc(r.Tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return r.Tables[i], true
}

// Row returns the row of a side.
func (t *Table) Row(side string) (Row, bool) {
	i := slices.IndexFunc(t.Rows, func(r Row) bool { return r.Side == side })
	if i < 0 {
		return Row{}, false
	}
	return t.Rows[i], true
}

// heads are the columns after the side's name.
func heads() []string {
	return []string{"CPU µs", "least", "most", "ratio", "Redis µs", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "RSS MiB", "PSS MiB"}
}

// cells are a row's values under the heads.
func (r *Row) cells() []string {
	redis := ""
	if r.Redis.Median > 0 {
		redis = fmt.Sprintf("%.1f", r.Redis.Median)
	}
	ms := func(f Figure) string { return fmt.Sprintf("%.2f", f.Median/1000) }
	mib := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
	return []string{
		fmt.Sprintf("%.1f", r.CPU.Median), fmt.Sprintf("%.1f", r.CPU.Least), fmt.Sprintf("%.1f", r.CPU.Most),
		fmt.Sprintf("%.2f", r.Ratio.Median), redis, fmt.Sprintf("%.0f", r.Rate.Median),
		ms(r.P50), ms(r.P99), ms(r.P999), mib(r.RSS), mib(r.PSS),
	}
}

// caption says what a table is of.
func (t *Table) caption() string {
	text := fmt.Sprintf("%s, %d connections", t.Title, t.Connections)
	if t.Connections == 1 {
		text = t.Title + ", 1 connection"
	}
	if t.Sessions > 1 {
		text += fmt.Sprintf(", %s sessions", Thousands(t.Sessions))
	}
	return text
}

// WriteText writes the table in columns for a terminal.
func (t *Table) WriteText(w io.Writer) error {
	longest := 0
	for _, r := range t.Rows {
		longest = max(longest, len(r.Side))
	}
	// The columns of figures stand to the right, the names to the left.
	name := func(text string) string { return fmt.Sprintf("  %-*s", longest, text) }
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s; %d rounds of %v\n", t.caption(), t.Rounds, t.Round)
	fmt.Fprintf(&text, "%s\t%s\t\n", name(""), strings.Join(heads(), "\t"))
	for _, r := range t.Rows {
		fmt.Fprintf(&text, "%s\t%s\t\n", name(r.Side), strings.Join(r.cells(), "\t"))
	}
	for _, p := range t.Pairs {
		fmt.Fprintf(&text, "%s to %s, round by round: %.3f (%.3f to %.3f)\n", p.Side, p.To, p.Ratio.Median, p.Ratio.Least, p.Ratio.Most)
	}
	for _, f := range t.Failed {
		fmt.Fprintf(&text, "left out: %s\n", f)
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := io.WriteString(columns, text.String()); err != nil {
		return err
	}
	return columns.Flush()
}

// Thousands writes a number with commas: 1,000,000.
func Thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
