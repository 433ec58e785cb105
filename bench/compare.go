package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// binaries is the flag that names the gateways to compare: name=path, repeated.
type binaries []stage.Binary

func (b *binaries) String() string { return fmt.Sprint(len(*b)) }

func (b *binaries) Set(text string) error {
	name, path, named := strings.Cut(text, "=")
	if !named {
		return errors.New("write name=path, such as -gateway before=/tmp/cloakroom")
	}
	*b = append(*b, stage.Binary{Name: name, Path: path})
	return nil
}

// compareCommand measures and prints tables.
func compareCommand(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var gateways binaries
	flags.Var(&gateways, "gateway", "a gateway to measure, as `name=path`; repeat it to compare several. Without it: that of this tree")
	whole := flags.Bool("matrix", false, "every cell, with every peer")
	some := flags.Bool("core", false, "a dozen cells, with every peer")
	work := flags.String("case", "json", "what is asked for: "+strings.Join(names(), ", "))
	only := flags.String("only", "", "of the cells of -core or -matrix, those whose name matches this `regexp`")
	connections := flags.Int("connections", 32, "connections of the load")
	rounds := flags.Int("rounds", 5, "how often each is measured")
	round := flags.Duration("round", time.Second, "how long each is loaded in a round, in whole seconds")
	most := flags.Float64("most", 0, "fail if the first gateway's ratio in the first table is above this; 0: never")
	file := flags.String("json", "", "write the figures into this `file`, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || !slices.Contains(names(), *work) || *rounds < 1 || *round < time.Second {
		return fmt.Errorf("-case is one of %s; -rounds and -round are 1 and 1s at least; there are no other arguments", strings.Join(names(), ", "))
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	run := newRun(gateways, pace{*rounds, round.Truncate(time.Second)}, stdout)
	switch {
	case *whole:
		run.cells = matrix()
	case *some:
		run.cells = core()
	default:
		for i := range run.binaries {
			run.binaries[i].Ingress, run.binaries[i].TLS = *work == "verify", *work == "http2"
		}
		run.cells = []cell{newCell(*work, *connections, 1, run.compared(*work == "http2")...)}
		run.cells[0].paired = true
	}
	run.cells = slices.DeleteFunc(run.cells, func(c cell) bool { return !wanted.MatchString(c.name) })
	if err := run.carryOut(ctx); err != nil {
		return err
	}
	if *file != "" {
		if err := run.results.Save(*file); err != nil {
			return err
		}
	}
	return run.judge(*most)
}

// names are those of the workloads.
func names() (all []string) {
	for _, w := range workloads() {
		all = append(all, w.name)
	}
	return all
}

// measurement is one run of this program.
type measurement struct {
	binaries []stage.Binary
	pace     pace
	cells    []cell
	stdout   io.Writer
	results  report.Run
}

func newRun(gateways []stage.Binary, p pace, stdout io.Writer) *measurement {
	if len(gateways) == 0 {
		gateways = []stage.Binary{{Name: "cloakroom"}}
	}
	return &measurement{binaries: gateways, pace: p, stdout: stdout, results: report.Run{When: time.Now().UTC(), Busy: report.Busy(), Machine: report.ThisMachine()}}
}

// compared are the baseline and the binaries.
func (m *measurement) compared(overTLS bool) []role {
	all := []role{tuned}
	if overTLS {
		all[0] = tunedTLS
	}
	for _, b := range m.binaries {
		all = append(all, role(b.Name))
	}
	return all
}

// carryOut sets the stage and fills the cells, each printed when it is done.
func (m *measurement) carryOut(ctx context.Context) (err error) {
	st, err := stage.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if m.binaries[0].Path == "" {
		if m.binaries[0].Path, err = st.Build(ctx); err != nil {
			return err
		}
	}
	players := newCast(st, m.binaries)
	for _, c := range m.cells {
		if err := m.fill(ctx, players, c); err != nil {
			return err
		}
	}
	for _, why := range m.results.Missing {
		if _, err := fmt.Fprintln(m.stdout, why); err != nil {
			return err
		}
	}
	return nil
}

// fill measures one cell. Who is not installed is left out.
func (m *measurement) fill(ctx context.Context, players *cast, c cell) error {
	defer players.leave()
	var sides []*stage.Side
	for _, r := range c.roles {
		s, err := players.play(ctx, r, c.sessions)
		if lacking, ok := errors.AsType[*stage.MissingError](err); ok {
			if !slices.Contains(m.results.Missing, lacking.Error()) {
				m.results.Missing = append(m.results.Missing, lacking.Error())
			}
			continue
		}
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	table, err := c.measure(ctx, sides, m.pace)
	if err != nil {
		return err
	}
	m.results.Tables = append(m.results.Tables, table)
	return table.WriteText(m.stdout)
}

// judge fails if the first gateway costs more than the bound.
func (m *measurement) judge(most float64) error {
	if most <= 0 {
		return nil
	}
	first := m.results.Tables[0]
	i := slices.IndexFunc(first.Rows, func(r report.Row) bool { return strings.HasPrefix(r.Side, m.binaries[0].Name) })
	if i < 0 {
		return errors.New("the gateway is not in the first table")
	}
	if ratio := first.Rows[i].Ratio.Median; ratio > most {
		return fmt.Errorf("a call costs %.2f times what it costs the bare proxy, and -most allows %.2f", ratio, most)
	}
	return nil
}
