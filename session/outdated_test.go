package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// changed is word that something about alice has changed, as of now.
func changed() session.Word { return session.Word{Issuer: issuer, Subject: "alice", At: time.Now()} }

// outdate tells the manager of it; so many sessions hear.
func (r *room) outdate(n int) {
	r.t.Helper()
	if got, err := r.Outdated(r.t.Context(), changed()); err != nil || got != n {
		r.t.Fatalf("%d sessions heard of it, want %d: %v", got, n, err)
	}
}

func (r *room) presented(n int) {
	r.t.Helper()
	if got, _, _ := r.provider.counts(); got != n {
		r.t.Errorf("refresh tokens were presented %d times, want %d", got, n)
	}
}

func TestAnOutdatedSessionRefreshesOnceBeforeItIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		orders := session.Target{Audience: "orders"}
		if _, err := s.Token(t.Context(), orders); err != nil {
			t.Fatal(err)
		}
		later := r.issued("alice", "s2", time.Now().Add(time.Second))
		bob := r.issued("bob", "s3", time.Time{})
		r.outdate(1)
		if at := s.State().Grant.Access[orders]; at.Holds(time.Now()) {
			t.Error("a token of another target still holds")
		}
		if again, err := r.other().Open(t.Context(), ticket); err != nil || again.State().Outdated == 0 {
			t.Errorf("another process has not heard of it: %v", err)
		}
		for range 3 {
			if err := s.UpToDate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-2" {
				t.Errorf("got %s, %v", at.Token.Reveal(), err)
			}
		}
		for _, o := range []*session.Session{later, bob} {
			if err := o.UpToDate(t.Context()); err != nil || o.State().Outdated != 0 {
				t.Errorf("another session is outdated, too: %v", err)
			}
		}
		r.presented(2)
	})
}

func TestAnOutdatedSessionOutlivesAnOutageOfTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient}
		}
		r.outdate(1)
		r.halt()
		r.start()
		s, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got := class(t, s.UpToDate(t.Context())); got != session.Transient {
				t.Errorf("got %v", got)
			}
			time.Sleep(20 * time.Second)
		}
		r.provider.set(func(p *provider) { p.answer = nil })
		if err := s.UpToDate(t.Context()); err != nil || s.State().Outdated != 0 || s.State().Ended != "" {
			t.Errorf("%v, %+v", err, s.State())
		}
	})
}

// What a refresh brings that is under way, the provider may have made before the change.
func TestARefreshThatBeganBeforeTheChangeIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.provider.delay = 5 * time.Second
		time.Sleep(time.Minute)
		got := make(chan error, 1)
		go func() { _, err := s.Token(t.Context(), session.Target{}); got <- err }()
		time.Sleep(time.Second)
		r.outdate(1)
		if err := <-got; err != nil {
			t.Errorf("who had waited got %v", err)
		}
		if err := s.UpToDate(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.presented(2)
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-2" {
			t.Errorf("got %s, %v", at.Token.Reveal(), err)
		}
		r.presented(2)
	})
}

func TestAChangeAfterAFailedRefreshNeedsOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.provider.delay = 5 * time.Second
		r.provider.answer = func(int, *session.Grant) (*session.Renewal, error) {
			return nil, &session.RefreshError{Class: session.Transient}
		}
		time.Sleep(time.Minute)
		go func() { _, _ = s.Token(t.Context(), session.Target{}) }() // it fails: see above
		time.Sleep(time.Second)
		r.outdate(1)
		time.Sleep(time.Minute)
		r.provider.set(func(p *provider) { p.answer = nil })
		before, _, _ := r.provider.counts()
		if err := s.UpToDate(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.presented(before + 1)
	})
}

func TestAnOutdatedSessionWithoutARefreshTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		g := r.grant()
		g.RefreshToken = ""
		s, _, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		r.outdate(1)
		if got := reason(t, s.UpToDate(t.Context())); got != session.TokenExpired {
			t.Errorf("ended by %s", got)
		}
		r.outdate(0)
	})
}

func TestAStreamMakesItsOutdatedSessionRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Minute })
		r.provider.lifetime = time.Hour
		s, _ := r.signIn()
		w := s.Watch()
		defer w.Stop()
		w.Check(t.Context(), session.Target{})
		r.outdate(1)
		<-w.Changed()
		w.Check(t.Context(), session.Target{})
		synctest.Wait()
		if r.presented(1); s.State().Outdated != 0 {
			t.Error("it is outdated still")
		}
	})
}

func TestExchangedTokensOfAnOutdatedSessionAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := openWith(t, nil)
		s, _ := r.signIn()
		first, err := s.ExchangedToken(t.Context(), ledger)
		if err != nil {
			t.Fatal(err)
		}
		r.outdate(1)
		if err := s.UpToDate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if next, err := s.ExchangedToken(t.Context(), ledger); err != nil || next.Token == first.Token {
			t.Errorf("got %s, %v", next.Token.Reveal(), err)
		}
	})
}

func TestAChangeThatTheStoreCannotTakeIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.signIn()
		away := errors.New("away")
		for _, f := range []func(){
			func() { r.store.breakWith(away) },
			func() { r.store.during("Replace", func() { r.store.breakWith(away) }) },
		} {
			f()
			_, err := r.Outdated(t.Context(), changed())
			wantStoreError(t, err)
			r.store.breakWith(nil)
		}
		r.outdate(1)
	})
}
