package session_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestATicketIsSmallAndUnrelatedToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, one := r.signIn()
		_, two := r.signIn()
		if len(one) > 200 {
			t.Errorf("a ticket of %d bytes", len(one))
		}
		if one == two || one[:40] == two[:40] {
			t.Error("two tickets are alike")
		}
	})
}

func TestAChangedTicketIsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		for i := range ticket {
			forged := []byte(ticket)
			forged[i] ^= 1
			if _, err := r.Open(t.Context(), string(forged)); !errors.Is(err, session.ErrNoSession) {
				// The last characters of base64 may hold unused bits.
				if i < len(ticket)-2 {
					t.Errorf("byte %d flipped: %v", i, err)
				}
			}
		}
	})
}

func TestTheIdleLimitEndsAnUnusedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		_, used := r.signIn()
		_, unused := r.signIn()
		for range 5 {
			time.Sleep(50 * time.Minute)
			s, err := r.Open(t.Context(), used)
			if err != nil {
				t.Fatal(err)
			}
			s.Touch()
		}
		_, err := r.Open(t.Context(), unused)
		if reason(t, err) != session.IdleLimit {
			t.Error(err)
		}
	})
}

func TestLookingAtASessionIsNoActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = 3 * time.Second })
		s, ticket := r.signIn()
		for range 29 {
			time.Sleep(100 * time.Millisecond)
			if _, err := r.Open(t.Context(), ticket); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(200 * time.Millisecond)
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.IdleLimit {
			t.Error(err)
		}
	})
}

func TestNothingMovesTheAbsoluteLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.AbsoluteTimeout = 24 * time.Hour })
		_, ticket := r.signIn()
		for range 47 {
			time.Sleep(30 * time.Minute)
			s, err := r.Open(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			s.Touch()
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Minute)
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.AbsoluteLimit {
			t.Error(err)
		}
	})
}

func TestAnExpiredSessionIsRevokedThoughNobodyAsksForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		r.signIn()
		time.Sleep(time.Hour + 3*time.Second)
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-0"}) {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

func TestActivityOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		s, ticket := r.signIn()
		time.Sleep(50 * time.Minute)
		s.Touch()
		r.halt()
		r.start()
		time.Sleep(50 * time.Minute)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
}

func TestActivityIsWrittenInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.store.mu.Lock()
		before := r.store.writes
		r.store.mu.Unlock()
		for range 10_000 {
			s.Touch()
			time.Sleep(10 * time.Millisecond)
		}
		r.store.mu.Lock()
		defer r.store.mu.Unlock()
		if n := r.store.writes - before; n > 3 {
			t.Errorf("%d writes for 100 seconds of activity", n)
		}
	})
}

func TestALogoutIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 5 * time.Second
		s, ticket := r.signIn()
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				s.Touch()
				_, err := s.Token(t.Context(), session.Target{})
				if reason(t, err) != session.LoggedOut {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		time.Sleep(time.Second)
		began := time.Now()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the logout waited %v for the refresh", waited)
		}
		if !closed(s.Done()) {
			t.Error("Done is open")
		}
		all.Wait()
		time.Sleep(2 * time.Minute)
		_, err := r.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
		_, _, revoked := r.provider.counts()
		slices.Sort(revoked)
		if !slices.Equal(revoked, []session.Token{"rt-0", "rt-1"}) {
			t.Errorf("revoked %d tokens, want the old and the fresh one", len(revoked))
		}
	})
}

func TestNoWriteBringsAnEndedSessionBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = 10 * time.Second })
		s, ticket := r.signIn()
		// Another process ends the session behind our back.
		other, err := session.New(r.config)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := other.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := s2.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		s.Touch()
		time.Sleep(5 * time.Second)
		_ = s.Refresh(t.Context())
		_ = s.Expire(t.Context())
		third, err := session.New(r.config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = third.Open(t.Context(), ticket)
		if reason(t, err) != session.LoggedOut {
			t.Error(err)
		}
	})
}

func TestATombstoneIsForgottenAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(23 * time.Hour)
		for _, m := range []*session.Manager{r.Manager, r.other()} {
			_, err := m.Open(t.Context(), ticket)
			if reason(t, err) != session.LoggedOut {
				t.Error(err)
			}
		}
		time.Sleep(2 * time.Hour)
		if _, err := r.Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
			t.Error(err)
		}
	})
}

