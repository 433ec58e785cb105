package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestShutdownWaitsForFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 5 * time.Second
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		go func() { _, _ = s.Token(t.Context(), session.Target{}) }()
		synctest.Wait()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.State().Grant.RefreshToken; got != "rt-1" {
			t.Errorf("after Close the record holds %q", got.Reveal())
		}
		if err := s.Refresh(t.Context()); class(t, err) != session.Transient {
			t.Error("a flight began after Close")
		}
	})
}

// The operator's patience ends before the store is back. Nobody may hang: what could not
// be stored is lost, and the log says so.
func TestAShutdownGivesUpOnAStoreThatStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Wait = time.Hour })
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			r.store.breakWith(errors.New("no space left on device"))
			return r.provider.good(n), nil
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		got := make(chan error, 1)
		go func() { _, err := s.Token(t.Context(), session.Target{}); got <- err }()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		wantStoreError(t, <-got)
		if err := r.Close(t.Context()); err == nil {
			t.Error("closed twice")
		}
	})
}

func TestAShutdownGivesUpOnAnotherProcessesLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		hung := make(chan struct{})
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			<-hung
			return r.provider.good(n), nil
		}
		a, b := r.two()
		time.Sleep(2 * time.Minute)
		go func() { _, _ = b.Token(t.Context(), session.Target{}) }()
		synctest.Wait()
		got := make(chan error, 1)
		go func() { _, err := a.Token(t.Context(), session.Target{}); got <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := <-got; class(t, err) != session.Transient {
			t.Error(err)
		}
		close(hung)
	})
}

func TestACloseWithoutFlightsWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
			t.Errorf("a token that holds: %q, %v", at.Token.Reveal(), err)
		}
	})
}
