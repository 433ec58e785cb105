package session_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// admitted counts how many of n logins at an address get through within a time.
func (r *room) admitted(address string, n int, within time.Duration) int {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), within)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	through := 0
	for range n {
		all.Go(func() {
			if err := r.AdmitLogin(ctx, address); err == nil {
				mu.Lock()
				through++
				mu.Unlock()
			} else if class(r.t, err) != session.Transient {
				r.t.Error(err)
			}
		})
	}
	all.Wait()
	return through
}

func TestWhoFloodsTheCallbackWaitsInALineOfHisOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Rate = 10 })
		if n := r.admitted("192.0.2.1", 1000, 2*time.Second); n < 29 || n > 31 {
			t.Errorf("%d logins of one address in two seconds at ten a second", n)
		}
		if n := r.admitted("192.0.2.2", 10, time.Nanosecond); n != 10 {
			t.Errorf("%d of 10 logins of another address at once", n)
		}
		s, _ := r.signIn()
		began := time.Now()
		if err := s.Refresh(t.Context()); err != nil || time.Since(began) > 0 {
			t.Errorf("a refresh waited %v: %v", time.Since(began), err)
		}
		time.Sleep(time.Second)
		if n := r.admitted("192.0.2.1", 10, time.Nanosecond); n != 10 {
			t.Errorf("%d of 10 after a pause", n)
		}
	})
}

func TestALoginWaitsNoLongerThanARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Rate, c.Wait = 1, 3500*time.Millisecond })
		began := time.Now()
		if n := r.admitted("192.0.2.1", 100, time.Hour); n != 4 || time.Since(began) != 3*time.Second { // whose turn comes later is told at once
			t.Errorf("%d got through in %v", n, time.Since(began))
		}
	})
}

func TestAFloodFromEverywhereIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, func(c *session.Config) { c.Rate = 1 })
		through := 0
		for i := range 6000 {
			through += r.admitted(fmt.Sprintf("2001:db8::%x", i), 1, time.Nanosecond)
		}
		if through != 4096+1 {
			t.Errorf("%d addresses got through at once", through)
		}
		time.Sleep(2 * time.Second)
		if n := r.admitted("192.0.2.1", 1, time.Nanosecond); n != 1 {
			t.Error("an address that is new after the flood has to wait")
		}
	})
}

func TestWithoutARateNoLoginWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, nil)
		if n := r.admitted("192.0.2.1", 1000, time.Nanosecond); n != 1000 {
			t.Errorf("%d of 1000", n)
		}
	})
}
