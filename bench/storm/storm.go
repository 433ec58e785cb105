// Package storm measures what users see when the tokens of many sessions run out within one
// minute, and the provider answers only so many refreshes a second.
//
//	quiet   calls with tokens that hold
//	slow    the same, while tokens are due and each refresh takes the provider two seconds
//	storm   every token has run out: calls of random sessions, and one user with fifty
//	        sessions who calls more than all others
package storm

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/fill"
	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/rig"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/session"
)

// plan is what is done.
type plan struct {
	sessions, rate, calls int
	quiet, slow, storm    time.Duration
	binary, file          string
}

// Command measures what the arguments say.
func Command(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("bench storm", flag.ContinueOnError)
	var p plan
	flags.IntVar(&p.sessions, "sessions", 50_000, "whose tokens run out within a minute")
	flags.IntVar(&p.rate, "rate", 20, "refreshes that the provider answers in a second")
	flags.IntVar(&p.calls, "calls", 200, "calls in a second")
	flags.DurationVar(&p.quiet, "quiet", 20*time.Second, "how long calls are measured before it")
	flags.DurationVar(&p.slow, "slow", 30*time.Second, "how long while the provider takes two seconds")
	flags.DurationVar(&p.storm, "storm", 90*time.Second, "how long after all have run out")
	flags.StringVar(&p.binary, "gateway", "", "the gateway's `program`; without it: that of this tree")
	flags.StringVar(&p.file, "json", "", "write the figures into this `file`, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || p.sessions < 1 || p.rate < 1 || p.calls < 1 {
		return errors.New("write such as -sessions 50000 -rate 20 -calls 200")
	}
	st, err := stage.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if p.binary == "" {
		if p.binary, err = st.Build(ctx); err != nil {
			return err
		}
	}
	found, err := p.run(ctx, st)
	if err != nil {
		return err
	}
	if err := found.WriteText(stdout); err != nil {
		return err
	}
	return rig.Save(p.file, found)
}

// Weather is a whole measurement.
type Weather struct {
	When    time.Time      `json:"when"`
	Machine report.Machine `json:"machine"`

	Sessions int `json:"sessions"`
	Rate     int `json:"provider_per_second"`
	Calls    int `json:"calls_per_second"`

	Quiet   rig.Times `json:"quiet"`
	Slow    rig.Times `json:"slow_provider"`
	Renewed int       `json:"renewed_while_slow"`

	Spans    []Span      `json:"storm"`
	Odd      []string    `json:"odd,omitempty"` // how calls ended that were neither 200 nor 503
	Provider rig.Answers `json:"provider"`
	Greedy   float64     `json:"greedy_calls"`     // the share of the user with fifty sessions in the calls
	Granted  float64     `json:"greedy_refreshes"` // and in the refreshes
	Most     rig.Held    `json:"most"`
}

// Span is ten seconds of the storm.
type Span struct {
	From   int       `json:"from_s"`
	OK     int       `json:"ok"`
	Later  int       `json:"later"` // 503 with Retry-After
	Failed int       `json:"failed"`
	Served rig.Times `json:"served"` // how long the good ones took
	Denied rig.Times `json:"denied"` // and the others
}

// The sessions beside those of the storm.
const (
	steady = 400 // whose tokens hold
	due    = 300 // whose tokens are due while the provider is slow
	greedy = 50  // of one user
)

func (p plan) run(ctx context.Context, st *stage.Stage) (*Weather, error) {
	idp, err := rig.NewProvider(ctx, time.Hour)
	if err != nil {
		return nil, err
	}
	defer idp.Close()
	w := &Weather{When: time.Now(), Machine: report.ThisMachine(), Sessions: p.sessions, Rate: p.rate, Calls: p.calls}
	c := &crowd{issuer: idp.URL, key: config.NewKey(), store: "bolt:" + filepath.Join(st.Dir, "storm.db")}
	if err := c.gather(ctx, p); err != nil {
		return nil, err
	}
	g, err := rig.Start(ctx, rig.Setting{
		Binary: p.binary, Dir: st.Dir, Issuer: idp.URL, Store: c.store, Key: c.key, Upstream: st.Upstream,
		Session: fmt.Sprintf("refresh: {rate: %d/s}", p.rate),
	})
	if err != nil {
		return nil, err
	}
	defer g.Stop()
	caller := g.Caller("/api/1k")
	defer caller.Close()

	holding := append(append([]string(nil), c.steady...), c.due...)
	caller.Each(ctx, 16, holding) // they are in memory, then
	if err := p.fair(ctx, caller, holding, p.quiet, &w.Quiet); err != nil {
		return nil, fmt.Errorf("quiet: %w", err)
	}
	idp.Behave(2*time.Second, 0)
	pause(ctx, time.Until(c.dueAt))
	if err := p.fair(ctx, caller, holding, p.slow, &w.Slow); err != nil {
		return nil, fmt.Errorf("while the provider is slow: %w", err)
	}
	before := idp.Answers()
	w.Renewed = before.Refreshed

	idp.Behave(0, p.rate)
	pause(ctx, time.Until(c.over))
	if err := p.breakOut(ctx, g, caller, c, w); err != nil {
		return nil, err
	}
	w.Provider = idp.Answers()
	for name, n := range w.Provider.By {
		if strings.HasPrefix(name, "greedy") {
			w.Granted += float64(n)
		}
	}
	w.Granted /= float64(max(w.Provider.Refreshed-before.Refreshed, 1))
	if w.Provider.Reused > 0 {
		return nil, fmt.Errorf("%d refresh tokens came twice", w.Provider.Reused)
	}
	return w, ctx.Err()
}

