package session_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestOneHandleForOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.CacheBytes = 1 })
		held, ticket := r.signIn()
		for range 100 { // push it out of the cache
			r.signIn()
		}
		r.store.breakWith(errors.New("nobody needs it: the session is in memory"))
		again, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if again != held {
			t.Error("two handles for one session: a stream on the first would outlive its end")
		}
		r.store.breakWith(nil)
		found, err := r.OfSubject(t.Context(), "https://idp.example", "alice")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found {
			if s.ID() == held.ID() && s != held {
				t.Error("OfSubject has a handle of its own")
			}
		}
	})
}

// Sessions differ in size by more than an order of magnitude: a user of fifty groups, and a
// machine with three claims.
func TestMemoryIsBoundedByTheSizeOfSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bytes, size, sessions = 1 << 20, 20 << 10, 200
		r := open(t, func(c *session.Config) { c.CacheBytes = bytes })
		var tickets []string
		for range sessions {
			_, ticket, err := r.Begin(t.Context(), session.Start{Grant: session.Grant{Issuer: "https://idp.example", Subject: "alice", IDToken: session.Token(strings.Repeat("x", size))}})
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		}
		synctest.Wait()
		runtime.GC()
		runtime.GC()
		before := r.Counts().Hits
		for _, ticket := range slices.Backward(tickets) { // what one of them pushes out does not count
			if _, err := r.Open(t.Context(), ticket); err != nil && !errors.As(err, new(*session.EndedError)) {
				t.Fatal(err)
			}
		}
		if hits := int(r.Counts().Hits - before); hits == 0 || hits*size > bytes*3/2 {
			t.Errorf("%d sessions of %d bytes were in memory, which has %d", hits, size, bytes)
		}
	})
}

// A reader that is slow brings home a record of a live session. Meanwhile the session was
// ended and forgotten: what the reader has must not become the truth.
func TestASlowReaderBringsNoEndedSessionBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.CacheBytes = 1 })
		id, ticket := func() (session.ID, string) { s, ticket := r.signIn(); return s.ID(), ticket }()
		forget := func() {
			for range 100 {
				r.signIn()
			}
			synctest.Wait()
			runtime.GC()
			runtime.GC()
		}
		forget()
		r.store.during("Load", func() {
			s, err := r.Get(t.Context(), id)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Error(err)
			}
			s = nil
			forget()
		})
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

// The same, but for a handle that is still there and knows better.
func TestASlowReaderChangesNothingForWhoKnowsBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		r.halt()
		r.start()
		var held *session.Session
		r.store.during("Load", func() {
			var err error
			if held, err = r.Open(t.Context(), ticket); err != nil {
				t.Error(err)
				return
			}
			if err := held.End(t.Context(), session.LoggedOut); err != nil {
				t.Error(err)
			}
		})
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut || held.State().Ended == "" {
			t.Error(err)
		}
	})
}

func TestWhatASearchBringsHomeUpdatesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		a, ticket := r.signIn()
		elsewhere := r.other()
		b, err := elsewhere.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := elsewhere.OfSubject(t.Context(), "https://idp.example", "alice")
		if err != nil || len(found) != 1 || found[0] != b {
			t.Fatalf("found %d, %v", len(found), err)
		}
		if got := b.State().Grant.RefreshToken; got != "rt-1" {
			t.Errorf("memory holds %q", got.Reveal())
		}
	})
}

func TestMemoryForgetsSessionsThatNobodyHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.CacheBytes = 1 })
		p := func() weak.Pointer[session.Session] { s, _ := r.signIn(); return weak.Make(s) }()
		for range 100 {
			r.signIn()
		}
		synctest.Wait()
		runtime.GC()
		runtime.GC()
		if p.Value() != nil {
			t.Error("an evicted session that nobody holds is still in memory")
		}
	})
}
