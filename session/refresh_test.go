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

func TestParallelRequestsPresentTheRefreshTokenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 3 * time.Second
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				at, err := s.Token(t.Context(), session.Target{})
				if err != nil || at.Token != "at-1" {
					t.Errorf("got %q, %v", at.Token.Reveal(), err)
				}
			})
		}
		all.Wait()
		if n, most, _ := r.provider.counts(); n != 1 || most != 1 {
			t.Errorf("%d presentations, %d at once", n, most)
		}
	})
}

func TestALeavingClientCancelsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 3 * time.Second
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := s.Token(ctx, session.Target{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the client stayed: %v", err)
		}
		time.Sleep(3 * time.Second)
		r.halt()
		r.start() // another process finds what the client did not wait for
		s, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-1" {
			t.Errorf("got %q, %v", at.Token.Reveal(), err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestBeforeExpiryTheRefreshRunsBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 5 * time.Second
		s, _ := r.signIn()
		time.Sleep(47 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := r.provider.counts(); n != 0 {
			t.Fatal("refreshed before the window")
		}
		time.Sleep(4 * time.Second)
		began := time.Now()
		for range 10 {
			at, err := s.Token(t.Context(), session.Target{})
			if err != nil || at.Token != "at-0" {
				t.Fatalf("got %q, %v", at.Token.Reveal(), err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a request waited %v", waited)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		at, err := s.Token(t.Context(), session.Target{})
		if err != nil || at.Token != "at-1" {
			t.Errorf("after the flight: %q, %v", at.Token.Reveal(), err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestTokensThatLiveShortlyAreRefreshedAboutOncePerLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.lifetime = 10 * time.Second
		s, _ := r.signIn()
		for range 1000 {
			at, err := s.Token(t.Context(), session.Target{})
			if err != nil || !time.Now().Before(at.Expiry) {
				t.Fatalf("%v, %v left", err, time.Until(at.Expiry))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n, _, _ := r.provider.counts(); n < 9 || n > 13 {
			t.Errorf("%d refreshes in ten lifetimes", n)
		}
	})
}

func TestRefreshOnRequestIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			var slow *session.ThrottledError
			if err := s.Refresh(t.Context()); !errors.As(err, &slow) || slow.RetryAfter <= 0 {
				t.Fatalf("got %v", err)
			}
		}
		time.Sleep(5 * time.Second)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := r.provider.counts(); n != 2 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestNobodyWaitsForAFlightForLongerThanConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Wait, c.Exchange = 2*time.Second, time.Minute })
		r.provider.delay = 30 * time.Second
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		for _, ask := range []func() error{
			func() error { _, err := s.Token(t.Context(), session.Target{}); return err },
			func() error { return s.Refresh(t.Context()) },
		} {
			began := time.Now()
			err := ask()
			if class(t, err) != session.Transient {
				t.Error(err)
			}
			if waited := time.Since(began); waited != 2*time.Second {
				t.Errorf("waited %v", waited)
			}
		}
		time.Sleep(27 * time.Second)
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-1" {
			t.Errorf("after the flight: %q, %v", at.Token.Reveal(), err)
		}
	})
}

func TestOneCallOfTheProviderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Exchange, c.Wait = 3*time.Second, time.Minute })
		r.provider.delay = time.Hour
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		began := time.Now()
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Unknown {
			t.Error(err)
		}
		if waited := time.Since(began); waited != 6*time.Second {
			t.Errorf("the provider had %v for two calls", waited)
		}
	})
}
