package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestASessionEndsAtTheVeryMomentOfItsLimit(t *testing.T) {
	for _, row := range []struct {
		why            session.Reason
		idle, absolute time.Duration
	}{
		{session.IdleLimit, time.Hour, 24 * time.Hour},
		{session.AbsoluteLimit, 24 * time.Hour, time.Hour},
	} {
		t.Run(string(row.why), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, func(c *session.Config) { c.IdleTimeout, c.AbsoluteTimeout = row.idle, row.absolute })
				r.halt() // nobody else ends it
				s, ticket := r.signIn()
				time.Sleep(time.Hour - 1)
				if _, err := r.Open(t.Context(), ticket); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Nanosecond)
				_, err := r.Open(t.Context(), ticket)
				if reason(t, err) != row.why {
					t.Error(err)
				}
				if idle, absolute := s.Limits(); idle != 0 || absolute != 0 {
					t.Errorf("left: %v, %v", idle, absolute)
				}
			})
		})
	}
}

func TestWhoHoldsASessionGetsNoTokenBeyondItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout, c.BeforeExpiry = time.Hour, time.Second })
		r.provider.lifetime = 3 * time.Hour
		r.halt() // nobody else ends it
		s, _ := r.signIn()
		time.Sleep(time.Hour)
		_, err := s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.IdleLimit {
			t.Error(err)
		}
		if err := s.Refresh(t.Context()); reason(t, err) != session.IdleLimit {
			t.Error(err)
		}
	})
}

func TestALimitClosesStreamsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		s, _ := r.signIn()
		time.Sleep(time.Hour + time.Second)
		if !closed(s.Done()) {
			t.Error("the stream goes on")
		}
	})
}

func TestUseInOneProcessCountsInAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner, c.IdleTimeout = false, time.Hour })
		used, ticket := r.signIn()
		elsewhere := r.other()
		if _, err := elsewhere.Open(t.Context(), ticket); err != nil { // and remembers it
			t.Fatal(err)
		}
		time.Sleep(50 * time.Minute)
		used.Touch()
		time.Sleep(20 * time.Minute)
		if _, err := elsewhere.Open(t.Context(), ticket); err != nil {
			t.Errorf("by what another process remembers: %v", err)
		}
		time.Sleep(41 * time.Minute)
		_, err := elsewhere.Open(t.Context(), ticket)
		if reason(t, err) != session.IdleLimit {
			t.Error(err)
		}
	})
}

func TestALimitThatCannotBeWrittenEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		s, ticket := r.signIn()
		r.store.breakWith(errors.New("connection refused"))
		time.Sleep(2 * time.Hour)
		_, err := r.Open(t.Context(), ticket)
		wantStoreError(t, err)
		if closed(s.Done()) {
			t.Error("ended, and nobody knows")
		}
		r.store.breakWith(nil)
		_, err = r.Open(t.Context(), ticket)
		if reason(t, err) != session.IdleLimit {
			t.Error(err)
		}
	})
}

// The record says when it wants to be looked at, by the idle timeout that it was written
// under. After a restart with a longer one it must not stand before all others for hours.
func TestALongerIdleTimeoutLeavesNothingDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		_, ticket := r.signIn()
		r.halt()
		r.config.IdleTimeout = 8 * time.Hour
		r.start()
		time.Sleep(time.Hour + 3*time.Second)
		due, err := r.store.Due(t.Context(), time.Now(), 10)
		if err != nil || len(due) != 0 {
			t.Errorf("%d records are due, %v", len(due), err)
		}
		time.Sleep(6 * time.Hour)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
}

func TestActivityMovesTheMomentAtWhichARecordIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		s, _ := r.signIn()
		time.Sleep(30 * time.Minute)
		s.Touch()
		time.Sleep(10 * time.Minute)
		if due, err := r.store.Due(t.Context(), time.Now().Add(49*time.Minute), 10); err != nil || len(due) != 0 {
			t.Errorf("%d records are due, %v", len(due), err)
		}
	})
}

func TestALimitDoesNotWaitForRevocationsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = 5 * time.Minute })
		hung := make(chan struct{})
		defer close(hung)
		r.provider.set(func(p *provider) { p.revokeHang = hung })
		s, _ := r.signIn()
		var many []*session.Session
		for range 600 {
			other, _ := r.signIn()
			many = append(many, other)
		}
		time.Sleep(5*time.Minute - 30*time.Second)
		for _, other := range many {
			if err := other.End(t.Context(), session.LoggedOut); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(31 * time.Second)
		if !closed(s.Done()) {
			t.Error("the stream of a session that is over goes on")
		}
	})
}

func TestUseJustBeforeACrashIsNearlyKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		s, ticket := r.signIn()
		for range 60 * 60 {
			time.Sleep(time.Second)
			s.Touch()
		}
		// What a process finds that starts after a kill.
		if lost := time.Since(r.read(ticket).Seen); lost > 90*time.Second {
			t.Errorf("the last %v of activity are lost", lost)
		}
	})
}

func TestActivityIsWrittenWhenTheStoreIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		s, ticket := r.signIn()
		time.Sleep(10 * time.Minute)
		r.store.breakWith(errors.New("connection refused"))
		s.Touch()
		time.Sleep(5 * time.Minute)
		r.store.breakWith(nil)
		time.Sleep(2 * time.Minute)
		if since := time.Since(r.read(ticket).Seen); since != 7*time.Minute {
			t.Errorf("seen %v ago", since)
		}
	})
}

func TestAnEndedSessionHasNoActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // the revocation, the hint
		before := r.store.written()
		for range 10 {
			s.Touch()
			if err := s.Expire(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Minute)
		}
		if n := r.store.written() - before; n != 0 {
			t.Errorf("%d writes", n)
		}
	})
}
