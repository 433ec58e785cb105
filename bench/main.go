// Command bench measures what the gateway costs: the CPU time of its process for each
// request, held against that of a bare httputil.ReverseProxy with a tuned transport, which
// checks nothing. Both stand before the same upstream and get the same load in turns, so
// the ratio holds although machines are noisy.
//
//	go run ./bench
//	go run ./bench fill -store bolt:sessions.db -keys KEY -n 1000000 > cookies.txt
//
//	browser side                        measured                    upstream
//	loader, 32 connections ─▶ bare proxy (a process)    ─▶ 1 KiB of JSON (a process)
//	                       └▶ cloakroom, signed in ─────┘
//
// It needs Linux: the CPU time is read from /proc.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// The measured processes are this program again, in another part.
	if len(args) > 0 && args[0] == "upstream" {
		return serveUpstream(ctx)
	}
	if len(args) > 1 && args[0] == "bare" {
		return serveBare(ctx, args[1])
	}
	if len(args) > 0 && args[0] == "fill" {
		return fillCommand(ctx, args[1:], os.Stdout)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "how often each is measured")
	requests := flags.Int("requests", 20_000, "requests in a round")
	connections := flags.Int("connections", 32, "connections of the loader")
	most := flags.Float64("most", 0, "fail if the ratio is above this; 0: never")
	if err := flags.Parse(args); err != nil {
		return err
	}
	st, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer st.close()
	return measure(ctx, st, *rounds, *requests, *connections, *most)
}

// measure loads both in turns and prints the table.
func measure(ctx context.Context, st *stage, rounds, requests, connections int, most float64) error {
	sides := []side{st.bare, st.gateway}
	cost := make([][]float64, len(sides))
	rate := make([][]float64, len(sides))
	for round := -1; round < rounds; round++ { // the first warms up
		for i, s := range sides {
			c, r, err := s.round(ctx, requests, connections)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if round >= 0 {
				cost[i], rate[i] = append(cost[i], c), append(rate[i], r)
			}
		}
	}
	var ratios []float64
	for i := range rounds {
		ratios = append(ratios, cost[1][i]/cost[0][i])
	}
	var rows bytes.Buffer
	fmt.Fprintf(&rows, "1 KiB of JSON, %d connections, %d rounds of %d\tCPU µs/request\tmin\tmax\trequests/s\t\n", connections, rounds, requests)
	for i, s := range sides {
		fmt.Fprintf(&rows, "%s\t%.1f\t%.1f\t%.1f\t%.0f\t\n", s.name, median(cost[i]), slices.Min(cost[i]), slices.Max(cost[i]), median(rate[i]))
	}
	fmt.Fprintf(&rows, "ratio, round by round\t%.2f\t%.2f\t%.2f\t\t\n", median(ratios), slices.Min(ratios), slices.Max(ratios))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := rows.WriteTo(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if most > 0 && median(ratios) > most {
		return errors.New("the ratio is above what -most allows")
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