func TestATombstoneHoldsNoTokenButTheHintForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		r.provider.delay = time.Hour // an attempt is under way
		go func() { _ = s.Refresh(t.Context()) }()
		synctest.Wait()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		st := s.State()
		if st.Grant.RefreshToken != "" || st.Grant.Access != nil || st.Outbox != nil || st.Grant.IDToken == "" {
			t.Error("a tombstone holds the ID token and nothing else")
		}
		if st.Grant.Claims != nil || st.Attempt != nil || st.Trouble != nil {
			t.Error("a tombstone remembers what it has no use for")
		}
		r.store.mu.Lock()
		index := r.store.records[s.ID()].Index
		r.store.mu.Unlock()
		if len(index) != 0 {
			t.Error("a tombstone can be found by its subject")
		}
		time.Sleep(6 * time.Minute)
		if s.State().Grant.IDToken != "" {
			t.Error("the ID token is there still")
		}
	})
}

func TestARevocationOutlivesTheProvidersOutageAndARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.revokeFail = errors.New("503")
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		r.halt()
		r.start()
		time.Sleep(time.Hour)
		r.provider.set(func(p *provider) { p.revokeFail = nil })
		time.Sleep(30 * time.Second)
		if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-0"}) {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

func TestATokenThatComesHomeDuringARevocationIsRevokedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.provider.delay = 5 * time.Second
		s, _ := r.signIn()
		time.Sleep(2 * time.Minute)
		go func() { _, _ = s.Token(t.Context(), session.Target{}) }()
		synctest.Wait()
		hung := make(chan struct{})
		r.provider.set(func(p *provider) { p.revokeHang = hung })
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second) // the refresh has come home, the first revocation hangs
		r.provider.set(func(p *provider) { p.revokeHang = nil })
		close(hung)
		time.Sleep(time.Minute)
		_, _, revoked := r.provider.counts()
		slices.Sort(revoked)
		if !slices.Equal(slices.Compact(revoked), []session.Token{"rt-0", "rt-1"}) {
			t.Errorf("revoked %d tokens, want the old and the fresh one", len(revoked))
		}
		if s.State().Outbox != nil {
			t.Error("the outbox is not empty")
		}
	})
}

func TestKeepTokensRevokesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.KeepTokens = true })
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, _, revoked := r.provider.counts(); len(revoked) != 0 {
			t.Errorf("revoked %d", len(revoked))
		}
	})
}

func TestANewLoginEndsTheOldSessionAndContinuesTheSameUsers(t *testing.T) {
	for _, row := range []struct {
		name            string
		issuer, subject string
		same            bool
	}{
		{"the same user", "https://idp.example", "alice", true},
		{"another user", "https://idp.example", "bob", false},
		{"another issuer's user of that name", "https://other.example", "alice", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, nil)
				old, ticket := r.signIn()
				time.Sleep(30 * time.Second)
				g := r.grant()
				g.RefreshToken, g.Issuer, g.Subject = "rt-new", row.issuer, row.subject
				s, newTicket, err := r.Begin(t.Context(), session.Start{Grant: g, Replaces: old.ID()})
				if err != nil {
					t.Fatal(err)
				}
				if newTicket == ticket {
					t.Error("the ticket did not change")
				}
				if got := s.State().Deadline.Equal(old.State().Deadline); got != row.same {
					t.Errorf("deadline kept: %v", got)
				}
				_, err = r.Open(t.Context(), ticket)
				if reason(t, err) != session.Replaced {
					t.Error(err)
				}
				if closed(old.Done()) == row.same {
					t.Errorf("the old session's streams are closed: %v", !row.same)
				}
				time.Sleep(2 * time.Second)
				if _, _, revoked := r.provider.counts(); !slices.Equal(revoked, []session.Token{"rt-0"}) {
					t.Errorf("revoked %d", len(revoked))
				}
				if err := s.End(t.Context(), session.LoggedOut); err != nil {
					t.Fatal(err)
				}
				if !closed(old.Done()) {
					t.Error("the session's end leaves a stream of its predecessor open")
				}
			})
		})
	}
}

func TestWhatIsUsedOnceIsUsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		var used, fresh int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				err := r.Once(t.Context(), "state", "abc", time.Minute)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					fresh++
				case errors.Is(err, session.ErrUsed):
					used++
				}
			})
		}
		all.Wait()
		if fresh != 1 || used != 19 {
			t.Errorf("%d fresh, %d used", fresh, used)
		}
		r.config.Keys = ring(t, 2, 1)
		r.halt()
		r.start()
		if err := r.Once(t.Context(), "state", "abc", time.Minute); !errors.Is(err, session.ErrUsed) {
			t.Errorf("after a new key: %v", err)
		}
		if err := r.Once(t.Context(), "logout", "abc", time.Minute); err != nil {
			t.Errorf("for another purpose: %v", err)
		}
	})
}

func TestKeysRotateWithoutALogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		for _, keys := range [][]byte{{2, 1}, {3, 2, 1}} {
			r.halt()
			r.config.Keys = ring(t, keys...)
			r.start()
			s, err := r.Open(t.Context(), ticket)
			if err != nil {
				t.Fatalf("keys %v: %v", keys, err)
			}
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if found, err := r.OfSubject(t.Context(), "https://idp.example", "alice"); err != nil || len(found) != 1 {
				t.Errorf("keys %v: found %d, %v", keys, len(found), err)
			}
		}
		r.halt()
		r.config.Keys = ring(t, 3, 2)
		r.start()
		if _, err := r.Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("without the key that sealed the ticket: %v", err)
		}
	})
}

