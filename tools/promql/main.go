// Command promql reads scrapes of a gateway as Prometheus would, and asks them every query of
// a Grafana dashboard and of a file of alert rules. It prints what came of it as JSON; what
// cannot be read or evaluated is an error.
//
//	promql -dashboard cloakroom.json -rules alerts.yaml -step 30s 00.txt 01.txt 02.pb …
//
// The scrapes are in the order of time, one for each step. Those that end in .pb are in
// Prometheus' protobuf format, with native histograms, all others are text.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// report is what is printed.
type report struct {
	Series  int     `json:"series"`  // that the scrapes have
	Native  int     `json:"native"`  // of them, native histograms
	Queries []query `json:"queries"` // of the dashboard
	Alerts  []alert `json:"alerts"`
}

func main() {
	dashboard := flag.String("dashboard", "", "dashboard in Grafana's JSON")
	rules := flag.String("rules", "", "alert rules in YAML")
	step := flag.Duration("step", 30*time.Second, "time between two scrapes")
	flag.Parse()
	if err := run(context.Background(), *dashboard, *rules, *step, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "promql:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dashboard, rules string, step time.Duration, scrapes []string) (err error) {
	dir, err := os.MkdirTemp("", "promql-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	data, err := load(ctx, dir, step, scrapes)
	if err != nil {
		return err
	}
	defer func() { _ = data.db.Close() }() // it is thrown away
	p := parser.NewParser(parser.Options{})
	e := &examiner{
		data: data, parser: p, step: step,
		engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1e7, Timeout: time.Minute, Parser: p, EnableAtModifier: true, EnableNegativeOffset: true}),
	}
	out := report{Series: data.series, Native: data.native}
	if out.Queries, err = e.dashboard(ctx, dashboard); err != nil {
		return err
	}
	if out.Alerts, err = e.alerts(ctx, rules); err != nil {
		return err
	}
	print := json.NewEncoder(os.Stdout)
	print.SetIndent("", "  ")
	return print.Encode(out)
}
