// Package soak lets browsers use a gateway for an hour, and fails where it holds more and
// more: memory, goroutines, file descriptors, or the store's file.
//
//	browser: login ─▶ calls, over refreshes ─▶ WebSocket and event stream ─▶ logout, or nothing
//	   ▲                                                                          │
//	   └──────────────────────────────────────────────────────────────────────────┘
package soak

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/report"
	"github.com/cloakroom-bff/cloakroom/bench/rig"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// Sample is what the gateway held at one moment, and what had been done by then.
type Sample struct {
	At time.Duration `json:"at_ns"`
	rig.Held
	File int64 `json:"file"` // bytes
	Done
}

// Done counts what the browsers have done.
type Done struct {
	Logins  int64 `json:"logins"`
	Calls   int64 `json:"calls"`
	Streams int64 `json:"streams"`
	Logouts int64 `json:"logouts"`
}

// Hour is a whole measurement.
type Hour struct {
	When      time.Time      `json:"when"`
	Machine   report.Machine `json:"machine"`
	Samples   []Sample       `json:"samples"`
	Refreshes int            `json:"refreshes"`
}

// plan is what is done.
type plan struct {
	lasts    time.Duration
	browsers int
	binary   string
	file     string
}

// Command measures what the arguments say, and fails where something grows.
func Command(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	var p plan
	flags.DurationVar(&p.lasts, "for", time.Hour, "how long")
	flags.IntVar(&p.browsers, "browsers", 24, "how many browsers at a time")
	flags.StringVar(&p.binary, "gateway", "", "the gateway's `program`; without it: that of this tree")
	flags.StringVar(&p.file, "json", "", "write the figures into this `file`, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || p.lasts < 20*time.Second || p.browsers < 1 {
		return errors.New("write such as -for 1h -browsers 24; 20s at least")
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
	h, err := p.run(ctx, st)
	if err != nil {
		return err
	}
	if err := h.WriteText(stdout); err != nil {
		return err
	}
	return errors.Join(rig.Save(p.file, h), h.flat())
}

// tokenLife makes each browser refresh many times in its life.
const tokenLife = 5 * time.Second

func (p plan) run(ctx context.Context, st *stage.Stage) (*Hour, error) {
	var idp *devidp.Server
	store := filepath.Join(st.Dir, "soak.db")
	g, err := rig.Start(ctx, rig.Setting{
		Binary: p.binary, Dir: st.Dir, Store: "bolt:" + store, Key: config.NewKey(), Upstream: st.Upstream,
		Session: "idle_timeout: 30s, absolute_timeout: 10m, refresh: {rate: 1000/s}",
		Provide: func(origin string) (string, error) { //nolint:contextcheck // Close ends it
			var err error
			idp, err = devidp.Listen(devidp.Config{
				Clients: []devidp.Client{{ID: rig.Client, Secret: rig.Secret, RedirectURIs: []string{origin + "/bff/callback"}}},
				Knobs:   devidp.Knobs{AccessTokenTTL: tokenLife},
			})
			if err != nil {
				return "", err
			}
			return idp.URL, nil
		},
	})
	if idp != nil {
		defer idp.Close()
	}
	if err != nil {
		return nil, err
	}
	defer g.Stop()
	h := &Hour{When: time.Now(), Machine: report.ThisMachine()}
	if err := p.live(ctx, g, store, h); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, g.Logged())
	}
	h.Refreshes = idp.Stats().Refreshes
	return h, ctx.Err()
}

// live lets the browsers go on, and takes samples meanwhile.
func (p plan) live(ctx context.Context, g *rig.Gateway, store string, h *Hour) error {
	lasting, end := context.WithTimeout(ctx, p.lasts)
	defer end()
	var done tally
	failures := make([]error, p.browsers)
	var all sync.WaitGroup
	for i := range failures {
		all.Go(func() {
			if failures[i] = (&browser{origin: g.Origin, done: &done}).live(lasting); failures[i] != nil {
				end()
			}
		})
	}
	defer all.Wait()
	defer end()
	tick := time.NewTicker(max(p.lasts/600, time.Second/2))
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-tick.C:
		case <-lasting.Done():
			all.Wait()
			return errors.Join(failures...)
		}
		held, err := g.Held(ctx)
		if err != nil {
			return err
		}
		info, err := os.Stat(store)
		if err != nil {
			return err
		}
		h.Samples = append(h.Samples, Sample{At: time.Since(began), Held: held, File: info.Size(), Done: done.now()})
	}
}

// tally is Done while it is counted.
type tally struct{ logins, calls, streams, logouts atomic.Int64 }

func (t *tally) now() Done {
	return Done{t.logins.Load(), t.calls.Load(), t.streams.Load(), t.logouts.Load()}
}

// WriteText writes a sample of each tenth of the time.
func (h *Hour) WriteText(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%9s %8s %9s %9s %11s %6s %9s %8s %8s\n", "", "RSS MiB", "heap MiB", "file MiB", "goroutines", "files", "calls", "logins", "streams")
	for i := 0; i < len(h.Samples); i += max(len(h.Samples)/10, 1) {
		s := h.Samples[i]
		fmt.Fprintf(&text, "%9v %8d %9d %9d %11d %6d %9d %8d %8d\n", s.At.Round(time.Second), s.RSS>>20, s.Heap>>20, s.File>>20, s.Goroutines, s.Files, s.Calls, s.Logins, s.Streams)
	}
	fmt.Fprintf(&text, "%d refreshes\n", h.Refreshes)
	_, err := io.WriteString(w, text.String())
	return err
}
