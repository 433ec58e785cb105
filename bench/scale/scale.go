// Package scale measures how the gateway and its stores behave as sessions become many:
// the same questions at a thousand, ten thousand, a hundred thousand and a million, in one
// bbolt file and in one Redis that grow from size to size.
//
//	fill to the size ─▶ at the manager: logins, lookups, a sign-out, a sweep
//	                 ─▶ the gateway on it: ready, memory, calls, ready after a crash
//	                 ─▶ the file written anew
//
// What does not depend on the number of sessions is flat; what does, says why in docs/performance.md.
package scale

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/fill"
	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/rig"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Point is what was measured with so many sessions in a store. What a store has not is zero.
type Point struct {
	Store    string `json:"store"`
	Sessions int    `json:"sessions"`

	Filled float64   `json:"filled_s"`          // how long it took to put them in, for this machine's sake
	Logins float64   `json:"logins_per_second"` // at the manager, 256 at a time
	Login  rig.Times `json:"login"`
	Cold   rig.Times `json:"cold_lookup"` // of a session that memory has not
	Warm   float64   `json:"warm_lookup_us"`
	End    rig.Times `json:"back_channel_logout"`
	Sweep  float64   `json:"swept_per_second"` // sessions that reach their limit at one moment
	Count  float64   `json:"first_count_ms"`

	Ready   float64   `json:"ready_ms"`
	Crashed float64   `json:"ready_after_crash_ms"`
	Idle    int64     `json:"rss_ready"` // bytes, before the first call
	RSS     int64     `json:"rss"`       // after calls under as many sessions as the cache holds, and more
	Call    rig.Times `json:"call"`      // through the gateway, of random sessions

	Bytes     int64   `json:"bytes"` // the file, or what Redis uses
	Compacted int64   `json:"compacted_bytes"`
	Compact   float64 `json:"compact_s"`
}

// Curve is a whole measurement.
type Curve struct {
	When    time.Time      `json:"when"`
	Machine report.Machine `json:"machine"`
	Points  []Point        `json:"points"`
}

// Command measures what the arguments say.
func Command(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("bench scale", flag.ContinueOnError)
	sizes := flags.String("sizes", "1000,10000,100000,1000000", "how many sessions, growing")
	stores := flags.String("stores", "bbolt,redis", "which stores")
	binary := flags.String("gateway", "", "the gateway's `program`; without it: that of this tree")
	page := flags.Bool("markdown", false, "write the tables as a page has them")
	file := flags.String("json", "", "write the figures into this `file`, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	steps, err := growing(*sizes)
	if err != nil || flags.NArg() > 0 {
		return errors.Join(err, errors.New("write such as -sizes 1000,100000 -stores bbolt,redis"))
	}
	st, err := stage.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if *binary == "" {
		if *binary, err = st.Build(ctx); err != nil {
			return err
		}
	}
	curve := Curve{When: time.Now(), Machine: report.ThisMachine()}
	for name := range strings.SplitSeq(*stores, ",") {
		points, err := climb(ctx, st, *binary, name, steps, stdout)
		curve.Points = append(curve.Points, points...)
		if err != nil { // what was measured until then is not lost
			return errors.Join(err, curve.write(stdout, *page), rig.Save(*file, curve))
		}
	}
	return errors.Join(curve.write(stdout, *page), rig.Save(*file, curve))
}

func growing(list string) (sizes []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 100 || len(sizes) > 0 && n <= sizes[len(sizes)-1] {
			return nil, fmt.Errorf("%q is no size of 100 or more that grows", text)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// ascent is one store on its way up.
type ascent struct {
	shelf
	key      string
	issuer   string
	tickets  []string // as in a request's Cookie header
	sessions int      // that were put in so far, for names
}

// climb measures one store at each size, and tells of its progress.
func climb(ctx context.Context, st *stage.Stage, binary, name string, sizes []int, stdout io.Writer) (points []Point, err error) {
	kept, err := newShelf(ctx, st, name)
	if err != nil {
		return nil, err
	}
	defer kept.close()
	idp, err := rig.NewProvider(ctx, time.Hour)
	if err != nil {
		return nil, err
	}
	defer idp.Close()
	a := &ascent{shelf: kept, key: config.NewKey(), issuer: idp.URL}
	setting := rig.Setting{Binary: binary, Dir: st.Dir, Issuer: idp.URL, Store: kept.name(), Key: a.key, Upstream: st.Upstream}
	for _, size := range sizes {
		began := time.Now()
		p := Point{Store: name, Sessions: size}
		for _, step := range []func(context.Context, *Point) error{
			a.grow, a.atManager, func(ctx context.Context, p *Point) error { return a.atGateway(ctx, setting, p) }, a.rewrite,
		} {
			if err := step(ctx, &p); err != nil {
				return points, fmt.Errorf("%s, %d sessions: %w", name, size, err)
			}
		}
		points = append(points, p)
		if _, err := fmt.Fprintf(stdout, "%s, %s sessions: measured in %v, of it %.0f s to fill and %.0f s to write the file anew\n", name, report.Thousands(size), time.Since(began).Round(time.Second), p.Filled, p.Compact); err != nil {
			return points, err
		}
	}
	return points, nil
}

// grow puts in what is missing to the size, but for those who log in while it is measured.
func (a *ascent) grow(ctx context.Context, p *Point) error {
	began := time.Now()
	var tickets bytes.Buffer
	from, missing := a.sessions, p.Sessions-a.sessions-loginsAt(p.Sessions)
	f := fill.Filling{
		Keys: []string{a.key}, Issuer: a.issuer, Client: rig.Client, Sessions: missing,
		Grant: func(n int) session.Grant { return a.grant(from + n) },
	}
	err := a.fill(func(store string) error {
		f.Store = store
		return f.Run(ctx, &tickets)
	})
	if err != nil {
		return err
	}
	a.sessions += missing
	p.Filled = time.Since(began).Seconds()
	for line := range strings.Lines(tickets.String()) {
		a.tickets = append(a.tickets, strings.Clone(strings.TrimSuffix(line, "\n")))
	}
	return nil
}

// grant is as long as one of a provider with signed tokens. Each ten sessions are of a user.
func (a *ascent) grant(n int) session.Grant {
	g := rig.Grant(a.issuer, fmt.Sprintf("user-%07d", n/10), 24*time.Hour)
	g.ProviderSession = sid(n)
	return g
}

func sid(n int) string { return fmt.Sprintf("sid-%07d", n) }

// some are random tickets, each once.
func (a *ascent) some(n int) []string {
	n = min(n, len(a.tickets))
	picked := make(map[int]struct{}, n)
	for len(picked) < n {
		picked[rand.IntN(len(a.tickets))] = struct{}{} //nolint:gosec // Which one is no secret.
	}
	list := make([]string, 0, n)
	for i := range picked {
		list = append(list, a.tickets[i])
	}
	return list
}

// find returns a point; false if it was not measured.
func (c *Curve) find(store string, sessions int) (Point, bool) {
	i := slices.IndexFunc(c.Points, func(p Point) bool { return p.Store == store && p.Sessions == sessions })
	if i < 0 {
		return Point{}, false
	}
	return c.Points[i], true
}
