package session_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// two opens a ticket in two processes that both look at the session now.
func (r *room) two() (a, b *session.Session) {
	r.t.Helper()
	a, ticket := r.signIn()
	b, err := r.other().Open(r.t.Context(), ticket)
	if err != nil {
		r.t.Fatal(err)
	}
	return a, b
}

func TestALeaseOfAnotherProcessIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		r.provider.delay = 3 * time.Second
		a, b := r.two()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				at, err := []*session.Session{a, b}[i%2].Token(t.Context(), session.Target{})
				if err != nil || at.Token != "at-1" {
					t.Errorf("got %q, %v", at.Token.Reveal(), err)
				}
			})
		}
		all.Wait()
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations by two processes", n)
		}
	})
}

func TestWhoWaitsForALeaseTakesNothingOutOfTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner, c.Rate = false, 5 })
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				time.Sleep(5 * time.Second)
			}
			return r.provider.good(n), nil
		}
		a, ticket := r.signIn()
		_, other := r.signIn()
		elsewhere := r.other()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		all.Go(func() { _, _ = a.Token(t.Context(), session.Target{}) })
		synctest.Wait()
		b, err := elsewhere.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() { _, _ = b.Token(t.Context(), session.Target{}) }) // waits for a's answer
		time.Sleep(3 * time.Second)
		s, err := elsewhere.Open(t.Context(), other)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Error(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("stood in line for %v behind somebody who presents nothing", waited)
		}
		all.Wait()
	})
}

func TestADeadProcessesLeaseRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner, c.Wait = false, time.Hour })
		a, b := r.two()
		dead := make(chan struct{})
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				<-dead // the process is killed here
				return nil, &session.RefreshError{Class: session.Transient}
			}
			return r.provider.good(n), nil
		}
		time.Sleep(2 * time.Minute)
		go func() { _, _ = a.Token(t.Context(), session.Target{}) }()
		synctest.Wait()
		began := time.Now()
		if at, err := b.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-2" {
			t.Errorf("got %q, %v", at.Token.Reveal(), err)
		}
		// Two calls of ten seconds fit into a lease.
		if waited := time.Since(began); waited < 20*time.Second || waited > 31*time.Second {
			t.Errorf("took the lease over after %v", waited)
		}
		close(dead)
	})
}

func TestAnotherProcessesFailureCountsHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient, RetryAfter: 30 * time.Second}
		}
		a, b := r.two()
		time.Sleep(2 * time.Minute)
		for _, s := range []*session.Session{a, b} {
			if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
				t.Error(err)
			}
			if err := s.Refresh(t.Context()); class(t, err) != session.Transient {
				t.Error(err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations, and the provider had asked for thirty seconds", n)
		}
	})
}

// Two processes at work on one refresh token, though the lease should keep them apart: the
// first one's answer comes when the second one has what it wanted.
func TestWhoIsOvertakenUsesWhatIsStored(t *testing.T) {
	refused := &session.RefreshError{Class: session.Refused, Code: "invalid_grant"}
	for _, row := range []struct {
		name   string
		answer func(p *provider) (*session.Renewal, error)
	}{
		{"with a good answer", func(p *provider) (*session.Renewal, error) { return p.good(1), nil }},
		{"with a refusal", func(*provider) (*session.Renewal, error) { return nil, refused }},
		{"with a denial", func(*provider) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Denied}
		}},
		{"with a failure", func(*provider) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient, RetryAfter: time.Minute}
		}},
		{"with a lost answer", func(*provider) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Unknown}
		}},
		{"with a refresh token beside an error", func(*provider) (*session.Renewal, error) {
			return &session.Renewal{RefreshToken: "rt-1"}, &session.RefreshError{Class: session.Transient}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil) // SoleOwner: the second takes the lease over at once
				late := make(chan struct{})
				r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
					if n == 1 {
						<-late
						return row.answer(r.provider)
					}
					return r.provider.good(n), nil
				}
				s, ticket := r.signIn()
				time.Sleep(2 * time.Minute)
				type answer struct {
					at  session.AccessToken
					err error
				}
				slow := make(chan answer, 1)
				go func() {
					at, err := s.Token(t.Context(), session.Target{})
					slow <- answer{at, err}
				}()
				synctest.Wait()
				b, err := r.other().Open(t.Context(), ticket)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := b.Token(t.Context(), session.Target{}); err != nil {
					t.Fatal(err)
				}
				close(late)
				if got := <-slow; got.err != nil || got.at.Token != "at-2" {
					t.Errorf("got %q, %v", got.at.Token.Reveal(), got.err)
				}
				st := r.read(ticket)
				if st.Grant.RefreshToken != "rt-2" || st.Trouble != nil || st.Attempt != nil {
					t.Errorf("the store holds %q, %v, %v", st.Grant.RefreshToken.Reveal(), st.Trouble, st.Attempt)
				}
				if n, _, _ := r.provider.counts(); n != 2 {
					t.Errorf("%d presentations", n)
				}
			})
		})
	}
}

func TestNewerClaimsOfAnotherProcessStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = session.Token([]string{"", "idt-1", "idt-2"}[n])
			return renewal, nil
		}
		slow := make(chan struct{})
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			if raw == "idt-1" {
				<-slow
			}
			return &session.Identity{IDToken: raw, Claims: map[string]any{"sub": "alice"}}, nil
		}
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		done := make(chan error, 1)
		go func() { _, err := s.Token(t.Context(), session.Target{}); done <- err }()
		synctest.Wait()
		b, err := r.other().Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(slow)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := r.read(ticket).Grant.IDToken; got != "idt-2" {
			t.Errorf("the record holds %q", got.Reveal())
		}
	})
}

