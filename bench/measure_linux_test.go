package main

import (
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// What needs neither wrk nor a build shows that a cell is filled: messages over the upstream
// alone, and over the bare proxy.
func TestSidesAreMeasuredInTurns(t *testing.T) {
	t.Parallel()
	st, err := stage.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	c := newCell("websocket", 2, 1, direct, tuned)
	players := newCast(st, nil)
	var sides []*stage.Side
	for _, r := range c.roles {
		s, err := players.play(t.Context(), r, 1)
		if err != nil {
			t.Fatal(err)
		}
		sides = append(sides, s)
	}
	table, err := c.measure(t.Context(), sides, pace{rounds: 3, round: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Rows) != 2 {
		t.Fatalf("the table is %+v", table)
	}
	for _, r := range table.Rows {
		if r.CPU.Median <= 0 || r.Rate.Median <= 0 || r.P99.Median < r.P50.Median || r.RSS == 0 {
			t.Errorf("%s has %+v", r.Side, r)
		}
	}
	if own := table.Rows[0].Ratio; own != (report.Figure{Median: 1, Least: 1, Most: 1}) {
		t.Errorf("the baseline's ratio to itself is %v", own)
	}
}
