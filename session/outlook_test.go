package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Each row brings a session into some state. What is foreseen of it must be what Token then
// does, and foreseeing must do nothing.
func TestWhatIsForeseenOfATokenIsWhatComes(t *testing.T) {
	down := func(int, *session.Grant) (*session.Renewal, error) {
		return nil, &session.RefreshError{Class: session.Transient, Err: errors.New("down")}
	}
	for _, row := range []struct {
		name   string
		config func(*session.Config)
		before func(r *room, s *session.Session)
		step   session.Step
	}{
		{"right after the login", nil, nil, session.Fresh},
		{"in the last part of its life", nil, func(*room, *session.Session) { time.Sleep(55 * time.Second) }, session.Background},
		{"while a refresh is under way beside", nil, func(r *room, s *session.Session) {
			r.provider.set(func(p *provider) { p.delay = time.Second })
			time.Sleep(55 * time.Second)
			_, _ = s.Token(r.t.Context(), session.Target{})
			synctest.Wait()
		}, session.UnderWay},
		{"a moment after a refresh that failed", nil, func(r *room, s *session.Session) {
			r.provider.set(func(p *provider) { p.answer = down })
			time.Sleep(55 * time.Second)
			_, _ = s.Token(r.t.Context(), session.Target{})
			synctest.Wait()
		}, session.Postponed},
		{"when the token has run out", nil, func(*room, *session.Session) { time.Sleep(2 * time.Minute) }, session.Waits},
		{"while others wait for a refresh", nil, func(r *room, s *session.Session) {
			r.provider.set(func(p *provider) { p.delay = time.Second })
			time.Sleep(2 * time.Minute)
			go func() { _, _ = s.Token(r.t.Context(), session.Target{}) }()
			synctest.Wait()
		}, session.Joins},
		{"when the token has run out and the provider is down", nil, func(r *room, s *session.Session) {
			r.provider.set(func(p *provider) { p.answer = down })
			time.Sleep(2 * time.Minute)
			_, _ = s.Token(r.t.Context(), session.Target{})
		}, session.Fails},
		{"when it has ended", nil, func(r *room, s *session.Session) {
			if err := s.End(r.t.Context(), session.LoggedOut); err != nil {
				r.t.Error(err)
			}
		}, session.Fails},
		{"when its limit has come", func(c *session.Config) { c.IdleTimeout = time.Minute }, func(r *room, _ *session.Session) {
			r.halt()
			time.Sleep(2 * time.Minute)
		}, session.Fails},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, row.config)
				s, _ := r.signIn()
				if row.before != nil {
					row.before(r, s)
				}
				synctest.Wait()
				presented, _, _ := r.provider.counts()
				was := s.State()
				o := s.Foresee(session.Target{})
				synctest.Wait()
				if now, _, _ := r.provider.counts(); now != presented || s.State() != was {
					t.Fatal("foreseeing did something")
				}
				if o.Step != row.step || (o.Err != nil) != (row.step == session.Fails || row.step == session.Postponed) {
					t.Errorf("foreseen %s, %v; want %s", o.Step, o.Err, row.step)
				}
				_, err := s.Token(t.Context(), session.Target{})
				synctest.Wait()
				if (err != nil) != (o.Step == session.Fails) {
					t.Errorf("foreseen %s, and it was %v", o.Step, err)
				}
				if err := r.Close(t.Context()); err != nil { // after the flight, if there is one
					t.Error(err)
				}
				if now, _, _ := r.provider.counts(); (now > presented) != (o.Step == session.Background || o.Step == session.Waits) {
					t.Errorf("foreseen %s, and the provider was asked %d times", o.Step, now-presented)
				}
			})
		})
	}
}

