package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/load"
	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// cell is one load on several sides.
type cell struct {
	name        string
	work        workload
	connections int
	sessions    int
	roles       []role
	paired      bool // all after the second are held against that, too
}

// pace is how long is measured.
type pace struct {
	rounds int
	round  time.Duration // of one side
}

// sample is what one side cost in one round; times in microseconds of a request.
type sample struct{ cpu, redis, rate, p50, p99, p999 float64 }

// measure loads the sides in turns. The first of them is what the ratios are held against.
// A peer that fails under this load is left out, and the table says so.
func (c *cell) measure(ctx context.Context, sides []*stage.Side, p pace) (report.Table, error) {
	t := report.Table{Name: c.name, Title: c.work.title, Connections: c.connections, Sessions: c.sessions, Rounds: p.rounds, Round: p.round}
	samples, failed := make([][]sample, len(sides)), make([]bool, len(sides))
	for round := range p.rounds + 1 {
		for i := range sides {
			if round%2 == 1 { // whoever comes after a heavy one does so in every other round only
				i = len(sides) - 1 - i
			}
			if failed[i] {
				continue
			}
			s, err := c.sample(ctx, sides[i], p.round)
			if failed[i] = err != nil && ctx.Err() == nil && sides[i].Peer(); failed[i] {
				t.Failed = append(t.Failed, fmt.Sprintf("%s: %v", sides[i].Name, err))
				continue
			}
			if err != nil {
				return t, fmt.Errorf("%s: %s: %w", c.work.title, sides[i].Name, err)
			}
			if round > 0 { // the first warms up
				samples[i] = append(samples[i], s)
			}
		}
	}
	for i, s := range sides {
		if failed[i] {
			continue
		}
		row, err := summary(s, samples[i], samples[0])
		if err != nil {
			return t, err
		}
		t.Rows = append(t.Rows, row)
		if c.paired && i > 1 {
			t.Pairs = append(t.Pairs, report.Pair{Side: s.Name, To: sides[1].Name, Ratio: ratio(samples[i], samples[1])})
		}
	}
	return t, nil
}

// sample loads one side once.
func (c *cell) sample(ctx context.Context, s *stage.Side, d time.Duration) (sample, error) {
	cpu, err := s.CPU()
	if err != nil {
		return sample{}, err
	}
	redis, err := s.RedisCPU()
	if err != nil {
		return sample{}, err
	}
	r, err := c.work.drive(ctx, c.work.request(s), load.Shape{Connections: c.connections, Duration: d})
	if err != nil {
		return sample{}, err
	}
	cpuAfter, err := s.CPU()
	if err != nil {
		return sample{}, err
	}
	redisAfter, err := s.RedisCPU()
	if err != nil {
		return sample{}, err
	}
	each := func(d time.Duration) float64 { return micro(d) / float64(r.Requests) }
	return sample{each(cpuAfter - cpu), each(redisAfter - redis), r.Rate(), micro(r.P50), micro(r.P99), micro(r.P999)}, nil
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// ratio holds the CPU of one side's rounds against that of another's.
func ratio(rounds, to []sample) report.Figure {
	each := make([]float64, len(rounds))
	for i := range rounds {
		each[i] = rounds[i].cpu / to[i].cpu
	}
	return report.Of(each)
}

// summary makes a row of a side's rounds and of those of the baseline.
func summary(s *stage.Side, rounds, baseline []sample) (report.Row, error) {
	m, err := s.Memory()
	if err != nil {
		return report.Row{}, err
	}
	figure := func(of func(sample) float64) report.Figure {
		return report.Of(slices.Collect(func(yield func(float64) bool) {
			for _, r := range rounds {
				if !yield(of(r)) {
					return
				}
			}
		}))
	}
	return report.Row{
		Side: s.Name, Ratio: ratio(rounds, baseline),
		CPU:   figure(func(r sample) float64 { return r.cpu }),
		Redis: figure(func(r sample) float64 { return r.redis }),
		Rate:  figure(func(r sample) float64 { return r.rate }),
		P50:   figure(func(r sample) float64 { return r.p50 }),
		P99:   figure(func(r sample) float64 { return r.p99 }),
		P999:  figure(func(r sample) float64 { return r.p999 }),
		RSS:   m.RSS, PSS: m.PSS,
	}, nil
}
