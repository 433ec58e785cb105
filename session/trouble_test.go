package session_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestAnOutageLogsNobodyOut(t *testing.T) {
	for _, class := range []session.Class{session.Transient, session.Operator, session.Unknown} {
		t.Run(class.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
					return nil, &session.RefreshError{Class: class, Err: errors.New("down")}
				}
				s, ticket := r.signIn()
				time.Sleep(55 * time.Second)
				if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
					t.Fatalf("a token that holds was not used: %v", err)
				}
				for range 600 { // ten minutes, a request each second
					time.Sleep(time.Second)
					at, err := s.Token(t.Context(), session.Target{})
					if err == nil && at.Token == "at-0" && at.Holds(time.Now()) {
						continue
					}
					var failed *session.RefreshError
					if !errors.As(err, &failed) || failed.Class != class || failed.RetryAfter < time.Second {
						t.Fatalf("got %v", err)
					}
				}
				if n, _, _ := r.provider.counts(); n > 250 {
					t.Errorf("%d attempts in ten minutes", n)
				}
				r.provider.set(func(p *provider) { p.answer = nil })
				time.Sleep(5 * time.Second)
				s, err := r.Open(t.Context(), ticket)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Errorf("after the outage: %v", err)
				}
			})
		})
	}
}

func TestManyWhoWaitCauseOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = time.Second
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient, RetryAfter: 30 * time.Second}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
					t.Error(err)
				}
			})
		}
		all.Wait()
		time.Sleep(28 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
			t.Error(err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d attempts, and the provider had asked for thirty seconds", n)
		}
	})
}

func TestAPlainRefusalEndsTheSessionOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends int
		r := open(t, func(c *session.Config) {
			c.Observe = func(e session.Event) {
				if e.Kind == session.Ended {
					ends++
				}
			}
		})
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Refused, Code: "invalid_grant"}
		}
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		for range 3 {
			_, err := s.Token(t.Context(), session.Target{})
			if reason(t, err) != session.TokenRefused {
				t.Error(err)
			}
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.TokenRefused {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		n, _, revoked := r.provider.counts()
		if n != 1 || ends != 1 || len(revoked) != 0 {
			t.Errorf("%d presentations, %d ends, revoked %d", n, ends, len(revoked))
		}
	})
}

func TestAfterAnInteractionOnlyARequestForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Interaction, Demand: map[string]string{"acr_values": "mfa"}}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		for range 10 {
			time.Sleep(time.Minute)
			_, err := s.Token(t.Context(), session.Target{})
			var failed *session.RefreshError
			if !errors.As(err, &failed) || failed.Class != session.Interaction || failed.Demand["acr_values"] != "mfa" {
				t.Fatalf("got %v", err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
		r.provider.set(func(p *provider) { p.answer = nil })
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The first waiter has looked at the session before the flight failed, and comes for a
// flight of its own when it has.
func TestABackOffHoldsForWhoLookedBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		r.provider.delay = time.Second
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient, RetryAfter: time.Minute}
		}
		a, b := r.two()
		time.Sleep(2 * time.Minute)
		// b has not heard of the trouble when its flight begins, and waits for the lease.
		var all sync.WaitGroup
		for _, s := range []*session.Session{a, b} {
			all.Go(func() {
				if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestTroubleOutlivesARestart(t *testing.T) {
	for _, row := range []struct {
		class session.Class
		wait  time.Duration // and one that asks at this time causes so many presentations
		n     int
	}{
		{session.Transient, 30 * time.Second, 1},
		{session.Transient, 61 * time.Second, 2},
		{session.Operator, 30 * time.Second, 1},
		{session.Interaction, time.Hour, 1},
	} {
		t.Run(row.class.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				demand := map[string]string{"acr_values": "mfa"}
				r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
					return nil, &session.RefreshError{Class: row.class, RetryAfter: time.Minute, Demand: demand}
				}
				s, ticket := r.signIn()
				time.Sleep(2 * time.Minute)
				if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != row.class {
					t.Error(err)
				}
				r.halt()
				r.start()
				time.Sleep(row.wait)
				s, err := r.Open(t.Context(), ticket)
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Token(t.Context(), session.Target{})
				var failed *session.RefreshError
				if !errors.As(err, &failed) || failed.Class != row.class || failed.Demand["acr_values"] != "mfa" {
					t.Errorf("got %v", err)
				}
				if n, _, _ := r.provider.counts(); n != row.n {
					t.Errorf("%d presentations", n)
				}
			})
		})
	}
}

func TestAGoodRefreshEndsTheTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n%2 == 1 {
				return nil, &session.RefreshError{Class: session.Transient}
			}
			return r.provider.good(n), nil
		}
		s, ticket := r.signIn()
		for range 5 {
			time.Sleep(2 * time.Minute)
			if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
				t.Error(err)
			}
			if failures := s.State().Trouble.Failures; failures != 1 {
				t.Errorf("%d failures in a row", failures)
			}
			time.Sleep(time.Second)
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Error(err)
			}
		}
		if r.read(ticket).Trouble != nil {
			t.Error("the trouble is over, and noted still")
		}
	})
}

// An hour's wait that was written before somebody set the clock back by an hour.
func TestAClockThatIsSetBackBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{at: time.Now()}
		r := open(t, func(cfg *session.Config) { cfg.Now = c.now })
		r.store.now = c.now
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient, RetryAfter: 4 * time.Minute}
		}
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); class(t, err) != session.Transient {
			t.Fatal(err)
		}
		r.provider.set(func(p *provider) { p.answer = nil })
		c.turn(-time.Hour)
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		c.turn(-time.Hour)
		seen := s.Seen()
		s.Touch()
		if s.Seen().Before(seen) {
			t.Error("activity moved back")
		}
	})
}

func TestABackOffGrowsAndHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		for n := 1; n <= 20; n++ {
			if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
				t.Fatal(err)
			}
			most := min(time.Second/2<<min(n-1, 10), 5*time.Second)
			wait := time.Until(s.State().Trouble.NotBefore)
			if wait < most/2 || wait > most {
				t.Errorf("after %d failures: %v", n, wait)
			}
			time.Sleep(5 * time.Second) // the breaker's longest pause, too
		}
		// A provider that asks for an hour is left alone for five minutes.
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Transient, RetryAfter: time.Hour}
			}
		})
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
			t.Fatal(err)
		}
		if wait := time.Until(s.State().Trouble.NotBefore); wait != 5*time.Minute {
			t.Errorf("left alone for %v", wait)
		}
	})
}

func TestAnAnswerWithoutAnythingIsAFailure(t *testing.T) {
	for _, renewal := range []*session.Renewal{nil, {RefreshToken: "rt-1"}} {
		synctest.Test(t, func(t *testing.T) {
			r := open(t, nil)
			r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) { return renewal, nil }
			s, _ := r.signIn()
			time.Sleep(2 * time.Minute)
			if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
				t.Error(err)
			}
			if got := s.State().Grant.RefreshToken; renewal != nil && got != "rt-1" {
				t.Errorf("the record holds %q", got.Reveal())
			}
		})
	}
}

func TestAnErrorOfAnotherKindIsTransient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) { return nil, errors.New("no idea") }
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
			t.Error(err)
		}
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
}

func TestADenialEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Denied, Code: "access_denied"}
		}
		s, ticket := r.signIn()
		// Though the access token still holds: the provider has said no.
		if err := s.Refresh(t.Context()); reason(t, err) != session.AccessDenied {
			t.Error(err)
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.AccessDenied {
			t.Error(err)
		}
	})
}
