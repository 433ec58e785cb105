package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// plots draws what the page shows, by name, from the figures that are there.
func plots(run *report.Run) map[string]string {
	drawn := make(map[string]string)
	if t, found := run.Find("json-32"); found {
		drawn["call"] = drawCall(t)
	}
	if all := drawWorkloads(run); all != "" {
		drawn["workloads"] = all
	}
	for name, x := range map[string]axisOf{
		"connections": {"connections", []string{"json-1", "json-32", "json-512"}, func(t report.Table) float64 { return float64(t.Connections) }},
		"sessions":    {"sessions in the store", []string{"json-32", "json-32-of-1000", "json-32-of-100000", "json-32-of-1000000"}, func(t report.Table) float64 { return float64(t.Sessions) }},
	} {
		if lines := x.lines(run); len(lines) > 0 {
			drawn[name] = report.Lines(report.Chart{
				Title: "CPU time of a signed-in call of 1 KiB, by " + x.name,
				Text:  "Microseconds of CPU time for each request, over the number of " + x.name + ".",
				X:     x.name, Y: "CPU µs a request",
			}, lines)
		}
	}
	return drawn
}

// own reports whether a side is this product, alone.
func own(side string) bool { return strings.HasPrefix(side, "cloakroom") }

// drawCall draws what each side uses for a call.
func drawCall(t report.Table) string {
	var bars []report.Bar
	for _, r := range t.Rows {
		bars = append(bars, report.Bar{Name: r.Side, Value: r.CPU.Median, Own: own(r.Side)})
	}
	slices.SortStableFunc(bars, func(a, b report.Bar) int { return cmp.Compare(a.Value, b.Value) })
	return report.Bars(report.Chart{
		Title: "CPU time of a signed-in call: 1 KiB of JSON, 32 connections",
		Text:  "Bars of the microseconds of CPU time that each product uses for a request.",
		X:     "CPU µs a request; less is better",
	}, bars)
}

// drawWorkloads draws the gateway's ratio to the bare proxy in each workload.
func drawWorkloads(run *report.Run) string {
	var bars []report.Bar
	for _, w := range workloads() {
		t, found := run.Find(w.name + "-32")
		if !found {
			continue
		}
		if r, found := t.Row("cloakroom"); found {
			bars = append(bars, report.Bar{Name: strings.TrimSuffix(w.title, ", signed in"), Value: r.Ratio.Median, Own: true})
		}
	}
	if len(bars) == 0 {
		return ""
	}
	return report.Bars(report.Chart{
		Title: "What a request costs, as a ratio to the bare tuned ReverseProxy, which checks nothing",
		Text:  "Bars of the ratio of the gateway's CPU time to that of a bare reverse proxy, by what is asked for.",
		X:     "ratio of the CPU time of a request, 32 connections; 1 is the bare proxy",
	}, bars)
}

// axisOf is what a plot of lines goes along: one cell for each value.
type axisOf struct {
	name  string
	cells []string
	value func(report.Table) float64
}

// lines has one for each side that stands in more than one of the cells.
func (x axisOf) lines(run *report.Run) (lines []report.Series) {
	for _, side := range []string{"cloakroom", "cloakroom, Redis", stage.Tuned, "nginx proxy_pass", "oauth2-proxy, Redis", "Apache mod_auth_openidc, Redis"} {
		line := report.Series{Name: side}
		for _, cell := range x.cells {
			t, found := run.Find(cell)
			if !found {
				continue
			}
			if r, found := t.Row(side); found {
				line.Points = append(line.Points, report.Point{X: x.value(t), Y: r.CPU.Median})
			}
		}
		if len(line.Points) > 1 {
			lines = append(lines, line)
		}
	}
	return lines
}
