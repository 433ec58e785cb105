package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// countedStore says how many records it has that are due some time.
type countedStore struct {
	*memory
	err error
}

func (s countedStore) Count(ctx context.Context) (int, error) {
	n := 0
	for _, err := range s.Scan(ctx) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, s.err
}

func TestThoseWhoWaitForARefreshAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.set(func(p *provider) { p.delay = 5 * time.Second })
		s, _ := r.signIn()
		time.Sleep(time.Minute)
		var all sync.WaitGroup
		for range 7 {
			all.Go(func() { _, _ = s.Token(t.Context(), session.Target{}) })
		}
		synctest.Wait()
		if c := r.Counts(); c.Waiting != 7 || c.Flights != 1 {
			t.Errorf("%d wait for %d flights, want 7 for one", c.Waiting, c.Flights)
		}
		all.Wait()
		synctest.Wait()
		if c := r.Counts(); c.Waiting != 0 || c.Flights != 0 {
			t.Errorf("afterwards %d wait for %d flights", c.Waiting, c.Flights)
		}
	})
}

func TestALeaseWhoseHolderIsGoneCountsAsTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		r.provider.set(func(p *provider) { p.delay = time.Hour })
		time.Sleep(time.Minute)
		go func() { _, _ = s.Token(t.Context(), session.Target{}) }()
		synctest.Wait() // it has the lease, and would wait for ever
		r.provider.set(func(p *provider) { p.delay = 0 })
		next := r.other()
		if c := next.Counts(); c.TakenOver != 0 {
			t.Fatalf("%d leases taken over by a process that has done nothing", c.TakenOver)
		}
		heir, err := next.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := heir.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if c := next.Counts(); c.TakenOver != 1 {
			t.Errorf("%d leases taken over, want one", c.TakenOver)
		}
		if err := r.Close(t.Context()); err != nil { // the first one's answer never comes
			t.Error(err)
		}
	})
}

func TestASessionInMemoryIsAHit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		m := r.other()
		for range 4 {
			if _, err := m.Open(t.Context(), ticket); err != nil {
				t.Fatal(err)
			}
		}
		if c := m.Counts(); c.Hits != 3 || c.Misses != 1 {
			t.Errorf("%d hits and %d misses, want 3 and one", c.Hits, c.Misses)
		}
	})
}

func TestWhatTheBudgetDecidesIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Rate, c.Wait = 1, 1500*time.Millisecond })
		r.provider.set(func(p *provider) { p.lifetime = time.Hour })
		grant := r.grant()
		grant.Access = nil // so that each of them has to ask
		var all sync.WaitGroup
		for range 3 {
			s, _, err := r.Begin(t.Context(), session.Start{Grant: grant})
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() { _, _ = s.Token(t.Context(), session.Target{}) })
		}
		synctest.Wait()
		if b := r.Counts().Budget; b.AtOnce != 1 || b.InLine != 1 {
			t.Errorf("at first %+v", b)
		}
		all.Wait()
		time.Sleep(time.Minute)
		if b := r.Counts().Budget; b != (session.BudgetCounts{AtOnce: 1, Waited: 1, GaveUp: 1}) {
			t.Errorf("in the end %+v", b)
		}
	})
}

func TestABreakerThatIsOpenIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Operator, Code: "invalid_client"}
			}
		})
		time.Sleep(time.Minute)
		if r.Counts().BreakerOpen {
			t.Error("the breaker is open before anything has failed")
		}
		_, _ = s.Token(t.Context(), session.Target{})
		if !r.Counts().BreakerOpen {
			t.Error("the breaker is closed though the provider does not know us")
		}
	})
}

func TestLiveSessionsAreCountedByTheStore(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		err  error
		want int
	}{
		{"a store that counts", nil, 2},
		{"a store that is away", errors.New("away"), -1},
		{"a store behind which none counts", errors.ErrUnsupported, -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := open(t, func(c *session.Config) { c.Store = countedStore{newMemory(), row.err} })
				r.provider.set(func(p *provider) { p.revokeFail = errors.New("the provider is away") })
				r.signIn()
				r.signIn()
				gone, _ := r.signIn()
				if err := gone.End(t.Context(), session.LoggedOut); err != nil {
					t.Fatal(err)
				}
				time.Sleep(11 * time.Second) // the second count was a second ago
				if n := r.Counts().Live; n != row.want {
					t.Errorf("%d live sessions, want %d", n, row.want)
				}
			})
		})
	}
}
