package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// examiner asks.
type examiner struct {
	data   *data
	engine *promql.Engine
	parser parser.Parser
	step   time.Duration
}

// query is one of a dashboard's.
type query struct {
	Panel   string `json:"panel"`
	Expr    string `json:"expr"`
	Samples int    `json:"samples"` // at all steps together
}

// alert is one rule.
type alert struct {
	Name  string `json:"name"`
	Fires bool   `json:"fires"` // its expression held for as long as the rule says
	Held  string `json:"held"`  // the longest time for which it held
}

// panel is what is of interest in Grafana's JSON.
type panel struct {
	Title   string
	Type    string
	Panels  []panel // of a row
	Targets []struct{ Expr string }
}

// variables are Grafana's, as they would be with everything chosen.
var variables = strings.NewReplacer(
	"$__rate_interval", "2m", "$__interval", "30s", "$__range", "1h",
	"$job", job, "$instance", ".*", "$route", ".*",
)

// dashboard asks every query of a dashboard.
func (e *examiner) dashboard(ctx context.Context, file string) ([]query, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var board struct {
		Panels []panel
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return e.panels(ctx, board.Panels)
}

func (e *examiner) panels(ctx context.Context, all []panel) (asked []query, err error) {
	for _, p := range all {
		inner, err := e.panels(ctx, p.Panels)
		if err != nil {
			return nil, err
		}
		asked = append(asked, inner...)
		for _, target := range p.Targets {
			samples, err := e.ask(ctx, variables.Replace(target.Expr))
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", p.Title, target.Expr, err)
			}
			q := query{Panel: p.Title, Expr: target.Expr}
			for _, n := range samples {
				q.Samples += n
			}
			asked = append(asked, q)
		}
	}
	return asked, nil
}

// alerts asks every rule.
func (e *examiner) alerts(ctx context.Context, file string) ([]alert, error) {
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, e.parser, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return nil, errs[0]
	}
	var all []alert
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			samples, err := e.ask(ctx, r.Expr)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Alert, err)
			}
			held := e.longest(samples)
			all = append(all, alert{Name: r.Alert, Fires: held > time.Duration(r.For), Held: held.String()})
		}
	}
	return all, nil
}

// longest is the longest time for which an expression has held.
func (e *examiner) longest(samples []int) (longest time.Duration) {
	var now time.Duration
	for _, n := range samples {
		if now += e.step; n == 0 {
			now = 0
		}
		longest = max(longest, now)
	}
	return longest
}

// ask returns how many samples an expression has at each step.
func (e *examiner) ask(ctx context.Context, expr string) (samples []int, err error) {
	for at := e.data.from; !at.After(e.data.to); at = at.Add(e.step) {
		n, err := e.askAt(ctx, expr, at)
		if err != nil {
			return nil, err
		}
		samples = append(samples, n)
	}
	return samples, nil
}

func (e *examiner) askAt(ctx context.Context, expr string, at time.Time) (int, error) {
	q, err := e.engine.NewInstantQuery(ctx, e.data.db, nil, expr, at)
	if err != nil {
		return 0, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return 0, result.Err
	}
	switch value := result.Value.(type) {
	case promql.Vector:
		return len(value), nil
	case promql.Scalar:
		return 1, nil
	}
	return 0, fmt.Errorf("a result of kind %T", result.Value)
}
