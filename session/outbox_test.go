package session_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestWhichEndsRevokeTheRefreshToken(t *testing.T) {
	for _, row := range []struct {
		why        session.Reason
		usual, off bool // off: with KeepTokens
	}{
		{session.LoggedOut, true, false},
		{session.IdleLimit, true, false},
		{session.AbsoluteLimit, true, false},
		{session.Replaced, true, false},
		{session.AccessDenied, true, false},
		{session.OutcomeLost, true, false},
		{session.TokenExpired, true, false},
		{session.ByUser, true, false},
		{session.ByOperator, true, false},
		{session.ByProvider, true, false},
		{session.FrontChannel, true, false},
		{session.TooMany, true, false},
		{session.TokenRefused, false, false},
		{session.NotSameUser, true, true},
	} {
		t.Run(string(row.why), func(t *testing.T) {
			for keep, want := range map[bool]bool{false: row.usual, true: row.off} {
				synctest.Test(t, func(t *testing.T) {
					r := open(t, func(c *session.Config) { c.KeepTokens = keep })
					s, _ := r.signIn()
					if err := s.End(t.Context(), row.why); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					if _, _, revoked := r.provider.counts(); (len(revoked) == 1) != want {
						t.Errorf("KeepTokens %v: revoked %d", keep, len(revoked))
					}
				})
			}
		})
	}
}

// There is no moment in which a session is over and its refresh token forgotten: the write
// that ends it is the write that keeps the token for its revocation.
func TestEveryWayToEndKeepsTheRefreshTokenForItsRevocation(t *testing.T) {
	for _, row := range []struct {
		why session.Reason
		end func(t *testing.T, r *room, s *session.Session, ticket string)
	}{
		{session.LoggedOut, func(t *testing.T, _ *room, s *session.Session, _ string) {
			must(t, s.End(t.Context(), session.LoggedOut))
		}},
		{session.ByUser, func(t *testing.T, _ *room, s *session.Session, _ string) { must(t, s.End(t.Context(), session.ByUser)) }},
		{session.ByOperator, func(t *testing.T, r *room, s *session.Session, _ string) {
			_, err := r.EndAll(t.Context(), []session.ID{s.ID()}, session.ByOperator)
			must(t, err)
		}},
		{session.ByProvider, func(t *testing.T, r *room, _ *session.Session, _ string) {
			found, err := r.OfProviderSession(t.Context(), "https://idp.example", "sid-1")
			must(t, err)
			_, err = r.EndAll(t.Context(), []session.ID{found[0].ID()}, session.ByProvider)
			must(t, err)
		}},
		{session.IdleLimit, func(t *testing.T, r *room, _ *session.Session, ticket string) {
			time.Sleep(8 * time.Hour)
			_, err := r.Open(t.Context(), ticket)
			if reason(t, err) != session.IdleLimit {
				t.Error(err)
			}
		}},
		{session.AbsoluteLimit, func(t *testing.T, r *room, s *session.Session, ticket string) {
			for range 24 {
				time.Sleep(7 * time.Hour)
				s.Touch()
			}
			_, err := r.Open(t.Context(), ticket)
			if reason(t, err) != session.AbsoluteLimit {
				t.Error(err)
			}
		}},
		{session.TooMany, func(_ *testing.T, r *room, _ *session.Session, _ string) {
			time.Sleep(time.Second)
			r.signInWith(r.Manager, "rt-other", session.ID{})
		}},
		{session.Replaced, func(_ *testing.T, r *room, s *session.Session, _ string) {
			r.signInWith(r.Manager, "rt-other", s.ID())
		}},
	} {
		t.Run(string(row.why), func(t *testing.T) {
			for _, keep := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					r := open(t, func(c *session.Config) { c.MaxPerUser, c.KeepTokens = 1, keep })
					r.halt() // nobody revokes, or ends what is at its limit
					s, ticket := r.signIn()
					row.end(t, r, s, ticket)
					found, err := r.other().Get(t.Context(), s.ID())
					if err != nil {
						t.Fatal(err)
					}
					st := found.State()
					if st.Ended != row.why || st.Grant.RefreshToken != "" {
						t.Errorf("ended for %q, and the grant is kept: %v", st.Ended, st.Grant.RefreshToken != "")
					}
					if record, err := r.store.Load(t.Context(), s.ID()); err != nil || record.Version != 2 {
						t.Errorf("it took %d writes, %v", record.Version-1, err)
					}
					switch {
					case keep && st.Outbox != nil:
						t.Error("a token is to be revoked that is to be kept")
					case !keep && (st.Outbox == nil || len(st.Outbox.Revoke) != 1 || st.Outbox.Revoke[0].Token != "rt-0"):
						t.Error("the refresh token is forgotten")
					}
				})
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARevocationBeginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // no time passes
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

func TestARefreshThatComesHomeAfterALogoutIsKeptIfTokensAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.KeepTokens = true })
		r.provider.delay = 5 * time.Second
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		done := make(chan error, 1)
		go func() { _, err := s.Token(t.Context(), session.Target{}); done <- err }()
		synctest.Wait()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		if err := <-done; reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 0 {
			t.Errorf("revoked %d", len(revoked))
		}
		if st := s.State(); st.Grant.RefreshToken != "" || st.Outbox != nil {
			t.Error("the tombstone holds a refresh token")
		}
	})
}

