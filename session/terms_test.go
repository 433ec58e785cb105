package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// reconfigure changes what a running manager works by.
func (r *room) reconfigure(change func(*session.Config)) {
	r.t.Helper()
	change(&r.config)
	if err := r.Reconfigure(r.config); err != nil {
		r.t.Fatal(err)
	}
}

func TestNewLimitsCountForTheSessionsThatAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, early := r.signIn()
		r.reconfigure(func(c *session.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Hour, 3*time.Hour })
		time.Sleep(time.Hour)
		s, err := r.Open(t.Context(), early)
		if err != nil {
			t.Fatal(err)
		}
		if idle, absolute := s.Limits(); idle > 2*time.Hour || absolute != 167*time.Hour {
			t.Errorf("%v and %v are left, want two hours and the old absolute limit", idle, absolute)
		}
		late, _ := r.signIn()
		if _, absolute := late.Limits(); absolute != 3*time.Hour {
			t.Errorf("a session that begins now has %v", absolute)
		}
		time.Sleep(2*time.Hour + time.Minute)
		if _, err := r.Open(t.Context(), early); reason(t, err) != session.IdleLimit {
			t.Errorf("after two hours without use: %v", err)
		}
	})
}

func TestAnotherProviderClientRefreshesFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		old, other := r.provider, &provider{lifetime: time.Minute}
		old.set(func(p *provider) { p.delay = 5 * time.Second })
		done := make(chan error)
		go func() { done <- s.Refresh(t.Context()) }()
		synctest.Wait()
		r.reconfigure(func(c *session.Config) { c.Refresher = other })
		if err := <-done; err != nil {
			t.Errorf("a refresh that was under way: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := old.counts(); n != 1 {
			t.Errorf("the old client has refreshed %d times", n)
		}
		if n, _, _ := other.counts(); n != 1 {
			t.Errorf("the new client has refreshed %d times", n)
		}
	})
}

func TestTheRateOfRefreshesChangesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Rate = 0.1 })
		begin := time.Now()
		admit := func() {
			t.Helper()
			if err := r.AdmitLogin(t.Context(), "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
		}
		admit()
		r.reconfigure(func(c *session.Config) { c.Rate = 100 })
		for range 10 {
			admit()
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("ten logins at the new rate took %v", took)
		}
	})
}

func TestAConfigurationThatIsRefusedChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		bad := r.config
		bad.Keys, bad.Wait = ring(t, 9), -time.Second
		if err := r.Reconfigure(bad); err == nil {
			t.Error("a negative duration was taken")
		}
		bad.Keys, bad.Wait = nil, 0
		if err := r.Reconfigure(bad); err == nil {
			t.Error("no keys were taken")
		}
		if err := r.SetKeys(nil); err == nil {
			t.Error("no keyring was taken")
		}
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
}

func TestAListOfSessionsKnowsTheKeysOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.CacheBytes = 1 })
		setKeys(t, r.Manager, 2, 1)
		s, _, err := r.under(t, 2).Begin(t.Context(), session.Start{Grant: r.grant()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Look(t.Context(), s.ID()); err != nil {
			t.Errorf("a session under the new key: %v", err)
		}
		if _, err := r.Look(t.Context(), session.ID{1}); !errors.Is(err, session.ErrNoSession) {
			t.Error(err)
		}
	})
}

// under makes another process on the same store, with a key of its own.
func (r *room) under(t *testing.T, key byte) *session.Manager {
	t.Helper()
	cfg := r.config
	cfg.Keys = ring(t, key)
	m, err := session.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