func TestARecordThatNoKeyOpensIsNoEndedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.config.Keys = ring(t, 2, 1)
		r.halt()
		r.start()
		_, ticket := r.signIn() // under key 2
		for id, rec := range r.store.records {
			rec.Data[1] ^= 0xff // names another key
			r.store.records[id] = rec
		}
		r.halt()
		r.start()
		_, err := r.Open(t.Context(), ticket)
		wantStoreError(t, err)
	})
}

func TestARecordInAnothersPlaceDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		a, _ := r.signIn()
		b, ticket := r.signIn()
		moved := r.store.records[a.ID()]
		moved.ID = b.ID()
		r.store.records[b.ID()] = moved
		r.halt()
		r.start()
		_, err := r.Open(t.Context(), ticket)
		wantStoreError(t, err)
	})
}

func TestAStoreThatIsAwayEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		r.halt()
		r.start()
		r.store.breakWith(errors.New("connection refused"))
		_, err := r.Open(t.Context(), ticket)
		wantStoreError(t, err)
		r.store.breakWith(nil)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
}

func TestTheStoreHoldsNothingReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		dump := r.store.dump()
		for _, secret := range []string{"rt-0", "rt-1", "at-0", "at-1", "idt-0", "alice", "sid-1", "idp.example", ticket, s.State().Proof} {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
				if strings.Contains(dump, form) {
					t.Errorf("the store holds %q", form)
				}
			}
		}
	})
}

func TestASessionIsFoundByItsSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		r.signIn()
		s, _ := r.signIn()
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		found, err := r.OfSubject(t.Context(), "https://idp.example", "alice")
		if err != nil || len(found) != 1 {
			t.Errorf("found %d, %v", len(found), err)
		}
		if found, err := r.OfSubject(t.Context(), "https://other.example", "alice"); err != nil || len(found) != 0 {
			t.Errorf("another issuer's alice: %d, %v", len(found), err)
		}
	})
}

func TestASessionIsFoundByTheProvidersSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		other := r.grant()
		other.ProviderSession = "sid-2"
		if _, _, err := r.Begin(t.Context(), session.Start{Grant: other}); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			issuer, sid string
			want        int
		}{
			{"https://idp.example", "sid-1", 1},
			{"https://idp.example", "sid-3", 0},
			{"https://idp.example", "alice", 0},
			{"https://other.example", "sid-1", 0},
		} {
			found, err := r.OfProviderSession(t.Context(), row.issuer, row.sid)
			if err != nil || len(found) != row.want {
				t.Errorf("%s %s: found %d, %v", row.issuer, row.sid, len(found), err)
			}
			if row.want == 1 && found[0] != s {
				t.Error("another one was found")
			}
		}
	})
}

func TestTheLimitsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Hour, 3*time.Hour })
		s, _ := r.signIn()
		time.Sleep(90 * time.Minute)
		if idle, absolute := s.Limits(); idle != 30*time.Minute || absolute != 90*time.Minute {
			t.Errorf("idle %v, absolute %v", idle, absolute)
		}
		s.Touch()
		if idle, absolute := s.Limits(); idle != 90*time.Minute || absolute != 90*time.Minute {
			t.Errorf("after a touch: idle %v, absolute %v", idle, absolute)
		}
	})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	good := session.Config{Store: newMemory(), Keys: ring(t, 1), Refresher: &provider{}}
	if _, err := session.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*session.Config){
		"no store":             func(c *session.Config) { c.Store = nil },
		"no keys":              func(c *session.Config) { c.Keys = nil },
		"no refresher":         func(c *session.Config) { c.Refresher = nil },
		"negative idle limit":  func(c *session.Config) { c.IdleTimeout = -1 },
		"negative other limit": func(c *session.Config) { c.AbsoluteTimeout = -time.Hour },
		"negative wait":        func(c *session.Config) { c.Wait = -time.Second },
	} {
		bad := good
		spoil(&bad)
		if _, err := session.New(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestALoginWithoutAStoreIsNoLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		old, ticket := r.signIn()
		r.store.breakWith(errors.New("connection refused"))
		s, newTicket, err := r.Begin(t.Context(), session.Start{Grant: r.grant(), Replaces: old.ID()})
		wantStoreError(t, err)
		if s != nil || newTicket != "" {
			t.Error("half a login")
		}
		r.store.breakWith(nil)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Errorf("the old session: %v", err)
		}
	})
}