func TestWhatComesHomeAfterALogoutJoinsWhatWaitsForTheProvider(t *testing.T) {
	for _, row := range []struct {
		name  string
		fresh session.Token
		want  []session.Token
	}{
		{"another refresh token", "rt-1", []session.Token{"rt-0", "rt-1"}},
		{"the same one", "rt-0", []session.Token{"rt-0"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				r.provider.delay = 5 * time.Second
				r.provider.revokeFail = errors.New("503")
				r.provider.answer = func(n int, _ *session.Grant) (*session.Renewal, error) {
					renewal := r.provider.good(n)
					renewal.RefreshToken = row.fresh
					return renewal, nil
				}
				s, _ := r.signIn()
				go func() { _ = s.Refresh(t.Context()) }()
				synctest.Wait()
				if err := s.End(t.Context(), session.LoggedOut); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				r.provider.set(func(p *provider) { p.revokeFail = nil })
				time.Sleep(time.Minute)
				_, _, revoked := r.provider.counts()
				slices.Sort(revoked)
				if !slices.Equal(revoked, row.want) {
					t.Errorf("revoked %d tokens", len(revoked))
				}
			})
		})
	}
}

// The crash comes between the answer to the logout and the first try at the provider.
func TestARevocationIsWrittenWithTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.halt()
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		r.start() // all that the new process knows is the record
		time.Sleep(2 * time.Second)
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-0"}) {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

func TestTwoProcessesDoNotTryOneRevocationAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		s, _ := r.signIn()
		r.start() // the second process; both go on running
		hung := make(chan struct{})
		r.provider.set(func(p *provider) { p.revokeHang = hung })
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		close(hung)
		time.Sleep(time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d times", len(revoked))
		}
	})
}

func TestARevocationIsTriedForAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Time
		var mu sync.Mutex
		r := open(t, func(c *session.Config) {
			c.Observe = func(e session.Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Kind == session.Revoked {
					tries = append(tries, time.Now())
				}
			}
		})
		r.provider.revokeFail = errors.New("503")
		s, ticket := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		mu.Lock()
		n := len(tries)
		mu.Unlock()
		// From a second doubling to sixteen, half of it by chance, looked at each second.
		if n < 3600/17 || n > 3600/8+10 {
			t.Errorf("%d tries in an hour", n)
		}
		if left := time.Until(r.store.expiry(s.ID())); left < 29*24*time.Hour || left > 30*24*time.Hour {
			t.Errorf("the record is kept for another %v", left)
		}
		time.Sleep(24 * time.Hour)
		if _, err := r.Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("the browser hears of the end for longer than a day: %v", err)
		}
		r.provider.set(func(p *provider) { p.revokeFail = nil })
		time.Sleep(20 * time.Second)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d", len(revoked))
		}
		time.Sleep(time.Second)
		if left := time.Until(r.store.expiry(s.ID())); left > 0 {
			t.Errorf("the record is kept for another %v", left)
		}
	})
}

func TestARevocationThatIsCutOffByTheShutdownIsTriedByTheNextProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		hung := make(chan struct{})
		defer close(hung)
		r.provider.set(func(p *provider) { p.revokeHang = hung })
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.store.during("Replace", func() { time.Sleep(time.Second) })
		began := time.Now()
		r.halt()
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("the shutdown waited %v, and the store needs a second", waited)
		}
		before := r.store.written()
		time.Sleep(2 * time.Second)
		if n := r.store.written() - before; n != 0 {
			t.Errorf("%d writes after Run has returned, to a store that may be closed", n)
		}
		r.provider.set(func(p *provider) { p.revokeHang = nil })
		r.start()
		time.Sleep(20 * time.Second)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

func TestARecordThatNoKeyOpensStandsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = 5 * time.Minute })
		for range 300 { // more than one batch
			r.signIn()
		}
		r.halt()
		strange := maps.Clone(r.store.records)
		for _, rec := range strange {
			rec.Data[1] ^= 0xff // names another key
		}
		time.Sleep(time.Second)
		r.start()
		s, _ := r.signIn()
		time.Sleep(5*time.Minute + 3*time.Second)
		if !closed(s.Done()) {
			t.Error("the limit of a session is not seen behind records that cannot be opened")
		}
		r.halt()
		for id, rec := range strange {
			got := r.store.records[id]
			if !slices.Equal(got.Data, rec.Data) || !slices.Equal(got.Index, rec.Index) || !got.Expires.Equal(rec.Expires) {
				t.Error("a record that cannot be opened was changed")
			}
		}
	})
}

func TestTheHintIsForgottenThoughARevocationIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.revokeFail = errors.New("503")
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		if s.State().Grant.IDToken == "" {
			t.Error("the hint is gone before its time")
		}
		time.Sleep(2 * time.Minute)
		if s.State().Grant.IDToken != "" {
			t.Error("the ID token is there still")
		}
	})
}

func TestManyLimitsThatComeAtOnceAreAttendedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = 5 * time.Minute })
		var all []*session.Session
		for range 600 {
			s, _ := r.signIn()
			all = append(all, s)
		}
		time.Sleep(5*time.Minute + time.Second)
		for _, s := range all {
			if !closed(s.Done()) {
				t.Fatal("a stream waits for the next second")
			}
		}
	})
}

func TestTwoProcessesThatLookAtOnceTryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.SoleOwner = false })
		s, _ := r.signIn()
		r.halt()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		hung := make(chan struct{})
		r.provider.set(func(p *provider) { p.revokeHang = hung })
		r.store.during("Due", func() { time.Sleep(10 * time.Millisecond) }) // one of them is slow
		r.start()
		r.start()
		time.Sleep(5 * time.Second)
		close(hung)
		time.Sleep(time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d times", len(revoked))
		}
	})
}

func TestAProviderThatHangsHoldsNoSlotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		hung := make(chan struct{})
		defer close(hung)
		r.provider.set(func(p *provider) { p.revokeHang = hung })
		for range 20 {
			s, _ := r.signIn()
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		r.provider.set(func(p *provider) { p.revokeHang = nil })
		time.Sleep(30 * time.Second)
		if _, _, revoked := r.provider.counts(); len(revoked) != 20 {
			t.Errorf("revoked %d of 20", len(revoked))
		}
	})
}

func TestARevocationThatSucceedsDuringTheShutdownIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *room
		r = open(t, func(c *session.Config) {
			c.Observe = func(e session.Event) {
				if e.Kind == session.Revoked {
					r.stop()
				}
			}
		})
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.halt()
		r.start()
		time.Sleep(time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 1 {
			t.Errorf("revoked %d times", len(revoked))
		}
	})
}

func TestAFailedClaimHoldsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.halt()
		for range 20 {
			s, _ := r.signIn()
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Fatal(err)
			}
		}
		r.store.goDeaf(errors.New("connection reset"))
		r.start()
		time.Sleep(time.Minute)
		r.store.goDeaf(nil)
		time.Sleep(time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 20 {
			t.Errorf("revoked %d of 20", len(revoked))
		}
	})
}

func TestRevocationsThatWaitLongAreOutOfTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		hung := make(chan struct{})
		r.provider.set(func(p *provider) { p.revokeHang = hung })
		for range 2000 {
			s, _ := r.signIn()
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second)
		due, err := r.store.Due(t.Context(), time.Now(), 2000)
		if err != nil || len(due) > 300 {
			t.Errorf("each look goes through %d records, %v", len(due), err)
		}
		r.provider.set(func(p *provider) { p.revokeHang = nil })
		close(hung)
		time.Sleep(10 * time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 2000 {
			t.Errorf("revoked %d of 2000", len(revoked))
		}
	})
}
