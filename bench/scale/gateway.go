package scale

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/rig"
)

// How the gateway is used at each size.
const (
	warmCalls = 30_000 // under different sessions: more than the cache keeps
	callRate  = 300    // a second, while calls are timed
	callFor   = 10 * time.Second
)

// atGateway starts a gateway on the store, calls through it, and kills it.
func (a *ascent) atGateway(ctx context.Context, setting rig.Setting, p *Point) (err error) {
	if p.Bytes, err = a.size(ctx); err != nil {
		return err
	}
	g, err := rig.Start(ctx, setting)
	if err != nil {
		return err
	}
	defer func() { g.Stop() }()
	p.Ready = g.Ready.Seconds() * 1000
	held, err := g.Held(ctx)
	if err != nil {
		return err
	}
	p.Idle = held.RSS
	if err := a.call(ctx, g, p); err != nil {
		return err
	}
	if held, err = g.Held(ctx); err != nil {
		return err
	}
	p.RSS = held.RSS
	if err := g.Kill(); err != nil {
		return err
	}
	if g, err = rig.Start(ctx, setting); err != nil {
		return err
	}
	p.Crashed = g.Ready.Seconds() * 1000
	return nil
}

// call warms the gateway up, and times calls of random sessions.
func (a *ascent) call(ctx context.Context, g *rig.Gateway, p *Point) error {
	caller := g.Caller("/api/1k")
	defer caller.Close()
	warm := a.some(warmCalls)
	for len(warm) < warmCalls {
		warm = append(warm, a.some(warmCalls-len(warm))...)
	}
	for _, c := range caller.Each(ctx, 16, warm) {
		if c.Status != http.StatusOK && c.Status != http.StatusUnauthorized { // some were signed out
			return fmt.Errorf("a call got %d: %w", c.Status, errors.Join(c.Err, ctx.Err()))
		}
	}
	calls := caller.Steadily(ctx, callRate, callFor, func() string { return a.tickets[rand.IntN(len(a.tickets))] }) //nolint:gosec // Which one is no secret.
	took := rig.Took(calls, http.StatusOK)
	if len(took) < len(calls)*3/4 {
		return fmt.Errorf("only %d of %d calls succeeded", len(took), len(calls))
	}
	p.Call = rig.TimesOf(took)
	p.Call.P99 = float64(rig.Typical(calls).Nanoseconds()) / 1000
	return nil
}
