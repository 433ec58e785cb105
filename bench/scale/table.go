package scale

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/cloakroom-bff/cloakroom/bench/report"
)

// row is one quantity over the sizes.
type row struct {
	name string
	of   func(Point) string
}

func rows() []row {
	number := func(f float64) string { return fmt.Sprintf("%.0f", f) }
	tenths := func(f float64) string { return fmt.Sprintf("%.1f", f) }
	mib := func(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }
	return []row{
		{"ready, ms", func(p Point) string { return number(p.Ready) }},
		{"ready after a crash, ms", func(p Point) string { return number(p.Crashed) }},
		{"resident when ready, MiB", func(p Point) string { return mib(p.Idle) }},
		{"resident after 30,000 sessions called, MiB", func(p Point) string { return mib(p.RSS) }},
		{"file, or memory of Redis, MiB", func(p Point) string { return mib(p.Bytes) }},
		{"call of a random session, p50 µs", func(p Point) string { return number(p.Call.P50) }},
		{"call of a random session, p99 µs", func(p Point) string { return number(p.Call.P99) }},
		{"lookup in memory, µs", func(p Point) string { return fmt.Sprintf("%.2f", p.Warm) }},
		{"lookup in the store, p50 µs", func(p Point) string { return tenths(p.Cold.P50) }},
		{"lookup in the store, p99 µs", func(p Point) string { return tenths(p.Cold.P99) }},
		{"logins at the manager, 1/s", func(p Point) string { return number(p.Logins) }},
		{"login, p99 ms", func(p Point) string { return tenths(p.Login.P99 / 1000) }},
		{"back-channel logout, p50 ms", func(p Point) string { return tenths(p.End.P50 / 1000) }},
		{"back-channel logout, p99 ms", func(p Point) string { return tenths(p.End.P99 / 1000) }},
		{"sessions ended at their limit, 1/s", func(p Point) string { return number(p.Sweep) }},
		{"first count of sessions, ms", func(p Point) string { return tenths(p.Count) }},
		{"file written anew, s", func(p Point) string { return tenths(p.Compact) }},
		{"file then, MiB", func(p Point) string { return mib(p.Compacted) }},
	}
}

// stores lists the stores in the order of the points, and sizes their sizes.
func (c *Curve) axes() (stores []string, sizes []int) {
	seen := make(map[any]bool)
	for _, p := range c.Points {
		if !seen[p.Store] {
			seen[p.Store] = true
			stores = append(stores, p.Store)
		}
		if !seen[p.Sessions] {
			seen[p.Sessions] = true
			sizes = append(sizes, p.Sessions)
		}
	}
	return stores, sizes
}

// write writes a table for each store, with a column for each size: as text, or for a page.
func (c *Curve) write(w io.Writer, page bool) error {
	if page {
		return c.tables(w, "| ", " | ", " |")
	}
	return c.tables(w, "", "\t", "")
}

func (c *Curve) tables(w io.Writer, left, between, right string) error {
	stores, sizes := c.axes()
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells []string) string {
		text := left + strings.Join(cells, between) + right
		if left == "" {
			text += "\t"
		}
		return text + "\n"
	}
	for _, store := range stores {
		head, rule := []string{store + ", sessions"}, []string{"---"}
		for _, size := range sizes {
			head, rule = append(head, report.Thousands(size)), append(rule, "--:")
		}
		var text strings.Builder
		text.WriteString("\n" + line(head))
		if left != "" {
			text.WriteString(line(rule))
		}
		for _, r := range rows() {
			cells := []string{r.name}
			for _, size := range sizes {
				if p, measured := c.find(store, size); measured {
					cells = append(cells, r.of(p))
				} else {
					cells = append(cells, "")
				}
			}
			text.WriteString(line(cells))
		}
		if _, err := io.WriteString(out, text.String()); err != nil {
			return err
		}
	}
	return out.Flush()
}
