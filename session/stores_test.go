package session_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
)

// onEachStore runs a test on memory and on a file. The life of a session must not depend
// on where its record lies.
func onEachStore(t *testing.T, test func(t *testing.T, r *room)) {
	for name, fresh := range map[string]func(*testing.T) session.Store{
		"memory": func(*testing.T) session.Store { return newMemory() },
		"bolt":   func(t *testing.T) session.Store { return openBolt(t, filepath.Join(t.TempDir(), "sessions.db")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := fresh(t)
				test(t, open(t, func(c *session.Config) { c.Store = store }))
			})
		})
	}
}

func openBolt(t *testing.T, path string) *boltstore.Store {
	t.Helper()
	s, err := boltstore.Open(path, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestALifeOnEachStore(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		s, ticket := r.signIn()
		for n := range 5 { // refreshed by fifty at a time, and by a new process each time
			time.Sleep(2 * time.Minute)
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					if _, err := s.Token(t.Context(), session.Target{}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			s.Touch()
			if shown, most, _ := r.provider.counts(); shown != n+1 || most != 1 {
				t.Fatalf("%d presentations, %d at once", shown, most)
			}
			r.halt()
			r.start()
			var err error
			if s, err = r.Open(t.Context(), ticket); err != nil {
				t.Fatal(err)
			}
			if idle := time.Since(s.State().Seen); idle != 0 {
				t.Errorf("the new process thinks that nobody was here for %v", idle)
			}
		}
		found, err := r.OfSubject(t.Context(), "https://idp.example", "alice")
		if err != nil || len(found) != 1 || found[0] != s {
			t.Errorf("found %d, %v", len(found), err)
		}
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-5"}) {
			t.Errorf("revoked %d", len(revoked))
		}
		r.halt()
		r.start()
		_, err = r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
		time.Sleep(25 * time.Hour)
		if _, err := r.Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
			t.Error(err)
		}
	})
}

func TestALogoutDuringARefreshOnEachStore(t *testing.T) {
	onEachStore(t, func(t *testing.T, r *room) {
		r.provider.delay = 5 * time.Second
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				s.Touch()
				if _, err := s.Token(t.Context(), session.Target{}); reason(t, err) != session.LoggedOut {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		time.Sleep(time.Minute)
		_, _, revoked := r.provider.counts()
		slices.Sort(revoked)
		if !slices.Equal(revoked, []session.Token{"rt-0", "rt-1"}) {
			t.Errorf("revoked %d", len(revoked))
		}
		r.halt()
		r.start()
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

func TestASessionOutlivesAKill(t *testing.T) {
	for _, row := range []struct {
		name  string
		crash func(r *room, copyFile func()) // the file is copied at the moment of the kill
		want  []session.Token                // that the next process presents
	}{
		{"before the exchange", func(_ *room, copyFile func()) { copyFile() }, []session.Token{"rt-0"}},
		{"during the exchange", func(r *room, copyFile func()) {
			r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
				copyFile()
				return r.provider.good(n), nil
			}
		}, []session.Token{"rt-0"}},
		{"before the ID token is checked", func(r *room, copyFile func()) {
			r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
				renewal := r.provider.good(n)
				renewal.IDToken = "idt-1"
				return renewal, nil
			}
			r.provider.verify = func(session.Token) (*session.Identity, error) {
				copyFile()
				return nil, errors.New("the keys are not to be had")
			}
		}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				path, killed := filepath.Join(dir, "sessions.db"), filepath.Join(dir, "killed.db")
				store := openBolt(t, path)
				r := open(t, func(c *session.Config) { c.Store = store })
				s, ticket := r.signIn()
				time.Sleep(2 * time.Minute)
				row.crash(r, func() { copyFile(t, path, killed) })
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Fatal(err)
				}
				r.halt()
				r.provider = &provider{lifetime: time.Minute}
				r.config.Store, r.config.Refresher = openBolt(t, killed), r.provider
				r.start()
				s, err := r.Open(t.Context(), ticket)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Token(t.Context(), session.Target{}); err != nil {
					t.Error(err)
				}
				if got := r.provider.presented; !slices.Equal(got, row.want) {
					t.Errorf("%d presentations", len(got))
				}
			})
		})
	}
}

// copyFile copies a database that nobody writes to at the moment.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Error(err)
		return
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Error(err)
	}
}

func TestAClosedStoreEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		store := openBolt(t, path)
		r := open(t, func(c *session.Config) { c.Store = store })
		s, ticket := r.signIn()
		r.halt()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		wantStoreError(t, s.End(t.Context(), session.LoggedOut))
		if at, err := s.Token(t.Context(), session.Target{}); err != nil || at.Token != "at-0" {
			t.Errorf("a token that holds: %q, %v", at.Token.Reveal(), err)
		}
		r.config.Store = openBolt(t, path)
		r.start()
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
}
