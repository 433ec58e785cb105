package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// restore begins anew on what a backup had of one session.
func (r *room) restore(backup session.Record, keys ...byte) {
	r.t.Helper()
	r.halt()
	back, live, err := session.Restored(ring(r.t, keys...), backup)
	if err != nil || !live {
		r.t.Fatalf("live %v, %v", live, err)
	}
	r.store = newMemory()
	r.config.Store, r.config.Keys = r.store, ring(r.t, keys...)
	if err := r.store.Create(r.t.Context(), back); err != nil {
		r.t.Fatal(err)
	}
	r.start()
}

// backup is what a backup has of a session.
func (r *room) backup(id session.ID) session.Record {
	r.t.Helper()
	record, err := r.store.Load(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return record
}

func TestARestoredSessionShowsItsRefreshTokenBeforeAnythingIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		r.restore(r.backup(s.ID()), 1)
		again, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations, want one", n)
		}
		at, err := again.Token(t.Context(), session.Target{})
		if err != nil || at.Token.Reveal() != "at-1" {
			t.Errorf("token %q, %v", at.Token.Reveal(), err)
		}
		if _, err := r.Open(t.Context(), ticket); err != nil || r.read(ticket).Unproven {
			t.Errorf("it has to prove itself twice: %v", err)
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations, want one", n)
		}
	})
}

func TestASessionThatEndedAfterTheBackupEndsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		backup := r.backup(s.ID())
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Refused, Code: "invalid_grant", Err: errors.New("revoked")}
			}
		})
		r.restore(backup, 1)
		for range 2 {
			if _, err := r.Open(t.Context(), ticket); reason(t, err) != session.TokenRefused {
				t.Errorf("got %v", err)
			}
		}
		if n, _, _ := r.provider.counts(); n != 1 {
			t.Errorf("%d presentations, want one", n)
		}
	})
}

func TestARestoredSessionWithoutARefreshTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		grant := r.grant()
		grant.RefreshToken = ""
		s, ticket, err := r.Begin(t.Context(), session.Start{Grant: grant})
		if err != nil {
			t.Fatal(err)
		}
		r.restore(r.backup(s.ID()), 1)
		if _, err := r.Open(t.Context(), ticket); reason(t, err) != session.TokenExpired {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnOutageEndsNoRestoredSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		r.restore(r.backup(s.ID()), 1)
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Transient, Err: errors.New("away")}
			}
		})
		if _, err := r.Open(t.Context(), ticket); class(t, err) != session.Transient {
			t.Errorf("got %v", err)
		}
		r.provider.set(func(p *provider) { p.answer = nil })
		time.Sleep(time.Minute)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
}

func TestARestoredSessionIsFoundUnderTheNewestKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.restore(r.backup(s.ID()), 2, 1)
		r.config.Keys = ring(t, 2)
		found, err := r.other().OfSubject(t.Context(), "https://idp.example", "alice")
		if err != nil || len(found) != 1 {
			t.Errorf("%d found, %v", len(found), err)
		}
	})
}

func TestWhatIsNoLiveSessionGoesBackAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		tombstone := r.backup(s.ID())
		for what, record := range map[string]session.Record{"tombstone": tombstone, "used value": {ID: session.ID{1}, Version: 1, Expires: time.Now()}} {
			back, live, err := session.Restored(ring(t, 1), record)
			if err != nil || live || string(back.Data) != string(record.Data) || !back.Due.Equal(record.Due) || !back.Expires.Equal(record.Expires) {
				t.Errorf("%s: live %v, %v", what, live, err)
			}
		}
		if _, _, err := session.Restored(ring(t, 9), tombstone); !errors.Is(err, session.ErrSealed) {
			t.Errorf("without its key: %v", err)
		}
	})
}
