package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// targets makes the provider refuse some targets and serve the others.
func (p *provider) targets(refused map[session.Target]session.Class) {
	p.byTarget = func(n int, t session.Target) (*session.Renewal, error) {
		if class, ok := refused[t]; ok {
			return nil, &session.RefreshError{Class: class}
		}
		return p.good(n), nil
	}
}

func TestATargetThatIsRefusedKeepsNoOtherFromItsToken(t *testing.T) {
	orders := session.Target{Audience: "orders"}
	for _, want := range []session.Class{session.BadTarget, session.BadScope, session.Interaction} {
		t.Run(want.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				r.provider.delay = time.Second
				r.provider.targets(map[session.Target]session.Class{orders: want})
				s, _ := r.signIn()
				time.Sleep(2 * time.Minute)
				refused := make(chan error, 1)
				go func() { _, err := s.Token(t.Context(), orders); refused <- err }()
				synctest.Wait() // the flight for orders is under way
				if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-2" {
					t.Errorf("who joined the flight of another target got %q, %v", at.Token.Reveal(), err)
				}
				if got := class(t, <-refused); got != want {
					t.Errorf("orders: %v", got)
				}
				// It is not asked for again at once, and needs no flight to be refused.
				if _, err := s.Token(t.Context(), orders); class(t, err) != want {
					t.Errorf("orders again: %v", err)
				}
				if n, _, _ := r.provider.counts(); n != 2 {
					t.Errorf("%d presentations", n)
				}
			})
		})
	}
}

func TestARefusedTargetIsAskedForAgain(t *testing.T) {
	orders := session.Target{Audience: "orders"}
	for _, row := range []struct {
		class   session.Class
		minute  int // presentations when a minute has gone
		request int // and when the user has asked for a refresh
	}{
		{session.BadTarget, 2, 2}, {session.BadScope, 2, 2}, {session.Interaction, 1, 2},
	} {
		t.Run(row.class.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				r.provider.lifetime = time.Hour
				r.provider.targets(map[session.Target]session.Class{orders: row.class})
				s, _ := r.signIn()
				ask := func(after time.Duration) int {
					time.Sleep(after)
					if _, err := s.Token(t.Context(), orders); class(t, err) != row.class {
						t.Error(err)
					}
					n := 0
					for _, target := range r.provider.asked() {
						if target == orders {
							n++
						}
					}
					return n
				}
				if n := ask(0); n != 1 {
					t.Errorf("%d presentations", n)
				}
				if n := ask(59 * time.Second); n != 1 {
					t.Errorf("%d presentations within a minute", n)
				}
				if n := ask(time.Second); n != row.minute {
					t.Errorf("%d presentations after a minute", n)
				}
				if err := s.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := ask(0); n != row.request {
					t.Errorf("%d presentations after a request", n)
				}
			})
		})
	}
}

func TestARequestToRefreshIsNotServedByAFlightThatBroughtNothing(t *testing.T) {
	orders := session.Target{Audience: "orders"}
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = time.Second
		r.provider.targets(map[session.Target]session.Class{orders: session.BadTarget})
		s, _ := r.signIn()
		go func() { _, _ = s.Token(t.Context(), orders) }()
		synctest.Wait()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.provider.asked(); !slices.Equal(got, []session.Target{orders, {}}) {
			t.Errorf("asked for %v", got)
		}
		// One that is under way and brings something will do.
		time.Sleep(2 * time.Minute)
		go func() { _, _ = s.Token(t.Context(), session.Target{}) }()
		synctest.Wait()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := r.provider.counts(); n != 3 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestWithoutARefreshTokenAnotherTargetDoesNotEndTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		g := r.grant()
		g.RefreshToken = ""
		s, ticket, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Token(t.Context(), session.Target{Audience: "orders"}); class(t, err) != session.BadTarget {
			t.Error(err)
		}
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
		if err := s.Refresh(t.Context()); class(t, err) != session.Interaction {
			t.Error(err)
		}
	})
}

func TestEachTargetHasItsToken(t *testing.T) {
	orders, ledger := session.Target{Audience: "orders"}, session.Target{Resource: "https://ledger.example", Scope: "read"}
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		want := map[session.Target]session.Token{{}: "at-0", orders: "at-1", ledger: "at-2"}
		for range 2 {
			for _, target := range []session.Target{{}, orders, ledger} {
				if at, err := s.Token(t.Context(), target); err != nil || at.Token != want[target] {
					t.Errorf("%v: %q, %v", target, at.Token.Reveal(), err)
				}
			}
		}
		stored := r.read(ticket).Grant.Access
		for target, token := range want {
			if stored[target].Token != token {
				t.Errorf("%v: the record holds %q", target, stored[target].Token.Reveal())
			}
		}
	})
}

// What another process fetched meanwhile was for another target.
func TestARequestToRefreshBringsTheLoginsOwnToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		a, b := r.two()
		time.Sleep(2 * time.Minute)
		if _, err := a.Token(t.Context(), session.Target{Audience: "orders"}); err != nil {
			t.Fatal(err)
		}
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if at := b.State().Grant.Access[session.Target{}]; !at.Holds(time.Now()) {
			t.Error("the login's own token has run out")
		}
		if got := r.provider.presented; !slices.Equal(got, []session.Token{"rt-0", "rt-1"}) {
			t.Errorf("%d presentations", len(got))
		}
	})
}
