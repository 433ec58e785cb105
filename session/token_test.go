package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestWhenATokenHoldsAndWhenItIsDue(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	token := func(lifetime time.Duration) session.AccessToken {
		return session.AccessToken{Token: "at", Issued: now, Expiry: now.Add(lifetime)}
	}
	for _, row := range []struct {
		name             string
		token            session.AccessToken
		due, dueEarly    time.Duration // from now: the first moment, with 60 and with 1 s before the end
		holds            time.Duration // from now: the last moment but a nanosecond
		never, neverEnds bool
	}{
		{"an hour", token(time.Hour), 59 * time.Minute, time.Hour - time.Second, time.Hour - 2*time.Second, false, false},
		{"a minute", token(time.Minute), 48 * time.Second, 59 * time.Second, 58 * time.Second, false, false},
		{"ten seconds", token(10 * time.Second), 8 * time.Second, 9 * time.Second, 9 * time.Second, false, false},
		{"a second", token(time.Second), 800 * time.Millisecond, 800 * time.Millisecond, 900 * time.Millisecond, false, false},
		{"no known end", session.AccessToken{Token: "at", Issued: now}, 0, 0, 0, false, true},
		{"no token", session.AccessToken{Expiry: now.Add(time.Hour)}, 0, 0, 0, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			at := row.token
			switch {
			case row.never:
				if at.Holds(now) || !at.Due(now, time.Minute) {
					t.Error("nothing is a token")
				}
				return
			case row.neverEnds:
				if later := now.AddDate(10, 0, 0); !at.Holds(later) || at.Due(later, time.Minute) {
					t.Error("it ends")
				}
				return
			}
			for early, first := range map[time.Duration]time.Duration{time.Minute: row.due, time.Second: row.dueEarly} {
				if at.Due(now.Add(first-1), early) || !at.Due(now.Add(first), early) {
					t.Errorf("with %v before its end it is not due from %v", early, first)
				}
			}
			if !at.Holds(now.Add(row.holds-1)) || at.Holds(now.Add(row.holds)) {
				t.Errorf("it does not hold until %v", row.holds)
			}
		})
	}
}

func TestAnEndBeyondTheSessionsIsTheSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.AbsoluteTimeout = 24 * time.Hour })
		r.provider.lifetime = 1e6 * time.Hour
		s, _ := r.signIn()
		deadline := s.State().Deadline
		if got := s.State().Grant.Access[session.Target{}].Expiry; !got.Equal(deadline) {
			t.Errorf("the login's token ends at %v, the session at %v", got, deadline)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.State().Grant.Access[session.Target{}].Expiry; !got.Equal(deadline) {
			t.Errorf("the refreshed token ends at %v, the session at %v", got, deadline)
		}
		// There is no use in refreshing what outlives the session.
		for range 23*60 + 59 {
			time.Sleep(time.Minute)
			s.Touch()
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(50 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestWhoLoggedInTogetherDoesNotRefreshTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.lifetime = time.Hour
		var all []*session.Session
		for range 50 {
			s, _ := r.signIn()
			all = append(all, s)
		}
		time.Sleep(59*time.Minute - time.Second)
		var steps []int // presentations at each second
		for range 14 {
			time.Sleep(time.Second)
			for _, s := range all {
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			n, _, _ := r.provider.counts()
			steps = append(steps, n)
		}
		before := 0
		for _, n := range steps {
			if n-before > 25 {
				t.Errorf("%d of 50 in one second", n-before)
			}
			before = n
		}
		if before != 50 {
			t.Errorf("%d presentations when the window of the last has come", before)
		}
	})
}

func TestATokenWithoutAKnownEndIsNeverRefreshedByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		g := r.grant()
		g.Access = map[session.Target]session.AccessToken{{}: {Token: "at-0", Issued: time.Now()}}
		s, _, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * time.Hour)
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
			t.Error(err)
		}
		if n, _, _ := r.provider.counts(); n != 0 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestAnEndInThePastMakesNoLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.lifetime = -96 * time.Second
		s, _ := r.signIn()
		for range 600 {
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n, _, _ := r.provider.counts(); n < 3 || n > 6 {
			t.Errorf("%d presentations in a minute", n)
		}
	})
}

func TestWithoutARefreshTokenTheSessionLastsAsLongAsTheAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		g := r.grant()
		g.RefreshToken = ""
		s, _, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		_, err = s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.TokenExpired {
			t.Error(err)
		}
	})
}

func TestATokenIsNotUsedInTheLastMomentsOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		time.Sleep(58*time.Second - 1)
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
			t.Errorf("two seconds before: %q, %v", at.Token.Reveal(), err)
		}
		synctest.Wait() // the flight beside
		s2, _ := r.signIn()
		time.Sleep(58 * time.Second)
		if at, err := s2.Token(t.Context(), session.Target{}); err != nil || at.Token == "at-0" {
			t.Errorf("in the last two seconds: %q, %v", at.Token.Reveal(), err)
		}
	})
}

func TestAnExpiredTokenIsRefreshedThoughItsTimeHasNotCome(t *testing.T) {
	orders := session.Target{Audience: "orders"}
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if _, err := s.Token(t.Context(), orders); err != nil {
			t.Fatal(err)
		}
		if err := s.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		for target, want := range map[session.Target]session.Token{{}: "at-0", orders: "at-1"} {
			if at, err := s.Token(t.Context(), target); err != nil || at.Token == want {
				t.Errorf("%v: %q, %v", target, at.Token.Reveal(), err)
			}
		}
	})
}
