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

func TestParallelRequestsPresentTheRefreshTokenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 3 * time.Second
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				at, err := s.Token(t.Context(), session.Target{})
				if err != nil || at.Token != "at-1" {
					t.Errorf("got %q, %v", at.Token.Reveal(), err)
				}
			})
		}
		all.Wait()
		if n, most, _ := r.provider.counts(); n != 1 || most != 1 {
			t.Errorf("%d presentations, %d at once", n, most)
		}
	})
}

func TestALeavingClientCancelsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 3 * time.Second
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := s.Token(ctx, session.Target{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the client stayed: %v", err)
		}
		time.Sleep(3 * time.Second)
		r.halt()
		r.start() // another process finds what the client did not wait for
		s, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-1" {
			t.Errorf("got %q, %v", at.Token.Reveal(), err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestTheNewRefreshTokenIsStoredBeforeAnybodyIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		// What a process that starts at this very moment reads.
		again, err := session.New(r.config)
		if err != nil {
			t.Fatal(err)
		}
		found, err := again.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.State().Grant.RefreshToken; got != "rt-1" {
			t.Errorf("the store holds %q", got.Reveal())
		}
	})
}

func TestTheNewRefreshTokenIsStoredBeforeTheIDTokenIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		s, _ := r.signIn()
		var stored session.Token
		r.provider.verify = func(session.Token) (*session.Identity, error) {
			stored = s.State().Grant.RefreshToken
			return nil, errors.New("the keys are not to be had")
		}
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if stored != "rt-1" {
			t.Errorf("at the check the record held %q", stored.Reveal())
		}
		if got := s.State().Grant; got.Claims["role"] != "reader" || got.IDToken != "idt-0" {
			t.Errorf("the old claims are gone: %v", got.Claims)
		}
	})
}

func TestBeforeExpiryTheRefreshRunsBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 5 * time.Second
		s, _ := r.signIn()
		time.Sleep(47 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := r.provider.counts(); n != 0 {
			t.Fatal("refreshed before the window")
		}
		time.Sleep(4 * time.Second)
		began := time.Now()
		for range 10 {
			at, err := s.Token(t.Context(), session.Target{})
			if err != nil || at.Token != "at-0" {
				t.Fatalf("got %q, %v", at.Token.Reveal(), err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a request waited %v", waited)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		at, err := s.Token(t.Context(), session.Target{})
		if err != nil || at.Token != "at-1" {
			t.Errorf("after the flight: %q, %v", at.Token.Reveal(), err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestTokensThatLiveShortlyAreRefreshedAboutOncePerLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.lifetime = 10 * time.Second
		s, _ := r.signIn()
		for range 1000 {
			at, err := s.Token(t.Context(), session.Target{})
			if err != nil || !time.Now().Before(at.Expiry) {
				t.Fatalf("%v, %v left", err, time.Until(at.Expiry))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n, _, _ := r.provider.counts(); n < 9 || n > 13 {
			t.Errorf("%d refreshes in ten lifetimes", n)
		}
	})
}

func TestAnOutageLogsNobodyOut(t *testing.T) {
	for _, class := range []session.Class{session.Transient, session.Operator, session.Unknown} {
		t.Run(class.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
					return nil, &session.RefreshError{Class: class, Err: errors.New("down")}
				}
				s, ticket := r.signIn()
				time.Sleep(55 * time.Second)
				if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
					t.Fatalf("a token that holds was not used: %v", err)
				}
				for range 600 { // ten minutes, a request each second
					time.Sleep(time.Second)
					at, err := s.Token(t.Context(), session.Target{})
					if err == nil && at.Token == "at-0" && at.Holds(time.Now()) {
						continue
					}
					var failed *session.RefreshError
					if !errors.As(err, &failed) || failed.Class != class || failed.RetryAfter < time.Second {
						t.Fatalf("got %v", err)
					}
				}
				if n, _, _ := r.provider.counts(); n > 250 {
					t.Errorf("%d attempts in ten minutes", n)
				}
				r.provider.set(func(p *provider) { p.answer = nil })
				time.Sleep(5 * time.Second)
				s, err := r.Open(t.Context(), ticket)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Errorf("after the outage: %v", err)
				}
			})
		})
	}
}

func TestManyWhoWaitCauseOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = time.Second
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient, RetryAfter: 30 * time.Second}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
					t.Error(err)
				}
			})
		}
		all.Wait()
		time.Sleep(28 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
			t.Error(err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d attempts, and the provider had asked for thirty seconds", n)
		}
	})
}

func TestAPlainRefusalEndsTheSessionOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends int
		r := open(t, func(c *session.Config) {
			c.Observe = func(e session.Event) {
				if e.Kind == session.Ended {
					ends++
				}
			}
		})
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Refused, Code: "invalid_grant"}
		}
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		for range 3 {
			_, err := s.Token(t.Context(), session.Target{})
			if reason(t, err) != session.TokenRefused {
				t.Error(err)
			}
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.TokenRefused {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		n, _, revoked := r.provider.counts()
		if n != 1 || ends != 1 || len(revoked) != 0 {
			t.Errorf("%d presentations, %d ends, revoked %d", n, ends, len(revoked))
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

func TestNoNewRefreshTokenMeansThatTheOldOneStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.RefreshToken = ""
			return renewal, nil
		}
		s, _ := r.signIn()
		for range 3 {
			time.Sleep(2 * time.Minute)
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.provider.presented; !slices.Equal(got, []session.Token{"rt-0", "rt-0", "rt-0"}) {
			t.Error("another token than rt-0 was presented")
		}
	})
}

func TestARefreshTokenBesideAnErrorIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			if n == 1 {
				return &session.Renewal{RefreshToken: "rt-1"}, &session.RefreshError{Class: session.Transient}
			}
			return r.provider.good(n), nil
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context(), session.Target{}); class(t, err) != session.Transient {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Fatal(err)
		}
		if got := r.provider.presented; !slices.Equal(got, []session.Token{"rt-0", "rt-1"}) {
			t.Error("the refresh token that came beside the error was not presented next")
		}
	})
}

func TestAStoreThatFailsLosesNoRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		full := errors.New("no space left on device")
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			r.store.breakWith(full)
			return r.provider.good(n), nil
		}
		time.Sleep(2 * time.Minute)
		_, err := s.Token(t.Context(), session.Target{})
		var away *session.StoreError
		if !errors.As(err, &away) {
			t.Fatalf("got %v, want a StoreError", err)
		}
		time.Sleep(time.Minute)
		r.store.breakWith(nil)
		time.Sleep(2 * time.Second)
		again, err := session.New(r.config)
		if err != nil {
			t.Fatal(err)
		}
		found, err := again.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.State().Grant.RefreshToken; got != "rt-1" {
			t.Errorf("the store holds %q", got.Reveal())
		}
	})
}

func TestAFullStoreKeepsTheRefreshTokenUnpresented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		r.store.breakWith(errors.New("no space left on device"))
		_, err := s.Token(t.Context(), session.Target{})
		var away *session.StoreError
		if !errors.As(err, &away) {
			t.Fatalf("got %v, want a StoreError", err)
		}
		if n, _, _ := r.provider.counts(); n != 0 {
			t.Errorf("%d presentations without a note", n)
		}
		r.store.breakWith(nil)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Error(err)
		}
	})
}

func TestAnotherIdentityEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-of-bob"
			return renewal, nil
		}
		r.provider.verify = func(session.Token) (*session.Identity, error) {
			return nil, errors.Join(session.ErrIdentity, errors.New("sub is bob"))
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		_, err := s.Token(t.Context(), session.Target{})
		if reason(t, err) != session.NotSameUser {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-1"}) {
			t.Errorf("revoked %d tokens", len(revoked))
		}
	})
}

func TestRefreshedClaimsReplaceTheOldOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
			renewal := r.provider.good(n)
			renewal.IDToken = "idt-1"
			return renewal, nil
		}
		r.provider.verify = func(raw session.Token) (*session.Identity, error) {
			return &session.Identity{IDToken: raw, Claims: map[string]any{"sub": "alice"}}, nil
		}
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := s.State().Grant
		if _, old := got.Claims["role"]; old || got.IDToken != "idt-1" {
			t.Errorf("claims %v", got.Claims)
		}
	})
}

func TestRefreshOnRequestIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			var slow *session.ThrottledError
			if err := s.Refresh(t.Context()); !errors.As(err, &slow) || slow.RetryAfter <= 0 {
				t.Fatalf("got %v", err)
			}
		}
		time.Sleep(5 * time.Second)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := r.provider.counts(); n != 2 {
			t.Errorf("%d presentations", n)
		}
	})
}

func TestAfterAnInteractionOnlyARequestForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Interaction, Demand: map[string]string{"acr_values": "mfa"}}
		}
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		for range 10 {
			time.Sleep(time.Minute)
			_, err := s.Token(t.Context(), session.Target{})
			var failed *session.RefreshError
			if !errors.As(err, &failed) || failed.Class != session.Interaction || failed.Demand["acr_values"] != "mfa" {
				t.Fatalf("got %v", err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations", n)
		}
		r.provider.set(func(p *provider) { p.answer = nil })
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
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
