package session_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// loses answers the first n presentations with nothing and the others well.
func loses(n int) func(*provider) {
	return func(p *provider) {
		p.answer = func(i int, _ *session.Grant) (*session.Renewal, error) {
			if i <= n {
				return nil, &session.RefreshError{Class: session.Unknown}
			}
			return p.good(i), nil
		}
	}
}

// A leeway counts from the moment in which the provider rotated: an hour later, when the
// access token has run out, it is over.
func TestAForgivingProviderIsAskedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.LostAnswer = session.RetryAtOnce })
		r.provider.set(loses(1))
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if presented, _, _ := r.provider.counts(); presented != 2 {
			t.Errorf("%d presentations, want 2", presented)
		}
		if trouble := s.State().Trouble; trouble != nil {
			t.Errorf("left behind: %+v", trouble)
		}
	})
}

// Two lost answers are an outage: what follows is the back-off's, and not a loop.
func TestASecondLostAnswerBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.LostAnswer = session.RetryAtOnce })
		r.provider.set(loses(2))
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); class(t, err) != session.Unknown {
			t.Fatal(err)
		}
		if presented, _, _ := r.provider.counts(); presented != 2 {
			t.Errorf("%d presentations, want 2", presented)
		}
		time.Sleep(5 * time.Second)
		if err := s.Refresh(t.Context()); err != nil {
			t.Errorf("after the back-off: %v", err)
		}
	})
}

// The write-ahead note of a process that died is a lost answer, too.
func TestAForgivingProviderIsAskedAgainAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.LostAnswer = session.RetryAtOnce })
		_, ticket := r.signIn()
		r.provider.set(func(p *provider) { p.delay = 8 * time.Second })
		s, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Refresh(t.Context()) }() // what it brings comes too late
		time.Sleep(time.Second)
		r.provider.set(func(p *provider) { p.delay = 0 })
		again, err := r.other().Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Refresh(t.Context()); err != nil {
			t.Errorf("while the access token holds: %v", err)
		}
		time.Sleep(10 * time.Second)
	})
}

// The second try is under way, and the trouble that the first one left says nothing yet.
func TestWhoComesDuringTheSecondTryWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		r.provider.set(func(p *provider) {
			p.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
				if n == 1 {
					return nil, &session.RefreshError{Class: session.Unknown}
				}
				time.Sleep(400 * time.Millisecond)
				return r.provider.good(n), nil
			}
		})
		a, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		all.Go(func() { _, _ = a.Token(t.Context(), session.Target{}) })
		time.Sleep(100 * time.Millisecond)
		b, err := r.other().Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		for where, s := range map[string]*session.Session{"here": a, "elsewhere": b} {
			all.Go(func() {
				if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-2" {
					t.Errorf("%s: got %q, %v", where, at.Token.Reveal(), err)
				}
			})
			all.Go(func() {
				if err := s.Refresh(t.Context()); err != nil {
					t.Errorf("%s: a refresh that is asked for: %v", where, err)
				}
			})
		}
		all.Wait()
		if presented, _, _ := r.provider.counts(); presented != 2 {
			t.Errorf("%d presentations, want 2", presented)
		}
	})
}
