package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// issued begins a session of subject's, out of sid, whose login was at that second.
func (r *room) issued(subject, sid string, at time.Time) *session.Session {
	r.t.Helper()
	g := r.grant()
	g.Subject, g.ProviderSession, g.IssuedAt = subject, sid, at
	s, _, err := r.Begin(r.t.Context(), session.Start{Grant: g})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

const issuer = "https://idp.example"

func TestASignOutEndsWhatItNames(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		out  session.Word
		want string // of those below
	}{
		"a session at the provider":           {session.Word{Issuer: issuer, ProviderSession: "s1"}, "ab"},
		"the same, and whose it is":           {session.Word{Issuer: issuer, ProviderSession: "s1", Subject: "alice"}, "ab"},
		"the same, but somebody else's":       {session.Word{Issuer: issuer, ProviderSession: "s1", Subject: "bob"}, ""},
		"all of a subject":                    {session.Word{Issuer: issuer, Subject: "alice"}, "abce"},
		"one that nobody knows":               {session.Word{Issuer: issuer, ProviderSession: "s9", Subject: "alice"}, ""},
		"somebody whom nobody knows":          {session.Word{Issuer: issuer, Subject: "eve"}, ""},
		"another provider's of the same name": {session.Word{Issuer: "https://other.example", Subject: "alice"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, now := open(t, nil), time.Now().Truncate(time.Second)
				all := map[rune]*session.Session{
					'a': r.issued("alice", "s1", now.Add(-time.Hour)),
					'b': r.issued("alice", "s1", now),
					'c': r.issued("alice", "s2", now),
					'd': r.issued("alice", "s1", now.Add(time.Second)),
					'e': r.issued("alice", "", time.Time{}),
					'f': r.issued("bob", "s3", now),
				}
				row.out.At = now
				for again := range 2 {
					ended, err := r.SignedOut(t.Context(), row.out, session.ByProvider)
					if want := len(row.want) * (1 - again); err != nil || ended != want {
						t.Errorf("ended %d, want %d, %v", ended, want, err)
					}
				}
				for name, s := range all {
					var want session.Reason
					for _, w := range row.want {
						if w == name {
							want = session.ByProvider
						}
					}
					if got := s.State().Ended; got != want {
						t.Errorf("%c: ended by %q, want %q", name, got, want)
					}
				}
				synctest.Wait()
				if _, _, revoked := r.provider.counts(); len(revoked) != len(row.want) {
					t.Errorf("revoked %v", revoked)
				}
			})
		})
	}
}

func TestALoginThatTheProviderTookBackMeanwhileDoesNotBegin(t *testing.T) {
	t.Parallel()
	bySid := session.Word{Issuer: issuer, ProviderSession: "s1", Subject: "alice"}
	bySub := session.Word{Issuer: issuer, Subject: "alice"}
	for name, row := range map[string]struct {
		out          session.Word
		subject, sid string
		after        time.Duration // from the sign-out to the ID token
		begins       bool
	}{
		"of that session, before":              {bySid, "alice", "s1", -time.Second, false},
		"of that session, in the same second":  {bySid, "alice", "s1", 0, false},
		"of that session, afterwards":          {bySid, "alice", "s1", time.Second, true},
		"of another session":                   {bySid, "alice", "s2", -time.Second, true},
		"of that subject, before":              {bySub, "alice", "s1", -time.Second, false},
		"of that subject, in the same second":  {bySub, "alice", "s1", 0, true},
		"of that subject, without sid, before": {bySub, "alice", "", -time.Second, false},
		"of another subject":                   {bySub, "bob", "s1", -time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, now := open(t, nil), time.Now().Truncate(time.Second)
				old := r.issued("bob", "s0", now)
				for _, at := range []time.Time{now, now.Add(-time.Hour)} { // the earlier one comes late
					row.out.At = at
					if _, err := r.SignedOut(t.Context(), row.out, session.ByProvider); err != nil {
						t.Fatal(err)
					}
				}
				r.config.Keys = ring(t, 2, 1)
				g := r.grant()
				g.Subject, g.ProviderSession, g.IssuedAt = row.subject, row.sid, now.Add(row.after)
				// Another process, and a key that is newer than the sign-out.
				s, ticket, err := r.other().Begin(t.Context(), session.Start{Grant: g, Replaces: old.ID()})
				switch {
				case row.begins && (err != nil || s.State().Ended != ""):
					t.Errorf("got %v", err)
				case !row.begins && (reason(t, err) != session.ByProvider || s != nil || ticket != ""):
					t.Errorf("got %v", err)
				}
				if left, err := r.other().OfSubject(t.Context(), issuer, row.subject); err != nil || !row.begins && len(left) != map[string]int{"alice": 0, "bob": 1}[row.subject] {
					t.Errorf("%d sessions live, %v", len(left), err)
				}
				if got := r.readID(old.ID()).Ended; (got == "") == row.begins {
					t.Errorf("the browser's old session: %q", got)
				}
			})
		})
	}
}