// fair makes calls that must all be answered.
func (p plan) fair(ctx context.Context, caller *rig.Caller, tickets []string, d time.Duration, times *rig.Times) error {
	calls := caller.Steadily(ctx, p.calls, d, func() string { return tickets[rand.IntN(len(tickets))] }) //nolint:gosec // Which one is no secret.
	took := rig.Took(calls, http.StatusOK)
	if len(took) != len(calls) || len(calls) == 0 {
		return fmt.Errorf("%d of %d calls were answered: %w", len(took), len(calls), ctx.Err())
	}
	*times = rig.TimesOf(took)
	times.P99 = float64(rig.Typical(calls).Nanoseconds()) / 1000
	return nil
}

// breakOut lets the storm break.
func (p plan) breakOut(ctx context.Context, g *rig.Gateway, caller *rig.Caller, c *crowd, w *Weather) error {
	watching, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	var failed error
	all.Go(func() { w.Most, failed = most(watching, g) })
	began := time.Now()
	var greedyCalls []rig.Call
	all.Go(func() {
		greedyCalls = caller.Steadily(ctx, p.calls, p.storm, func() string { return c.greedy[rand.IntN(len(c.greedy))] }) //nolint:gosec // As above.
	})
	calls := caller.Steadily(ctx, p.calls, p.storm, func() string { return c.storm[rand.IntN(len(c.storm))] }) //nolint:gosec // As above.
	end()
	all.Wait()
	w.Spans, w.Odd = spans(began, calls), odd(calls)
	w.Greedy = float64(len(greedyCalls)) / float64(max(len(calls)+len(greedyCalls), 1))
	return failed
}

// most samples what the gateway holds until ctx ends.
func most(ctx context.Context, g *rig.Gateway) (m rig.Held, err error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return m, nil
		}
		now, err := g.Held(ctx)
		if ctx.Err() != nil {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		m.RSS, m.Heap, m.Goroutines, m.Files = max(m.RSS, now.RSS), max(m.Heap, now.Heap), max(m.Goroutines, now.Goroutines), max(m.Files, now.Files)
	}
}