func TestASessionWithoutARefreshTokenIsForeseenToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		g := r.grant()
		g.RefreshToken = ""
		s, _, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(55 * time.Second)
		if o := s.Foresee(session.Target{}); o.Step != session.Fresh || !o.Held {
			t.Errorf("foreseen %+v", o)
		}
		if o := s.Foresee(session.Target{Audience: "other"}); class(t, o.Err) != session.BadTarget {
			t.Errorf("foreseen %+v", o)
		}
		time.Sleep(time.Minute)
		o := s.Foresee(session.Target{})
		if o.Step != session.Fails || reason(t, o.Err) != session.TokenExpired || s.State().Ended != "" {
			t.Errorf("foreseen %+v", o)
		}
		if _, err := s.Token(t.Context(), session.Target{}); reason(t, err) != session.TokenExpired {
			t.Errorf("it was %v", err)
		}
	})
}

func TestAPeekEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Minute })
		s, ticket := r.signIn()
		if found, err := r.Peek(t.Context(), ticket); err != nil || found != s {
			t.Errorf("a live session: %v, %v", found, err)
		}
		r.halt() // else the manager would look at limits
		time.Sleep(2 * time.Minute)
		found, err := r.Peek(t.Context(), ticket)
		if reason(t, err) != session.IdleLimit || found != s || s.State().Ended != "" {
			t.Errorf("a session whose limit has come: %v, %v, %q", found, err, s.State().Ended)
		}
		if _, err := r.Open(t.Context(), ticket); reason(t, err) != session.IdleLimit || s.State().Ended != session.IdleLimit {
			t.Errorf("Open does: %v", err)
		}
		if found, err := r.Peek(t.Context(), ticket); reason(t, err) != session.IdleLimit || found != s {
			t.Errorf("a session that has ended: %v, %v", found, err)
		}
		if _, err := r.Peek(t.Context(), "forged"); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("a forged ticket: %v", err)
		}
	})
}

func TestTheOutlookKnowsBreakerAndBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Rate = 1 })
		s, _ := r.signIn()
		other, _ := r.signIn()
		time.Sleep(55 * time.Second)
		if o := other.Foresee(session.Target{}); o.Step != session.Background || o.InLine {
			t.Errorf("before: %+v", o)
		}
		_, _ = s.Token(t.Context(), session.Target{})
		synctest.Wait()
		if o := other.Foresee(session.Target{}); o.Step != session.Postponed || !o.InLine || o.Err == nil {
			t.Errorf("with the budget spent: %+v", o)
		}
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Operator, Code: "invalid_client", Err: errors.New("no")}
			}
		})
		fresh, _ := r.signIn()
		time.Sleep(55 * time.Second)
		if err := r.ProviderRefused(); err != nil {
			t.Errorf("before anybody was refused: %v", err)
		}
		_, _ = s.Token(t.Context(), session.Target{})
		synctest.Wait()
		if o := other.Foresee(session.Target{}); o.Step != session.Fails || class(t, o.Err) != session.Operator {
			t.Errorf("with the breaker open: %+v", o)
		}
		if o := fresh.Foresee(session.Target{}); o.Step != session.Postponed || class(t, o.Err) != session.Operator {
			t.Errorf("with the breaker open, and a token that holds: %+v", o)
		}
		if class(t, r.ProviderRefused()) != session.Operator {
			t.Error("the breaker is open")
		}
	})
}

func TestWhoStoodBackIsForeseenToWaitForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 10
		r := open(t, func(c *session.Config) { c.Rate = rate })
		s, _ := r.signIn()
		var others []*session.Session
		for range rate {
			other, _ := r.signIn()
			others = append(others, other)
		}
		time.Sleep(55 * time.Second)
		for _, other := range append(others, s) {
			_, _ = other.Token(t.Context(), session.Target{})
			synctest.Wait()
		}
		time.Sleep(150 * time.Millisecond)
		if o := s.Foresee(session.Target{}); o.Step != session.Postponed || o.InLine || o.Err == nil {
			t.Errorf("a moment later: %+v", o)
		}
		time.Sleep(150 * time.Millisecond)
		if o := s.Foresee(session.Target{}); o.Step != session.Background || o.Err != nil {
			t.Errorf("after the moment: %+v", o)
		}
	})
}