// readID returns what a process that starts at this very moment finds.
func (r *room) readID(id session.ID) *session.State {
	r.t.Helper()
	s, err := r.other().Get(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.State()
}

func TestASignOutIsForgottenWhenNoLoginCanBeUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, now := open(t, nil), time.Now().Truncate(time.Second)
		if _, err := r.SignedOut(t.Context(), session.Word{Issuer: issuer, Subject: "alice", At: now}, session.ByProvider); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Minute)
		r.issued("alice", "s1", now.Add(-time.Minute))
	})
}

func TestASignOutThatTheStoreCannotTakeMayComeAgain(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Load", "Create", "Find", "Replace"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, now := open(t, nil), time.Now().Truncate(time.Second)
				sessions := []*session.Session{r.issued("alice", "s1", now), r.issued("alice", "s2", now), r.issued("alice", "s3", now)}
				out := session.Word{Issuer: issuer, Subject: "alice", At: now}
				r.store.during(op, func() { r.store.breakWith(errors.New("away")) })
				_, err := r.SignedOut(t.Context(), out, session.ByProvider)
				wantStoreError(t, err)
				r.store.breakWith(nil)
				if _, err := r.SignedOut(t.Context(), out, session.ByProvider); err != nil {
					t.Error(err)
				}
				for _, s := range sessions {
					if got := r.readID(s.ID()).Ended; got != session.ByProvider {
						t.Errorf("got %q", got)
					}
				}
			})
		})
	}
}

func TestALoginAmidASignOutIsOut(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Load", "Create", "Find"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, now := open(t, nil), time.Now().Truncate(time.Second)
				began := false
				r.store.during(op, func() {
					began = true
					g := r.grant()
					g.IssuedAt = now
					_, _, err := r.other().Begin(t.Context(), session.Start{Grant: g})
					if _, out := errors.AsType[*session.EndedError](err); err != nil && !out {
						t.Error(err)
					}
				})
				if _, err := r.SignedOut(t.Context(), session.Word{Issuer: issuer, ProviderSession: "sid-1", At: now}, session.ByProvider); err != nil {
					t.Fatal(err)
				}
				left, err := r.other().OfSubject(t.Context(), issuer, "alice")
				if err != nil || len(left) != 0 || !began {
					t.Errorf("%d sessions live, %v", len(left), err)
				}
			})
		})
	}
}

func TestAMarkIsSeenBeforeItIsMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		check := func(m *session.Manager, want error) {
			t.Helper()
			if err := m.Unused(context.Background(), "x", "v"); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		check(r.Manager, nil)
		check(r.Manager, nil)
		if err := r.Once(t.Context(), "x", "v", time.Hour); err != nil {
			t.Fatal(err)
		}
		check(r.Manager, session.ErrUsed)
		r.config.Keys = ring(t, 2, 1)
		check(r.other(), session.ErrUsed)
		time.Sleep(time.Hour)
		check(r.Manager, nil)
	})
}
