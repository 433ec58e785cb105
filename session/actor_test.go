package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestATokenIsTradedTogetherWithTheActorsOwn(t *testing.T) {
	acted := session.Target{Audience: "ledger", Actor: true}
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		s, _ := r.signIn()
		for range 2 {
			for target, want := range map[session.Target]session.Token{acted: "exchanged-ledger-2", ledger: "exchanged-ledger-3"} {
				if _, err := s.ExchangedToken(t.Context(), acted); err != nil { // the first
					t.Fatal(err)
				}
				if at, err := s.ExchangedToken(t.Context(), target); err != nil || at.Token != want {
					t.Errorf("%+v: %q, %v", target, at.Token.Reveal(), err)
				}
			}
		}
		if !slices.Equal(m.actors, []session.Token{"client--1", ""}) {
			t.Errorf("%d trades, of which the actors were others than the gateway and nobody", len(m.actors))
		}
	})
}

// The provider does not say which of the two it does not take.
func TestAnActorsTokenThatIsNotTakenIsRenewedOnce(t *testing.T) {
	acted := session.Target{Audience: "ledger", Actor: true}
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.dead = "client--1"
		s, _ := r.signIn()
		time.Sleep(time.Second)
		at, err := s.ExchangedToken(t.Context(), acted)
		if err != nil || at.Token == "" {
			t.Fatal(err)
		}
		if !slices.Equal(m.actors, []session.Token{"client--1", "client--2"}) || len(m.subjects) != 2 || m.subjects[0] == m.subjects[1] {
			t.Errorf("%d trades", len(m.actors))
		}
	})
}

func TestWithoutAnActorsTokenNothingIsTraded(t *testing.T) {
	acted := session.Target{Audience: "ledger", Actor: true}
	synctest.Test(t, func(t *testing.T) {
		r, m := openWith(t, nil)
		m.fail = &session.RefreshError{Class: session.Operator, Code: "unauthorized_client"}
		s, _ := r.signIn()
		if _, err := s.ExchangedToken(t.Context(), acted); class(t, err) != session.Operator || len(m.subjects) != 0 {
			t.Errorf("%v after %d trades", err, len(m.subjects))
		}
		if o := s.ForeseeExchanged(acted); o.Step != session.Fails || class(t, o.Err) != session.Operator {
			t.Errorf("foreseen: %+v", o)
		}
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Error(err)
		}
	})
}
