package session_test

import (
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
