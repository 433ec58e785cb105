package session_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// stepUp begins alice's next session in the place of old.
func (r *room) stepUp(old *session.Session) (*session.Session, string) {
	r.t.Helper()
	g := r.grant()
	g.RefreshToken = "rt-new"
	s, ticket, err := r.Begin(r.t.Context(), session.Start{Grant: g, Replaces: old.ID()})
	if err != nil {
		r.t.Fatal(err)
	}
	return s, ticket
}

func TestStreamsOfSeveralLoginsAgoEndWithTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		first, _ := r.signIn()
		second, _ := r.stepUp(first)
		third, _ := r.stepUp(second)
		if closed(first.Done()) || closed(second.Done()) {
			t.Fatal("a step-up closes streams")
		}
		if err := third.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		if !closed(first.Done()) || !closed(second.Done()) || !closed(third.Done()) {
			t.Error("a stream outlives the last session")
		}
	})
}

// A stream holds the handle of its own session, not that of the one that continues it.
func TestAStreamEndsWithASuccessorThatMemoryHadForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.CacheBytes = 1 })
		old, _ := r.signIn()
		_, ticket := r.stepUp(old)
		for range 100 { // push it out of the cache
			r.signIn()
		}
		synctest.Wait()
		runtime.GC()
		runtime.GC()
		again, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		if !closed(old.Done()) {
			t.Error("the stream outlives the session")
		}
		runtime.KeepAlive(old)
	})
}

// While a login replaces the old session, the new one can be found and ended already.
func TestAStreamEndsThoughTheSuccessorEndedBeforeItStood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		old, _ := r.signIn()
		r.store.during("Replace", func() { // of the old session
			found, err := r.OfSubject(t.Context(), "https://idp.example", "alice")
			if err != nil || len(found) != 2 {
				t.Errorf("found %d, %v", len(found), err)
			}
			for _, s := range found {
				if s.ID() == old.ID() {
					continue
				}
				if err := s.End(t.Context(), session.LoggedOut); err != nil {
					t.Error(err)
				}
			}
		})
		s, _ := r.stepUp(old)
		if !closed(s.Done()) || !closed(old.Done()) {
			t.Error("a stream outlives the end of what continues it")
		}
	})
}

func TestALoginAfterALogoutContinuesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		old, ticket := r.signIn()
		time.Sleep(time.Hour)
		if err := old.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		s, _ := r.stepUp(old)
		if s.State().Deadline.Equal(old.State().Deadline) {
			t.Error("the new session has the old one's limit")
		}
		if closed(s.Done()) {
			t.Error("the new session is over from the start")
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

// A logout in another tab, between the login's look at the old session and its end.
func TestALogoutDuringALoginDoesNotCloseTheNewStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		old, ticket := r.signIn()
		r.store.during("Create", func() {
			if err := old.End(t.Context(), session.LoggedOut); err != nil {
				t.Error(err)
			}
		})
		s, _ := r.stepUp(old)
		if closed(s.Done()) || !closed(old.Done()) {
			t.Error("the logout closes the streams of the old session and of no other")
		}
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}