// odd says how calls ended that were neither good nor told to come again, each way once.
func odd(calls []rig.Call) (ways []string) {
	for _, c := range calls {
		way := fmt.Sprint(c.Status)
		if c.Err != nil {
			way = c.Err.Error()
		}
		if c.Status != http.StatusOK && c.Status != http.StatusServiceUnavailable && !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	return ways
}

// spanOf is how long a Span is.
const spanOf = 10 * time.Second

func spans(began time.Time, calls []rig.Call) []Span {
	var list []Span
	var served, denied [][]time.Duration
	for _, c := range calls {
		i := max(int(c.At.Sub(began)/spanOf), 0)
		for len(list) <= i {
			list, served, denied = append(list, Span{From: len(list) * int(spanOf.Seconds())}), append(served, nil), append(denied, nil)
		}
		switch c.Status {
		case http.StatusOK:
			list[i].OK++
			served[i] = append(served[i], c.Took)
			continue
		case http.StatusServiceUnavailable:
			list[i].Later++
		default:
			list[i].Failed++
		}
		denied[i] = append(denied[i], c.Took)
	}
	for i := range list {
		list[i].Served, list[i].Denied = rig.TimesOf(served[i]), rig.TimesOf(denied[i])
	}
	return list
}

func pause(ctx context.Context, d time.Duration) {
	late := time.NewTimer(max(d, 0))
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}

// crowd is all sessions and their tickets.
type crowd struct {
	issuer, key, store         string
	steady, due, greedy, storm []string

	dueAt, over time.Time // when the first of due is due, and when all of the storm have run out
}

// gather puts the sessions into the store. Times run from its end.
func (c *crowd) gather(ctx context.Context, p plan) error {
	// Filling takes a while, and so does the start.
	ready := time.Now().Add(15*time.Second + time.Duration(p.sessions)*500*time.Microsecond)
	c.dueAt = ready.Add(p.quiet)
	slowEnds := c.dueAt.Add(p.slow)
	c.over = slowEnds.Add(5 * time.Second)
	until := func(expiry time.Time, life time.Duration) map[session.Target]session.AccessToken {
		a := rig.Grant(c.issuer, "", time.Hour).Access
		t := a[session.Target{}]
		t.Issued, t.Expiry = expiry.Add(-life), expiry
		return map[session.Target]session.AccessToken{{}: t}
	}
	for _, part := range []struct {
		to    *[]string
		n     int
		grant func(n int) session.Grant
	}{
		{&c.steady, steady, func(n int) session.Grant { return rig.Grant(c.issuer, fmt.Sprintf("steady-%d", n), 24*time.Hour) }},
		{&c.due, due, func(n int) session.Grant {
			g := rig.Grant(c.issuer, fmt.Sprintf("due-%d", n), time.Hour)
			g.Access = until(slowEnds.Add(time.Minute-p.slow+time.Duration(n)*p.slow/due), time.Hour) // a minute before its end it is due
			return g
		}},
		{&c.greedy, greedy, func(n int) session.Grant {
			g := rig.Grant(c.issuer, "greedy", time.Hour)
			g.RefreshToken, g.Access = session.Token(fmt.Sprintf("greedy-%d.0", n)), until(slowEnds, time.Hour)
			return g
		}},
		{&c.storm, p.sessions, func(n int) session.Grant {
			g := rig.Grant(c.issuer, fmt.Sprintf("user-%d", n), time.Hour)
			g.Access = until(c.over.Add(-time.Duration(n%60)*time.Second), time.Hour)
			return g
		}},
	} {
		var tickets bytes.Buffer
		f := fill.Filling{Store: c.store, Keys: []string{c.key}, Issuer: c.issuer, Client: rig.Client, Sessions: part.n, Grant: part.grant}
		if err := f.Run(ctx, &tickets); err != nil {
			return err
		}
		*part.to = strings.Split(strings.TrimSuffix(tickets.String(), "\n"), "\n")
	}
	return nil
}

// WriteText writes the figures as tables.
func (w *Weather) WriteText(out io.Writer) error {
	var text strings.Builder
	ms := func(us float64) string { return fmt.Sprintf("%.1f", us/1000) }
	fmt.Fprintf(&text, "%d calls a second with tokens that hold\n", w.Calls)
	fmt.Fprintf(&text, "  quiet                                   p50 %s ms, p99 %s ms\n", ms(w.Quiet.P50), ms(w.Quiet.P99))
	fmt.Fprintf(&text, "  a refresh takes the provider 2 s        p50 %s ms, p99 %s ms, %.2f times; %d tokens were renewed\n\n", ms(w.Slow.P50), ms(w.Slow.P99), w.Slow.P99/w.Quiet.P99, w.Renewed)
	fmt.Fprintf(&text, "%s tokens run out in a minute, the provider answers %d a second, %d calls a second, and as many of one user with %d sessions\n", report.Thousands(w.Sessions), w.Rate, w.Calls, greedy)
	fmt.Fprintf(&text, "  from s   200   503  other   200: p50 ms   p99 ms   503: p50 ms   p99 ms\n")
	for _, s := range w.Spans {
		fmt.Fprintf(&text, "  %6d %5d %5d  %5d   %11s %8s   %11s %8s\n", s.From, s.OK, s.Later, s.Failed, ms(s.Served.P50), ms(s.Served.P99), ms(s.Denied.P50), ms(s.Denied.P99))
	}
	for _, way := range w.Odd {
		fmt.Fprintf(&text, "  other: %s\n", way)
	}
	fmt.Fprintf(&text, "  the provider answered %d refreshes, %d with 429, at most %d in one second; no refresh token came twice\n", w.Provider.Refreshed, w.Provider.Refused, w.Provider.Most)
	fmt.Fprintf(&text, "  the user with %d sessions made %.0f %% of the calls and got %.0f %% of the refreshes\n", greedy, 100*w.Greedy, 100*w.Granted)
	fmt.Fprintf(&text, "  the gateway held at most %d MiB, %d goroutines, %d file descriptors\n", w.Most.RSS>>20, w.Most.Goroutines, w.Most.Files)
	_, err := io.WriteString(out, text.String())
	return err
}
