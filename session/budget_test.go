package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheBudgetIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(20, time.Now)
		var mu sync.Mutex
		var at []time.Time
		var all sync.WaitGroup
		began := time.Now()
		for i := range 200 {
			all.Go(func() {
				if err := b.take(t.Context(), fmt.Sprint(i), true); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Now())
			})
		}
		all.Wait()
		for i := range at {
			if i >= 40 && at[i].Sub(at[i-40]) < time.Second {
				t.Fatalf("more than 40 in a second, from the %dth on", i-40)
			}
		}
		if took := time.Since(began); took < 8*time.Second || took > 10*time.Second {
			t.Errorf("200 at 20 a second took %v", took)
		}
	})
}

func TestWhoIsNotUrgentStandsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(2, time.Now)
		for range 2 {
			if err := b.take(t.Context(), "alice", false); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.take(t.Context(), "bob", false); !errors.Is(err, errNotNow) {
			t.Errorf("got %v", err)
		}
		began := time.Now()
		if err := b.take(t.Context(), "bob", true); err != nil || time.Since(began) == 0 {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

func TestTheLineIsFairBetweenSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1, time.Now)
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		wait := func(subject string) {
			all.Go(func() {
				if err := b.take(t.Context(), subject, true); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, subject)
			})
			synctest.Wait()
		}
		for range 10 {
			wait("alice")
		}
		wait("bob")
		all.Wait()
		if i := slices.Index(order, "bob"); i > 2 {
			t.Errorf("bob waited for %d of alice's sessions", i)
		}
	})
}

func TestWhoLeavesTheLineTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1, time.Now)
		if err := b.take(t.Context(), "alice", true); err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		var failed *RefreshError
		if err := b.take(ctx, "alice", true); !errors.As(err, &failed) || failed.Class != Transient {
			t.Fatalf("got %v", err)
		}
		began := time.Now()
		if err := b.take(t.Context(), "bob", true); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("bob waited %v for somebody who had left", waited)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.queues) != 0 || b.line.Len() != 0 {
			t.Error("the line is not empty")
		}
	})
}

func TestWithoutALimitNobodyWaits(t *testing.T) {
	b := newBudget(0, time.Now)
	for range 1000 {
		if err := b.take(t.Context(), "alice", false); err != nil {
			t.Fatal(err)
		}
	}
}

// Of thousands who come in the seconds in which all tokens run out, most would wait in vain.
func TestTheLineIsNoLongerThanWhatIsServedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rate, patience, came = 20, 15 * time.Second, 5000
		b := newBudget(rate, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var served, told int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range came {
			all.Go(func() {
				began := time.Now()
				err := b.take(ctx, fmt.Sprint(i), true)
				mu.Lock()
				defer mu.Unlock()
				failed, ok := errors.AsType[*RefreshError](err)
				switch {
				case err == nil:
					served++
				case !ok || time.Since(began) > 0:
					t.Errorf("%v after %v: nobody is to wait in vain", err, time.Since(began))
				case failed.RetryAfter < patience:
					t.Errorf("one that would wait for %v is told to come again in %v", patience, failed.RetryAfter)
				default:
					told++
				}
			})
		}
		all.Wait()
		if least := rate * int(patience.Seconds()); served < least || served > least+rate || served+told != came {
			t.Errorf("%d were served and %d told to come again", served, told)
		}
	})
}

// A user with many sessions is told to come again while others are let into the line.
func TestALongLineIsThatOfItsSubject(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var all sync.WaitGroup
		defer all.Wait()
		for range 50 {
			all.Go(func() { _ = b.take(ctx, "alice", true) })
		}
		synctest.Wait()
		if n := b.count().InLine; n < 8 || n > 10 {
			t.Fatalf("%d wait where ten have a turn", n)
		}
		began := time.Now()
		if err := b.take(ctx, "bob", true); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %v: the line is alice's", err, time.Since(began))
		}
	})
}