func TestALoginStandsThoughTheOldSessionCannotBeEndedNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		old, _ := r.signIn()
		r.store.during("Replace", func() { r.store.breakWith(errors.New("connection refused")) })
		s, ticket, err := r.Begin(t.Context(), session.Start{Grant: r.grant(), Replaces: old.ID()})
		if err != nil {
			t.Fatal(err)
		}
		r.store.breakWith(nil)
		if got, err := r.Open(t.Context(), ticket); err != nil || got != s {
			t.Error(err)
		}
	})
}

func TestALoginReplacesWhatIsGoneAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		if _, _, err := r.Begin(t.Context(), session.Start{Grant: r.grant(), Replaces: session.ID{1}}); err != nil {
			t.Error(err)
		}
	})
}

func TestAMarkOfUseLastsAsLongAsItShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		once := func() error { return r.Once(t.Context(), "state", "abc", time.Minute) }
		if err := once(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - 1)
		if err := once(); !errors.Is(err, session.ErrUsed) {
			t.Errorf("before its end: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := once(); err != nil {
			t.Errorf("after its end: %v", err)
		}
		r.store.breakWith(errors.New("connection refused"))
		wantStoreError(t, once())
	})
}

func TestASessionWhoseLimitHasComeIsNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout = time.Hour })
		r.halt() // nobody ends it
		r.signIn()
		time.Sleep(time.Hour)
		s, _ := r.signIn()
		found, err := r.OfSubject(t.Context(), "https://idp.example", "alice")
		if err != nil || len(found) != 1 || found[0] != s {
			t.Errorf("found %d, %v", len(found), err)
		}
	})
}

// A record moves to the newest key's index whenever it is written; who searches meanwhile
// must find it in one place or the other.
func TestASessionThatMovesToANewKeyIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, ticket := r.signIn()
		r.halt()
		r.config.Keys = ring(t, 2, 1)
		r.start()
		s, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		r.store.during("Find", func() { // the first of two
			if err := s.Expire(t.Context()); err != nil {
				t.Error(err)
			}
		})
		found, err := r.OfSubject(t.Context(), "https://idp.example", "alice")
		if err != nil || len(found) != 1 || found[0] != s {
			t.Errorf("found %d, %v", len(found), err)
		}
	})
}

func TestATicketOfNobodyIsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		for _, value := range []string{"", "x", strings.Repeat("A", 5000), "\x00\xff", "MTc2|AAAA|BBBB"} {
			if _, err := r.Open(t.Context(), value); !errors.Is(err, session.ErrNoSession) {
				t.Errorf("%q: %v", value, err)
			}
		}
		// One that was sealed by us, for a session that never was.
		m := r.other()
		_, ticket, err := m.Begin(t.Context(), session.Start{Grant: r.grant()})
		if err != nil {
			t.Fatal(err)
		}
		r.config.Store = newMemory()
		if _, err := r.other().Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
			t.Error(err)
		}
	})
}

// securecookie would refuse what is older than thirty days.
func TestATicketLivesAsLongAsItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.IdleTimeout, c.AbsoluteTimeout = 60*24*time.Hour, 60*24*time.Hour })
		r.halt() // sixty days of ticks
		_, ticket := r.signIn()
		time.Sleep(59 * 24 * time.Hour)
		if _, err := r.other().Open(t.Context(), ticket); err != nil {
			t.Error(err)
		}
		time.Sleep(36 * time.Hour)
		_, err := r.other().Open(t.Context(), ticket)
		if reason(t, err) != session.AbsoluteLimit {
			t.Error(err)
		}
	})
}

func TestEventsTellWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		r := open(t, func(c *session.Config) {
			c.Observe = func(e session.Event) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(e.Kind, " ", e.Subject, " ", e.Outcome, e.Reason, " ", e.Took))
			}
		})
		r.provider.delay = time.Second
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.provider.set(func(p *provider) {
			p.answer = func(int, *session.Grant) (*session.Renewal, error) {
				return nil, &session.RefreshError{Class: session.Operator}
			}
		})
		time.Sleep(time.Minute)
		_, _ = s.Token(t.Context(), session.Target{})
		for range 2 {
			if err := s.End(t.Context(), session.LoggedOut); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		r.halt()
		want := []string{
			"began alice  0s", "refreshed alice ok 1s", "refreshed alice operator 1s",
			"ended alice logout 0s", "revoked alice ok 0s",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
	})
}

// Ends are shared with other processes, and a machine that sleeps stops its monotonic clock.
func TestTimesAreOfTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, _ := r.signIn()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		st := s.State()
		at := st.Grant.Access[session.Target{}]
		for name, moment := range map[string]time.Time{"created": st.Created, "seen": st.Seen, "deadline": st.Deadline, "issued": at.Issued, "expiry": at.Expiry} {
			if strings.Contains(moment.String(), "m=") {
				t.Errorf("%s has a monotonic reading", name)
			}
		}
	})
}
