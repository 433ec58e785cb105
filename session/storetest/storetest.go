package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Fixture is one empty store and its clock.
type Fixture struct {
	Store session.Store

	// Now is the clock by which the store expires records; nil means time.Now.
	Now func() time.Time

	// Wait returns when at least d has passed on that clock. Nil means that it is the
	// wall clock, on which the suite then spends a few seconds.
	Wait func(d time.Duration)
}

// Run checks that a store keeps its contract. It calls open, which returns an empty store
// and closes it with t.Cleanup, once for each subtest; the subtests run in parallel.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	t.Helper()
	for _, c := range checks() {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			if err := c.run(t.Context(), open(t).withDefaults()); err != nil {
				t.Error(err)
			}
		})
	}
}

func (f Fixture) withDefaults() Fixture {
	if f.Now == nil {
		f.Now = time.Now
	}
	if f.Wait == nil {
		f.Wait = func(d time.Duration) { <-time.After(d) }
	}
	return f
}

// check is one sentence about every store. It returns what is wrong rather than failing a
// test, so that the suite can itself be tested on stores that are broken.
type check struct {
	sentence string
	run      func(ctx context.Context, f Fixture) error
}

func checks() []check {
	var all []check
	for _, group := range [][]check{recordChecks, timeChecks, findChecks, dueChecks, scanChecks, callChecks, loadChecks} {
		all = append(all, group...)
	}
	return all
}
