package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// stream watches a session as a stream does, until its end or the test's.
func stream(t *testing.T, s *session.Session) *session.Watch {
	t.Helper()
	w, over := s.Watch(), make(chan struct{})
	go func() {
		defer close(over)
		look := time.NewTimer(0)
		defer look.Stop()
		for {
			select {
			case <-t.Context().Done():
				return
			case <-w.Done():
				return
			case <-look.C:
				look.Reset(w.Check(t.Context(), session.Target{}))
			}
		}
	}()
	t.Cleanup(func() { <-over; w.Stop() })
	return w
}

func heard(w *session.Watch) bool {
	select {
	case <-w.Changed():
		return true
	default:
		return false
	}
}

func TestAStreamKeepsItsTokenFreshAndIsNoActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = 15 * time.Minute })
		s, _ := r.signIn()
		began, w := time.Now(), stream(t, s)
		time.Sleep(10 * time.Minute)
		if n, _, _ := r.provider.counts(); n < 10 {
			t.Errorf("%d refreshes in ten lives of a token", n)
		}
		if closed(w.Done()) || !s.State().Grant.Access[session.Target{}].Holds(time.Now()) {
			t.Error("the stream is over, or its token has run out")
		}
		<-w.Done()
		if left := time.Since(began); left != 15*time.Minute || s.State().Ended != session.IdleLimit {
			t.Errorf("ended after %v: %s", left, s.State().Ended)
		}
	})
}

func TestAStreamEndsAtTheVeryMomentOfALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		r.halt() // nobody else ends it
		s, _ := r.signIn()
		w := stream(t, s)
		time.Sleep(30 * time.Minute)
		s.Touch()
		time.Sleep(time.Hour - time.Second)
		if closed(w.Done()) {
			t.Error("the activity did not count")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !closed(w.Done()) {
			t.Error("the stream goes on")
		}
	})
}

func TestARefusalEndsAStreamThatNobodyUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		w := stream(t, s)
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Refused}
			}
		})
		time.Sleep(time.Minute)
		if !closed(w.Done()) || s.State().Ended != session.TokenRefused {
			t.Errorf("the stream goes on; ended: %q", s.State().Ended)
		}
	})
}

func TestAnOutageOfTheProviderEndsNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		w := stream(t, s)
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Transient}
			}
		})
		time.Sleep(10 * time.Minute)
		if n, _, _ := r.provider.counts(); closed(w.Done()) || n > 150 {
			t.Errorf("the stream is over, or asked too often: %d times", n)
		}
		r.provider.set(func(p *provider) { p.answer = nil })
		time.Sleep(15 * time.Second)
		if !s.State().Grant.Access[session.Target{}].Holds(time.Now()) {
			t.Error("no token after the outage")
		}
	})
}

func TestAStreamWithoutARefreshTokenEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		g := r.grant()
		g.RefreshToken = ""
		s, _, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		w := stream(t, s)
		time.Sleep(time.Minute)
		if !closed(w.Done()) || s.State().Ended != session.TokenExpired {
			t.Errorf("the stream goes on; ended: %q", s.State().Ended)
		}
	})
}

func TestAStreamHearsOfChangesOnEveryProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		here, far := s.Watch(), there.Watch()
		defer here.Stop()
		defer far.Stop()
		synctest.Wait()
		if heard(here) || heard(far) {
			t.Error("something changed that did not")
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !heard(here) || !heard(far) {
			t.Error("a refresh was not heard of")
		}
		if far.Session().State().Grant.Generation != 1 {
			t.Error("the other process has the old state")
		}
		here.Stop()
		if err := s.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if heard(here) || !heard(far) {
			t.Error("heard after Stop, or not on the other process")
		}
	})
}

func TestAStreamGoesOnWithASessionThatAnotherProcessBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 3)
		old, ticket := r.signIn()
		var streams []*session.Watch
		for i := range all {
			s, err := all[i].Open(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, stream(t, s))
		}
		next, _ := r.stepUp(old)
		synctest.Wait()
		last, _ := r.stepUp(next)
		synctest.Wait()
		for i, w := range streams {
			if closed(w.Done()) || w.Session().ID() != last.ID() {
				t.Errorf("process %d: the stream is over, or hangs on the old session", i)
			}
		}
		found, err := all[1].Get(t.Context(), last.ID())
		if err != nil {
			t.Fatal(err)
		}
		if err := found.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, w := range streams {
			if !closed(w.Done()) {
				t.Errorf("process %d: the stream outlives its session", i)
			}
		}
	})
}

// The session ends on another process after the stream's request was let in, and before the
// stream listens.
func TestAStreamHearsOfAnEndJustBeforeItListened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // no more notices follow
		w := there.Watch()
		defer w.Stop()
		synctest.Wait()
		if !closed(w.Done()) {
			t.Error("the stream goes on")
		}
	})
}

func TestManyStreamsHearOfEndsDuringALostLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		var here []*session.Session
		var there []*session.Watch
		for range 3000 {
			s, ticket := r.signIn()
			far, err := all[1].Open(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			w := far.Watch()
			defer w.Stop()
			here, there = append(here, s), append(there, w)
		}
		all[1].view.unlink.Store(true)
		for _, s := range here {
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Fatal(err)
			}
		}
		all[1].view.unlink.Store(false)
		all[1].view.changed(session.ID{}) // the link is back, and has missed something
		synctest.Wait()
		open := 0
		for _, w := range there {
			if !closed(w.Done()) {
				open++
			}
		}
		if open > 0 {
			t.Errorf("%d streams go on", open)
		}
	})
}

func TestAStreamHearsOfAnEndThoughTheStoreFailsForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		w := there.Watch()
		defer w.Stop()
		all[1].view.blind.Store(true)
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(700 * time.Millisecond)
		if closed(w.Done()) {
			t.Error("ended, and nobody could know")
		}
		all[1].view.blind.Store(false)
		time.Sleep(300 * time.Millisecond)
		if !closed(w.Done()) {
			t.Error("the stream goes on")
		}
	})
}
