package boltstore

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/storetest"
)

// clock is a clock that only its owner moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open opens a store in a new file, and closes it after the test.
func open(tb testing.TB, opts Options) *Store {
	tb.Helper()
	return openFile(tb, filepath.Join(tb.TempDir(), "sessions.db"), opts)
}

func openFile(tb testing.TB, path string, opts Options) *Store {
	tb.Helper()
	s, err := Open(path, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// record returns a record that lives for an hour of the wall clock.
func record(n byte, data string) session.Record {
	return session.Record{ID: session.ID{n, 1}, Data: []byte(data), Expires: time.Now().Add(time.Hour)}
}

func TestTheStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		c := newClock()
		return storetest.Fixture{Store: open(t, Options{Now: c.Now}), Now: c.Now, Wait: c.Wait}
	})
}

func TestTheStoreKeepsTheContractWhileItIsCleaned(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		c := newClock()
		s := open(t, Options{Now: c.Now, CleanEvery: 100 * time.Microsecond})
		var running sync.WaitGroup
		running.Go(func() {
			if err := s.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(running.Wait) // Before Close; t.Context has ended by then.
		return storetest.Fixture{Store: s, Now: c.Now, Wait: c.Wait}
	})
}
