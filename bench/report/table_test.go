package report_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/report"
)

func TestAFigureIsTheMedianOfTheRounds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		rounds []float64
		want   report.Figure
	}{
		{[]float64{7}, report.Figure{Median: 7, Least: 7, Most: 7}},
		{[]float64{9, 1, 2}, report.Figure{Median: 2, Least: 1, Most: 9}},
		{[]float64{4, 1, 2, 30}, report.Figure{Median: 3, Least: 1, Most: 30}},
	} {
		if got := report.Of(row.rounds); got != row.want {
			t.Errorf("Of(%v) is %v, want %v", row.rounds, got, row.want)
		}
	}
}

func TestNumbersHaveCommas(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1,000", 1_000_000: "1,000,000"} {
		if got := report.Thousands(n); got != want {
			t.Errorf("Thousands(%d) is %s, want %s", n, got, want)
		}
	}
}

func TestATableIsReadInATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table := sample()
	if err := table.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	const want = `
1 KiB of JSON, 32 connections, 1,000 sessions; 5 rounds of 2s
              CPU µs  least  most  ratio  Redis µs  requests/s  p50 ms  p99 ms  p99.9 ms  RSS MiB  PSS MiB
  bare          50.0   48.0  55.0   1.00                 20000    1.00    3.00      5.00     20.0     12.0
  oauth2-proxy  300.0  290.0  310.0   6.00      30.5        4000    8.00   20.00     40.00     30.0     25.0
oauth2-proxy to bare, round by round: 6.000 (5.900 to 6.100)
`
	if got := squeeze(out.String()); got != squeeze(want) {
		t.Errorf("the table is\n%s\nwant\n%s", out.String(), want)
	}
}

// squeeze makes a run of blanks one: how wide a column is decides the writer.
func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestWhatWasSavedIsLoaded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "run.json")
	run := &report.Run{When: time.Unix(1_800_000_000, 0).UTC(), Tables: []report.Table{sample()}, Missing: []string{"nginx"}}
	if err := run.Save(file); err != nil {
		t.Fatal(err)
	}
	loaded, err := report.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(loaded, run) {
		t.Errorf("loaded %+v, want %+v", loaded, run)
	}
}

func sample() report.Table {
	at := func(v, least, most float64) report.Figure { return report.Figure{Median: v, Least: least, Most: most} }
	one := func(v float64) report.Figure { return at(v, v, v) }
	return report.Table{
		Name: "json-32", Title: "1 KiB of JSON", Connections: 32, Sessions: 1000, Rounds: 5, Round: 2 * time.Second,
		Rows: []report.Row{
			{Side: "bare", CPU: at(50, 48, 55), Ratio: one(1), Rate: one(20_000), P50: one(1000), P99: one(3000), P999: one(5000), RSS: 20 << 20, PSS: 12 << 20},
			{Side: "oauth2-proxy", CPU: at(300, 290, 310), Redis: one(30.5), Ratio: one(6), Rate: one(4000), P50: one(8000), P99: one(20_000), P999: one(40_000), RSS: 30 << 20, PSS: 25 << 20},
		},
		Pairs: []report.Pair{{Side: "oauth2-proxy", To: "bare", Ratio: at(6, 5.9, 6.1)}},
	}
}
