package session_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// shelf is a memory that several processes share. Each has its own view of it.
type shelf struct {
	*memory
	mu    sync.Mutex
	views []*view // guarded by mu
	skew  time.Duration
}

// view is one process's side of a shelf.
type view struct {
	*shelf
	changed func(session.ID)
	unlink  atomic.Bool // no notices arrive
	away    atomic.Bool // nothing is answered
	blind   atomic.Bool // nothing can be read
	loads   atomic.Int64
}

var errAway = errors.New("connection refused")

func (sh *shelf) view() *view {
	v := &view{shelf: sh}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.views = append(sh.views, v)
	return v
}

func (v *view) Notify(changed func(session.ID)) { v.changed = changed }
func (v *view) Linked() bool                    { return !v.unlink.Load() && !v.away.Load() }

func (v *view) Now(context.Context) (time.Time, error) {
	if v.away.Load() {
		return time.Time{}, errAway
	}
	return time.Now().Add(v.skew), nil
}

func (v *view) Load(ctx context.Context, id session.ID) (session.Record, error) {
	v.loads.Add(1)
	if v.away.Load() || v.blind.Load() {
		return session.Record{}, errAway
	}
	return v.memory.Load(ctx, id)
}

func (v *view) Replace(ctx context.Context, r session.Record) error {
	if v.away.Load() {
		return errAway
	}
	err := v.memory.Replace(ctx, r)
	if err == nil {
		v.shelf.mu.Lock()
		defer v.shelf.mu.Unlock()
		for _, other := range v.views {
			if other.changed != nil && other.Linked() {
				other.changed(r.ID)
			}
		}
	}
	return err
}

// replica is one process.
type replica struct {
	*session.Manager
	view *view
}

func replicas(t *testing.T, n int) (*room, []replica) {
	t.Helper()
	sh := &shelf{memory: newMemory()}
	r := &room{t: t, store: sh.memory, provider: &provider{lifetime: time.Minute}}
	var all []replica
	for range n {
		v := sh.view()
		m, err := session.New(session.Config{Store: v, Keys: ring(t, 1), Refresher: r.provider, CacheBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() {
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(func() { stop(); run.Wait() })
		all = append(all, replica{m, v})
	}
	r.Manager = all[0].Manager
	return r, all
}

func TestAHotSessionCostsNoRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		_, ticket := r.signIn()
		if _, err := all[1].Open(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		before := all[1].view.loads.Load()
		for range 1000 {
			s, err := all[1].Open(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := all[1].view.loads.Load() - before; n != 0 {
			t.Errorf("%d round trips", n)
		}
	})
}

func TestAnEndElsewhereIsSeenAtOnceAndClosesStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		stream := there.Done()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !closed(stream) {
			t.Error("the stream on the other process is open")
		}
		_, err = all[1].Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

func TestANoticeDuringTheFirstReadIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		r.store.during("Load", func() {
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Error(err)
			}
		})
		_, _ = all[1].Open(t.Context(), ticket) // what it saw was true when it was read
		_, err := all[1].Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

func TestWithoutNoticesEveryRequestAsksTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		if _, err := all[1].Open(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		all[1].view.unlink.Store(true)
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		_, err := all[1].Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

func TestABrokenLinkPutsEverythingInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		stream := there.Done()
		all[1].view.unlink.Store(true)
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		all[1].view.unlink.Store(false)
		all[1].view.changed(session.ID{}) // the link is back, and has missed something
		synctest.Wait()
		if !closed(stream) {
			t.Error("the stream is open")
		}
		_, err = all[1].Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

func TestMemoryStandsInForAStoreThatIsAwayForTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 1)
		_, ticket := r.signIn()
		all[0].view.away.Store(true)
		for range 99 {
			s, err := r.Open(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		_, err := r.Open(t.Context(), ticket)
		if _, away := errors.AsType[*session.StoreError](err); !away {
			t.Fatalf("after the grace: %v, want a StoreError", err)
		}
		all[0].view.away.Store(false)
		time.Sleep(300 * time.Millisecond)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Errorf("the store is back: %v", err)
		}
		all[0].view.away.Store(true)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Errorf("the next outage has a grace of its own: %v", err)
		}
	})
}

func TestWhatIsKnownToHaveChangedIsNotServedFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		if _, err := all[1].Open(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		all[1].view.away.Store(true)
		_, err := all[1].Open(t.Context(), ticket)
		if _, away := errors.AsType[*session.StoreError](err); !away {
			t.Errorf("got %v, want a StoreError", err)
		}
	})
}

func TestLeasesRunByTheStoresClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		r.provider.delay = 3 * time.Second
		all[0].view.skew = time.Hour // the store's clock, for both
		s, ticket := r.signIn()
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		var both sync.WaitGroup
		for _, s := range []*session.Session{s, there} {
			both.Go(func() {
				if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-1" {
					t.Errorf("got %q, %v", at.Token.Reveal(), err)
				}
			})
			synctest.Wait()
			if a := s.State().Attempt; a != nil && a.Until.Before(time.Now().Add(time.Hour)) {
				t.Error("the lease runs by the process's own clock")
			}
		}
		both.Wait()
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestAProviderThatIsDownIsAskedByFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient}
		}
		var all []*session.Session
		for range 500 {
			s, _ := r.signIn()
			all = append(all, s)
		}
		time.Sleep(2 * time.Minute)
		for range 60 {
			for _, s := range all {
				if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		if n, _, _ := r.provider.counts(); n > 50 {
			t.Errorf("%d attempts in a minute by 500 sessions", n)
		}
		r.provider.set(func(p *provider) { p.answer = nil })
		time.Sleep(5 * time.Second)
		if _, err := all[0].Token(t.Context(), session.Target{}); err != nil { // the probe
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		for _, s := range all {
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatalf("ten seconds after the outage: %v", err)
			}
		}
	})
}

func TestTheBudgetServesWhoHasNoTokenFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Rate = 20 })
		var all []*session.Session
		for range 100 {
			s, _ := r.signIn()
			all = append(all, s)
		}
		time.Sleep(55 * time.Second) // due, and good for some seconds yet
		for range 3 {
			for _, s := range all {
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		if n, _, _ := r.provider.counts(); n > 20 {
			t.Errorf("%d presentations at once", n)
		}
		time.Sleep(time.Minute)
		var wait sync.WaitGroup
		began := time.Now()
		for _, s := range all {
			wait.Go(func() {
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if took := time.Since(began); took < 3*time.Second || took > 6*time.Second {
			t.Errorf("100 that have no token took %v at 20 a second", took)
		}
	})
}