func TestACrashDuringTheExchangeIsALostAnswer(t *testing.T) {
	for _, row := range []struct {
		name  string
		after time.Duration // of the restart
		want  session.Token
		shown int
	}{
		{"after the access token's end", 2 * time.Minute, "at-2", 2},
		{"while the access token holds", 52 * time.Second, "at-0", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				s, ticket := r.signIn()
				dead := make(chan struct{})
				r.provider.answer = func(n int, g *session.Grant) (*session.Renewal, error) {
					if n == 1 {
						<-dead // the process is killed here: nothing of it happens any more
						return nil, &session.RefreshError{Class: session.Transient}
					}
					if n == 2 && g.RefreshToken != "rt-0" {
						t.Errorf("presented %q", g.RefreshToken.Reveal())
					}
					return r.provider.good(n), nil
				}
				time.Sleep(row.after)
				go func() { _, _ = s.Token(t.Context(), session.Target{}) }()
				synctest.Wait()
				if s.State().Attempt == nil {
					t.Fatal("the attempt was not written down before the token was presented")
				}
				r.halt()
				r.start()
				s2, err := r.Open(t.Context(), ticket)
				if err != nil {
					t.Fatal(err)
				}
				at, err := s2.Token(t.Context(), session.Target{})
				if err != nil || at.Token != row.want {
					t.Errorf("got %q, %v", at.Token.Reveal(), err)
				}
				synctest.Wait()
				if n, _, _ := r.provider.counts(); n != row.shown {
					t.Errorf("%d presentations", n)
				}
				if err := s2.Refresh(t.Context()); (err == nil) != (row.shown == 2) {
					t.Errorf("a request to refresh: %v", err)
				}
				close(dead)
			})
		})
	}
}

// A strict provider ends everything at reuse: while the access token holds there is
// something to lose.
func TestAfterALostAnswerARequestToRefreshWaitsForTheEndOfTheAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				return nil, &session.RefreshError{Class: session.Unknown}
			}
			return r.provider.good(n), nil
		}
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); class(t, err) != session.Unknown {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		err := s.Refresh(t.Context())
		var failed *session.RefreshError
		if !errors.As(err, &failed) || failed.Class != session.Unknown || failed.RetryAfter != 40*time.Second {
			t.Errorf("got %v", err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Fatalf("%d presentations while the access token holds", n)
		}
		time.Sleep(40 * time.Second)
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestARefreshTokenThatCameAfterALostAnswerIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			switch n {
			case 1, 2:
				return nil, &session.RefreshError{Class: session.Unknown}
			case 3:
				return &session.Renewal{RefreshToken: "rt-3"}, &session.RefreshError{Class: session.Transient}
			}
			return nil, &session.RefreshError{Class: session.Refused}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		var err error
		for range 3 {
			_, err = s.Token(t.Context(), session.Target{})
			time.Sleep(10 * time.Second)
		}
		if reason(t, err) != session.TokenRefused {
			t.Error(err)
		}
		if got := r.provider.presented; !slices.Equal(got, []session.Token{"rt-0", "rt-0", "rt-0", "rt-3"}) {
			t.Errorf("%d presentations", len(got))
		}
	})
}

func TestALogoutBetweenTwoTriesIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			if err := s.End(context.WithoutCancel(t.Context()), session.LoggedOut); err != nil {
				t.Error(err)
			}
			return nil, &session.RefreshError{Class: session.Unknown}
		}
		time.Sleep(2 * time.Minute)
		_, err := s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestALostAnswerIsAskedForOnceMoreAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				return nil, &session.RefreshError{Class: session.Unknown}
			}
			return r.provider.good(n), nil
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-2" {
			t.Errorf("got %q, %v", at.Token.Reveal(), err)
		}
		if got := r.provider.presented; !slices.Equal(got, []session.Token{"rt-0", "rt-0"}) {
			t.Errorf("%d presentations", len(got))
		}
		if s.State().Trouble != nil {
			t.Error("the trouble is over, and noted still")
		}
	})
}

func TestARefusalAfterALostAnswerSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				return nil, &session.RefreshError{Class: session.Unknown}
			}
			return nil, &session.RefreshError{Class: session.Refused, Code: "invalid_grant"}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		_, err := s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.OutcomeLost {
			t.Error(err)
		}
	})
}

func TestAFailureAfterALostAnswerFindsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: []session.Class{session.Unknown, session.Transient, session.Refused}[n-1]}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		_, err := s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.OutcomeLost {
			t.Error(err)
		}
	})
}

// There is no end to wait for: who asks for a refresh knows what the clock cannot tell.
func TestAfterALostAnswerATokenWithoutAKnownEndCanBeRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				return nil, &session.RefreshError{Class: session.Unknown}
			}
			return r.provider.good(n), nil
		}
		g := r.grant()
		g.Access = map[session.Target]session.AccessToken{{}: {Token: "at-0", Issued: time.Now()}}
		s, _, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); class(t, err) != session.Unknown {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestALostAnswerWaitsWhileTheAccessTokenHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				return nil, &session.RefreshError{Class: session.Unknown}
			}
			return nil, &session.RefreshError{Class: session.Refused, Code: "invalid_grant"}
		}
		s, _ := r.signIn()
		for range 57 { // into the window, and on
			time.Sleep(time.Second)
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Fatalf("%d presentations while the access token holds", n)
		}
		time.Sleep(10 * time.Second)
		_, err := s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.OutcomeLost {
			t.Error(err)
		}
		if n, _, _ := r.provider.counts(); n != 2 {
			t.Errorf("%d presentations", n)
		}
	})
}
