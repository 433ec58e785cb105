package boltstore

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// running opens a store on the bubble's clock and runs it until the test ends.
func running(t *testing.T, opts Options) *Store {
	t.Helper()
	s := open(t, opts)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

func TestWhatHasExpiredLeavesTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := running(t, Options{})
		for i := range 2*cleanBatch + 44 {
			r := record(byte(i), "expires")
			r.ID[2] = byte(i >> 8)
			r.Index, r.Due = []session.Key{{1}, {byte(i)}}, time.Now()
			r.Expires = time.Now().Add(30 * time.Second)
			if i%10 == 0 {
				r.Expires = time.Now().Add(time.Hour)
			}
			if err := s.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		before := commits(t, s)
		time.Sleep(61 * time.Second) // The bubble's.
		synctest.Wait()
		if n := audit(t, s); n != 30 {
			t.Errorf("there are %d records, want the 30 that live", n)
		}
		if n := commits(t, s) - before; n != 3 {
			t.Errorf("removing took %d commits, want 3 small ones", n)
		}
	})
}

func TestARoundWithNothingToRemoveWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := running(t, Options{CleanEvery: time.Second})
		if err := s.Create(t.Context(), record(1, "lives")); err != nil {
			t.Fatal(err)
		}
		before := commits(t, s)
		time.Sleep(10 * time.Second) // The bubble's.
		synctest.Wait()
		if n := commits(t, s) - before; n != 0 {
			t.Errorf("%d commits, want none", n)
		}
	})
}

func TestARoundThatFailsIsLoggedAndTheNextOneTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer // Written by Run, read when it waits.
		s := running(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		r := record(1, "expires")
		r.Expires = time.Now().Add(30 * time.Second)
		if err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		// An entry that no record has: it fails a round as any other error would.
		orphan := timeKey(time.Unix(1, 0), record(2, "").ID)
		edit := func(f func(*txn) error) {
			if err := s.write(t.Context(), 0, func(t *txn) error { t.changed = true; return f(t) }); err != nil {
				t.Fatal(err)
			}
		}
		edit(func(t *txn) error { return t.expiry.Put(orphan, nil) })
		time.Sleep(61 * time.Second) // The bubble's.
		synctest.Wait()
		if !strings.Contains(log.String(), "damaged") {
			t.Errorf("the log is %q, want it to say what failed", log.String())
		}
		edit(func(t *txn) error { return t.expiry.Delete(orphan) })
		time.Sleep(time.Minute) // The bubble's.
		synctest.Wait()
		if n := audit(t, s); n != 0 {
			t.Errorf("there are %d records, want none", n)
		}
	})
}

func TestRunEndsWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		done := make(chan error, 1)
		go func() { done <- s.Run(context.WithoutCancel(t.Context())) }()
		synctest.Wait() // Run waits for its next round.
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		default:
			t.Error("Run still runs")
		}
	})
}
