package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// bounded begins a session that the provider wants to be over after a while.
func (r *room) bounded(after time.Duration, replaces session.ID) (*session.Session, string) {
	r.t.Helper()
	g := r.grant()
	g.Ceiling = time.Now().Add(after)
	s, ticket, err := r.Begin(r.t.Context(), session.Start{Grant: g, Replaces: replaces})
	if err != nil {
		r.t.Fatal(err)
	}
	return s, ticket
}

func TestNothingMovesTheProvidersCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			return &session.Identity{IDToken: raw, Claims: map[string]any{"sub": "alice", "session_expiry": "99999999999"}}, nil
		}
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-new"
			return renewal, nil
		}
		s, ticket := r.bounded(time.Hour, session.ID{})
		stream := s.Watch()
		defer stream.Stop()
		for range 59 {
			time.Sleep(time.Minute)
			s, err := r.Open(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			s.Touch()
			at, err := s.Token(t.Context(), session.Target{})
			if err != nil {
				t.Fatal(err)
			}
			if end := s.State().Grant.Ceiling; at.Expiry.After(end) {
				t.Errorf("an access token until %v in a session until %v", at.Expiry, end)
			}
		}
		if n, _, _ := r.provider.counts(); n < 40 {
			t.Fatalf("%d refreshes in an hour of tokens that live for a minute", n)
		}
		time.Sleep(time.Minute + time.Second)
		if !closed(stream.Done()) {
			t.Error("a stream outlives the ceiling")
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.ProviderLimit {
			t.Error(err)
		}
		time.Sleep(3 * time.Second)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

func TestTheCeilingOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.bounded(time.Hour, session.ID{})
		r.halt()
		r.start()
		r.halt() // nobody ends it but who asks
		time.Sleep(time.Hour - time.Nanosecond)
		r.read(ticket)
		time.Sleep(time.Nanosecond)
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.ProviderLimit {
			t.Error(err)
		}
	})
}

func TestACeilingBeyondTheOwnLimitsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, time.Hour })
		_, ticket := r.bounded(2*time.Hour, session.ID{})
		time.Sleep(3 * time.Hour)
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.AbsoluteLimit {
			t.Error(err)
		}
	})
}

func TestANewLoginBringsItsOwnCeilingAndKeepsTheAbsoluteLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		first, _ := r.bounded(time.Hour, session.ID{})
		time.Sleep(time.Minute)
		second, _ := r.bounded(2*time.Hour, first.ID())
		if _, left := second.Limits(); left != 2*time.Hour {
			t.Errorf("%v left of a session that the provider gave two hours", left)
		}
		if !second.State().Deadline.Equal(first.State().Deadline) {
			t.Error("the absolute limit has moved")
		}
	})
}

func TestTheLimitThatComesFirstIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Hour, 3*time.Hour })
		free, _ := r.bounded(24*time.Hour, session.ID{})
		bound, _ := r.bounded(150*time.Minute, session.ID{})
		var got []session.Reason
		for _, after := range []time.Duration{0, time.Hour, 10 * time.Minute} {
			time.Sleep(after)
			free.Touch()
			bound.Touch()
			got = append(got, free.NextLimit(), bound.NextLimit())
		}
		want := []session.Reason{
			session.IdleLimit, session.IdleLimit,
			session.AbsoluteLimit, session.ProviderLimit,
			session.AbsoluteLimit, session.ProviderLimit,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}
