package scale

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/rig"
	"github.com/cloakroom-bff/cloakroom/session"
)

// How much is measured at each size.
const (
	loginWidth = 256   // who log in at a time
	lookups    = 5000  // sessions that memory has not
	signOuts   = 100   // at the provider
	swept      = 1000  // sessions that reach their limit at once
	mostLogins = 10000 // at one size
)

// loginsAt is how many of a size's sessions log in while it is measured.
func loginsAt(size int) int { return min(size/2, mostLogins) }

// atManager measures what needs no gateway around it.
func (a *ascent) atManager(ctx context.Context, p *Point) error {
	key, err := base64.StdEncoding.DecodeString(a.key)
	if err != nil {
		return err
	}
	ring, err := session.NewKeyring(key)
	if err != nil {
		return err
	}
	cfg := session.Config{Keys: ring, Refresher: rig.Nobody{}, SoleOwner: true, KeepTokens: true}
	for _, step := range []func(context.Context, session.Config, *Point) error{a.logIn, a.lookUp, a.signOut, a.sweep, count} {
		if err := a.with(ctx, cfg, p, step); err != nil {
			return err
		}
	}
	return nil
}

// with opens the store for a step, so that none finds in memory what another has left.
func (a *ascent) with(ctx context.Context, cfg session.Config, p *Point, step func(context.Context, session.Config, *Point) error) error {
	s, err := a.open()
	if err != nil {
		return err
	}
	cfg.Store = s
	return errors.Join(step(ctx, cfg, p), s.Close())
}

// count counts the sessions for the first time.
func count(ctx context.Context, cfg session.Config, p *Point) error {
	s, ok := cfg.Store.(session.Counted)
	if !ok {
		return errors.New("the store does not count")
	}
	began := time.Now()
	_, err := s.Count(ctx)
	p.Count = float64(time.Since(began).Microseconds()) / 1000
	return err
}

// logIn lets sessions begin, many at a time.
func (a *ascent) logIn(ctx context.Context, cfg session.Config, p *Point) error {
	m, err := session.New(cfg)
	if err != nil {
		return err
	}
	n := loginsAt(p.Sessions)
	took, tickets := make([]time.Duration, n), make([]string, n)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range loginWidth {
		all.Go(func() {
			for i := int(next.Add(1) - 1); i < n && failed.Load() == nil; i = int(next.Add(1) - 1) {
				at := time.Now()
				_, ticket, err := m.Begin(ctx, session.Start{Grant: a.grant(a.sessions + i)})
				if err != nil {
					failed.Store(&err)
					return
				}
				took[i], tickets[i] = time.Since(at), "cloakroom="+ticket
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	p.Logins, p.Login = float64(n)/time.Since(began).Seconds(), rig.TimesOf(took)
	a.sessions += n
	a.tickets = append(a.tickets, tickets...)
	return nil
}

// lookUp opens tickets that memory has not, and then one that it has.
func (a *ascent) lookUp(ctx context.Context, cfg session.Config, p *Point) error {
	m, err := session.New(cfg)
	if err != nil {
		return err
	}
	var took []time.Duration
	ticket := ""
	for _, cookie := range a.some(lookups) {
		_, ticket, _ = strings.Cut(cookie, "=")
		began := time.Now()
		if _, err := m.Open(ctx, ticket); err != nil && !errors.As(err, new(*session.EndedError)) {
			return err
		}
		took = append(took, time.Since(began))
	}
	p.Cold = rig.TimesOf(took)
	running, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer end()
	if err := linked(running, cfg.Store, &all); err != nil {
		return err
	}
	const again = 100_000
	began := time.Now()
	for range again {
		if _, err := m.Open(ctx, ticket); err != nil && !errors.As(err, new(*session.EndedError)) {
			return err
		}
	}
	p.Warm = float64(time.Since(began).Nanoseconds()) / again / 1000
	return nil
}

// linked runs a shared store until ctx ends, and waits until it tells of what others change:
// until then, memory asks.
func linked(ctx context.Context, s session.Store, all *sync.WaitGroup) error {
	shared, ok := s.(interface {
		session.Shared
		Run(ctx context.Context) error
	})
	if !ok {
		return nil
	}
	all.Go(func() { _ = shared.Run(ctx) }) // it returns nil
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 1000 {
		if shared.Linked() {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the store does not tell of changes")
}

// signOut ends sessions by their name at the provider, one after the other.
func (a *ascent) signOut(ctx context.Context, cfg session.Config, p *Point) error {
	m, err := session.New(cfg)
	if err != nil {
		return err
	}
	var took []time.Duration
	ended := 0
	for range signOuts {
		out := session.Word{Issuer: a.issuer, ProviderSession: sid(rand.IntN(a.sessions)), At: time.Now().Truncate(time.Second)} //nolint:gosec // Which one is no secret.
		began := time.Now()
		n, err := m.SignedOut(ctx, out, session.ByProvider)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		ended += n
	}
	if ended == 0 {
		return errors.New("nobody was signed out")
	}
	p.End = rig.TimesOf(took)
	return nil
}

// sweepWithin is how long a sweep may take.
const sweepWithin = time.Minute

// sweep makes sessions that nobody has used for too long, and waits until they are ended.
func (a *ascent) sweep(ctx context.Context, cfg session.Config, p *Point) error {
	ctx, stop := context.WithTimeout(ctx, sweepWithin)
	defer stop()
	past := cfg
	past.Now = func() time.Time { return time.Now().Add(-9 * time.Hour) }
	m, err := session.New(past)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	failures := make([]error, 50)
	for w := range failures {
		all.Go(func() {
			for i := w; i < swept && failures[w] == nil; i += len(failures) {
				_, _, failures[w] = m.Begin(ctx, session.Start{Grant: rig.Grant(a.issuer, fmt.Sprintf("idle-%d", i), time.Hour)})
			}
		})
	}
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if m, err = session.New(cfg); err != nil {
		return err
	}
	running, end := context.WithCancel(ctx)
	defer all.Wait()
	defer end()
	began := time.Now()
	all.Go(func() { _ = m.Run(running) }) // it returns nil
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		due, err := cfg.Store.Due(ctx, time.Now(), 1)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			p.Sweep = swept / time.Since(began).Seconds()
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the sweep takes too long: %w", ctx.Err())
		}
	}
}
