package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func setKeys(t *testing.T, m *session.Manager, keys ...byte) {
	t.Helper()
	if err := m.SetKeys(ring(t, keys...)); err != nil {
		t.Fatal(err)
	}
}

func TestKeysRotateTwiceInALivingProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		_, first := r.signIn()
		box := func() *session.Box {
			t.Helper()
			b, err := r.Keys().Box("attempt", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		attempt, err := box().Seal("a", []byte("inside"))
		if err != nil {
			t.Fatal(err)
		}
		setKeys(t, r.Manager, 2, 1)
		_, second := r.signIn()
		setKeys(t, r.Manager, 3, 2, 1)
		_, third := r.signIn()
		if _, err := box().Open("a", attempt); err != nil {
			t.Errorf("a login that began before the rotation: %v", err)
		}
		for i, ticket := range []string{first, second, third} {
			s, err := r.Open(t.Context(), ticket)
			if err != nil {
				t.Fatalf("ticket %d: %v", i+1, err)
			}
			if _, err := s.Token(t.Context(), session.Target{}); err != nil {
				t.Errorf("ticket %d: %v", i+1, err)
			}
		}
		setKeys(t, r.Manager, 3)
		for i, ticket := range []string{first, second} {
			if _, err := r.Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
				t.Errorf("ticket %d, whose key is gone: %v", i+1, err)
			}
		}
		if _, err := r.Open(t.Context(), third); err != nil {
			t.Errorf("the ticket of the key that stays: %v", err)
		}
	})
}

func TestNobodyNoticesARotationUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		var tickets []string
		for range 8 {
			_, ticket := r.signIn()
			tickets = append(tickets, ticket)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var load sync.WaitGroup
		for _, ticket := range tickets {
			load.Go(func() {
				for ctx.Err() == nil {
					s, err := r.Open(t.Context(), ticket)
					if err == nil {
						s.Touch()
						_, err = s.Token(t.Context(), session.Target{})
					}
					if err != nil {
						t.Errorf("during a rotation: %v", err)
						return
					}
					time.Sleep(time.Second)
				}
			})
		}
		for _, keys := range [][]byte{{1, 2}, {2, 1}, {2, 1, 3}, {3, 2, 1}} {
			time.Sleep(40 * time.Second)
			setKeys(t, r.Manager, keys...)
		}
		time.Sleep(5 * time.Minute)
		stop()
		load.Wait()
		// By now every record was written under the newest key.
		r.config.Keys = ring(t, 1, 3)
		for _, ticket := range tickets {
			r.read(ticket)
		}
		r.config.Keys = ring(t, 1, 2)
		for _, ticket := range tickets {
			_, err := r.other().Open(t.Context(), ticket)
			wantStoreError(t, err)
		}
	})
}

func TestATicketThatIsOpenedWhileItsKeyGoesIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		setKeys(t, r.Manager, 2, 1)
		if err := s.Refresh(t.Context()); err != nil { // the record can do without key 1 now
			t.Fatal(err)
		}
		r.config.Keys = ring(t, 2, 1)
		m := r.other()
		r.store.during("Load", func() { setKeys(t, m, 2) })
		if _, err := m.Open(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Open(t.Context(), ticket); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("a ticket whose key is gone: %v", err)
		}
	})
}

func TestARecordWhoseKeyIsRemovedIsNeitherServedFromMemoryNorEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		s, ticket := r.signIn()
		setKeys(t, r.Manager, 2, 1)
		if err := s.Refresh(t.Context()); err != nil { // written under key 2 from here on
			t.Fatal(err)
		}
		setKeys(t, r.Manager, 1)
		for range 2 {
			_, err := r.Open(t.Context(), ticket)
			wantStoreError(t, err)
		}
		setKeys(t, r.Manager, 1, 2)
		again, err := r.Open(t.Context(), ticket)
		if err != nil {
			t.Fatalf("with the key put back: %v", err)
		}
		if again != s {
			t.Error("a second handle for one session")
		}
		// What is written now can do without key 2.
		time.Sleep(6 * time.Second)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		setKeys(t, r.Manager, 1)
		if _, err := r.Open(t.Context(), ticket); err != nil {
			t.Errorf("a record that was written anew: %v", err)
		}
	})
}

func TestAMissingKeyIsToldOnceASecondAndCountedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		locked := 0
		r := open(t, func(cfg *session.Config) {
			cfg.Log = slog.New(slog.NewTextHandler(&out, nil))
			cfg.Observe = func(e session.Event) {
				if e.Kind == session.Locked {
					locked++
				}
			}
		})
		setKeys(t, r.Manager, 2, 1)
		_, ticket := r.signIn()
		r.config.Keys = ring(t, 1, 2)
		m := r.other()
		s, err := m.Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		setKeys(t, m, 3, 2)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		setKeys(t, m, 2)
		out.Reset()
		for range 30 {
			_, err := m.Open(t.Context(), ticket)
			wantStoreError(t, err)
			time.Sleep(100 * time.Millisecond)
		}
		if n := strings.Count(out.String(), "session.keys"); n != 3 || locked != 30 {
			t.Errorf("told %d times in three seconds, counted %d of 30\n%s", n, locked, out.String())
		}
	})
}

func TestAReplicaThatLacksTheNewKeyEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		_, others := r.signIn()
		for _, known := range []string{ticket, others} {
			if _, err := all[1].Open(t.Context(), known); err != nil {
				t.Fatal(err)
			}
		}
		setKeys(t, all[0].Manager, 2, 1)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err := all[1].Open(t.Context(), ticket)
			wantStoreError(t, err)
		}
		if _, err := all[1].Open(t.Context(), others); err != nil {
			t.Errorf("another session: %v", err)
		}
		setKeys(t, all[1].Manager, 2, 1)
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatalf("once the key has come: %v", err)
		}
		if there.State().Grant.RefreshToken != s.State().Grant.RefreshToken {
			t.Error("the state is an old one")
		}
	})
}

func TestARecordThatCannotBeOpenedIsNoStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		locked, ticket := r.signIn()
		over, others := r.signIn()
		for _, known := range []string{ticket, others} {
			if _, err := all[1].Open(t.Context(), known); err != nil {
				t.Fatal(err)
			}
		}
		all[1].view.unlink.Store(true)
		if err := over.End(t.Context(), session.LoggedOut); err != nil { // still under key 1
			t.Fatal(err)
		}
		setKeys(t, all[0].Manager, 2, 1)
		if err := locked.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		all[1].view.unlink.Store(false)
		all[1].view.changed(session.ID{}) // something may have been missed
		_, err := all[1].Open(t.Context(), ticket)
		wantStoreError(t, err)
		if _, err := all[1].Open(t.Context(), others); err == nil {
			t.Error("memory stood in for a store that answers")
		}
	})
}

func TestAStreamHearsOfAnEndThatAMissingKeyHid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, all := replicas(t, 2)
		s, ticket := r.signIn()
		there, err := all[1].Open(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		stream := there.Done()
		setKeys(t, all[0].Manager, 2, 1)
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if closed(stream) {
			t.Fatal("the tombstone was read without its key")
		}
		setKeys(t, all[1].Manager, 1, 2)
		time.Sleep(time.Second)
		if !closed(stream) {
			t.Error("the stream of an ended session goes on")
		}
	})
}

func TestWhatIsUsedOnceIsUsedOnceThoughKeyringsDiffer(t *testing.T) {
	for _, row := range []struct{ here, there []byte }{
		{[]byte{1}, []byte{2, 1}},
		{[]byte{1, 2}, []byte{2, 1}},
		{[]byte{2, 1}, []byte{3, 2}},
		{[]byte{1, 1}, []byte{1}},
	} {
		for range 2 {
			r := open(t, func(cfg *session.Config) { cfg.Keys = ring(t, row.here...) })
			r.config.Keys = ring(t, row.there...)
			var once sync.WaitGroup
			var mu sync.Mutex
			var used, good int
			for _, m := range []*session.Manager{r.Manager, r.other(), r.Manager, r.other()} {
				once.Go(func() {
					err := m.Once(t.Context(), "state", "value", time.Minute)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						good++
					case errors.Is(err, session.ErrUsed):
						used++
					default:
						t.Error(err)
					}
				})
			}
			once.Wait()
			if good != 1 || used != 3 {
				t.Errorf("%v and %v: %d went through, %d did not", row.here, row.there, good, used)
			}
			slices.Reverse(row.here)
			row.here, row.there = row.there, row.here
		}
	}
}

func TestOfTwoWhoUseAValueAtOnceOneGoesThrough(t *testing.T) {
	r := open(t, func(cfg *session.Config) { cfg.Keys = ring(t, 1, 2) })
	r.config.Keys = ring(t, 2, 1)
	there := r.other()
	for _, value := range []string{"a", "b", "c", "d"} { // whichever key comes first for them
		var late error
		r.store.during("Create", func() {
			r.store.during("Create", func() { late = there.Once(t.Context(), "state", value, time.Minute) })
		})
		if err := r.Once(t.Context(), "state", value, time.Minute); err != nil {
			t.Errorf("who was first: %v", err)
		}
		if !errors.Is(late, session.ErrUsed) {
			t.Errorf("who came between: %v", late)
		}
	}
}

func TestABoxIsMadeOnce(t *testing.T) {
	keys := ring(t, 2, 1)
	first, err := keys.Box("state", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keys.Box("state", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if first != again {
		t.Error("a box was derived twice")
	}
	longer, err := keys.Box("state", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if longer == first {
		t.Error("two times to live share a box")
	}
}
