package session_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestARefusedTokenIsReplacedByOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = time.Second
		s, _ := r.signIn()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if at, err := s.Renew(t.Context(), session.Target{}, "at-0"); err != nil || at.Token != "at-1" {
					t.Errorf("%q, %v", at.Token.Reveal(), err)
				}
			})
		}
		all.Wait()
		// Who comes with the old token later gets what is there.
		if at, err := s.Renew(t.Context(), session.Target{}, "at-0"); err != nil || at.Token != "at-1" {
			t.Errorf("%q, %v", at.Token.Reveal(), err)
		}
		if n, most, _ := r.provider.counts(); n != 1 || most != 1 {
			t.Errorf("%d presentations, %d at once", n, most)
		}
	})
}

func TestARenewalIsBoundedForEachTarget(t *testing.T) {
	orders := session.Target{Audience: "orders"}
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.lifetime = time.Hour
		s, _ := r.signIn()
		for _, target := range []session.Target{{}, orders} {
			at, err := s.Token(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			first := at.Token
			for range 3 {
				before := at.Token
				if at, err = s.Renew(t.Context(), target, before); err != nil || at.Token == before {
					t.Fatalf("%v: %q, %v", target, at.Token.Reveal(), err)
				}
			}
			if _, err := s.Renew(t.Context(), target, at.Token); err == nil {
				t.Errorf("%v: a fourth one within a minute", target)
			}
			// Who comes late with an old token gets the one at hand.
			if late, err := s.Renew(t.Context(), target, first); err != nil || late.Token != at.Token {
				t.Errorf("%v: %q, %v", target, late.Token.Reveal(), err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 7 {
			t.Errorf("%d presentations", n)
		}
		// The user's own limit has nothing to do with it.
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if _, err := s.Renew(t.Context(), orders, s.State().Grant.Access[orders].Token); err != nil {
			t.Error(err)
		}
	})
}

func TestARenewalWaitsForTheFlightOfAnotherTarget(t *testing.T) {
	orders := session.Target{Audience: "orders"}
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = time.Second
		s, _ := r.signIn()
		go func() { _, _ = s.Token(t.Context(), orders) }()
		synctest.Wait()
		if at, err := s.Renew(t.Context(), session.Target{}, "at-0"); err != nil || at.Token != "at-2" {
			t.Errorf("%q, %v", at.Token.Reveal(), err)
		}
		if _, most, _ := r.provider.counts(); most != 1 {
			t.Errorf("%d presentations at once", most)
		}
	})
}

func TestARenewalKeepsToTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Transient, RetryAfter: 10 * time.Second}
			}
		})
		s, _ := r.signIn()
		for range 5 {
			if _, err := s.Renew(t.Context(), session.Target{}, "at-0"); class(t, err) != session.Transient {
				t.Error(err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
		// The token that one API refused may be good for another one.
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
			t.Errorf("%q, %v", at.Token.Reveal(), err)
		}
	})
}

func TestNothingRenewsASessionThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Refused, Code: "invalid_grant"}
			}
		})
		for range 2 {
			if _, err := s.Renew(t.Context(), session.Target{}, "at-0"); reason(t, err) != session.TokenRefused {
				t.Error(err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
		bare := r.grant()
		bare.RefreshToken = ""
		other, _, err := r.Begin(t.Context(), session.Start{Grant: bare})
		if err != nil {
			t.Fatal(err)
		}
		if at, err := other.Renew(t.Context(), session.Target{}, "at-0"); err == nil {
			t.Errorf("without a refresh token: %q", at.Token.Reveal())
		}
		if n, _, _ := r.provider.counts(); n != 1 || other.State().Ended != "" {
			t.Errorf("%d presentations, ended: %q", n, other.State().Ended)
		}
	})
}
