package boltstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

// hold keeps the writer busy until release is called, as a slow disk would.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.write(t.Context(), 0, func(*txn) error {
			close(begun)
			<-end
			return nil
		})
	}()
	<-begun
	return func() {
		close(end)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// queue starts f in a goroutine and returns when it waits for the writer.
func queue(f func() error) <-chan error {
	done := make(chan error, 1)
	before := waiting()
	go func() { done <- f() }()
	for waiting() == before {
		runtime.Gosched()
	}
	return done
}

// waiting counts the goroutines that wait to hand a write to a writer.
func waiting() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "[select") && strings.Contains(stack, "(*Store).write(") {
			n++
		}
	}
	return n
}

// commits returns how many transactions have been committed.
func commits(tb testing.TB, s *Store) (n int) {
	tb.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestWritesThatMeetShareOneCommit(t *testing.T) {
	s := open(t, Options{})
	release := hold(t, s)
	before := commits(t, s)
	var queued []<-chan error
	for i := range byte(20) {
		queued = append(queued, queue(func() error { return s.Create(t.Context(), record(i, "together")) }))
	}
	release()
	for _, done := range queued {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := commits(t, s) - before; n != 1 {
		t.Errorf("20 writes took %d commits, want 1", n)
	}
}

func TestAConflictIsItsOwn(t *testing.T) {
	s := open(t, Options{})
	r := record(1, "contested")
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Version = 1
	other := record(2, "other")
	release := hold(t, s)
	first := queue(func() error { return s.Replace(t.Context(), r) })
	late := queue(func() error { return s.Replace(t.Context(), r) })
	missing := queue(func() error { return s.Delete(t.Context(), record(9, "").ID, 1) })
	again := queue(func() error { return s.Create(t.Context(), r) })
	last := queue(func() error { return s.Create(t.Context(), other) })
	release()
	for _, row := range []struct {
		what string
		done <-chan error
		want error
	}{
		{"the first Replace", first, nil},
		{"the late Replace", late, session.ErrConflict},
		{"the Delete of nothing", missing, session.ErrNotFound},
		{"the second Create", again, session.ErrExists},
		{"the Create behind them", last, nil},
	} {
		if err := <-row.done; !errors.Is(err, row.want) {
			t.Errorf("%s: the error is %v, want %v", row.what, err, row.want)
		}
	}
	if n := audit(t, s); n != 2 {
		t.Errorf("there are %d records, want 2", n)
	}
}

func TestADecisionAloneCostsNoCommit(t *testing.T) {
	s := open(t, Options{})
	before := commits(t, s)
	if err := s.Delete(t.Context(), record(1, "").ID, 1); !errors.Is(err, session.ErrNotFound) {
		t.Fatal(err)
	}
	if n := commits(t, s) - before; n != 0 {
		t.Errorf("%d commits, want none", n)
	}
}

func TestACommitThatFailsFailsAllThatShareItAndNothingElse(t *testing.T) {
	s := open(t, Options{})
	r := record(1, "before")
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Version = 1
	changed := r
	changed.Data = []byte("after")

	release := hold(t, s)
	s.db.MaxSize = 1 // The writer reads it only after release.
	first := queue(func() error { return s.Replace(t.Context(), changed) })
	conflict := queue(func() error { return s.Replace(t.Context(), changed) })
	large := queue(func() error { return s.Create(t.Context(), record(2, strings.Repeat("x", 20<<20))) })
	release()
	for what, done := range map[string]<-chan error{"the first": first, "the conflict": conflict, "the large one": large} {
		// The conflict was with a version that does not exist: it is no decision either.
		if err := <-done; err == nil || isDecision(err) {
			t.Errorf("%s: the error is %v, want one that is no decision", what, err)
		}
	}

	got, err := s.Load(t.Context(), r.ID)
	if err != nil || string(got.Data) != "before" || got.Version != 1 {
		t.Errorf("the record is %q in version %d, %v; want what was before", got.Data, got.Version, err)
	}
	if err := s.write(t.Context(), 0, func(*txn) error { s.db.MaxSize = 0; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), changed); err != nil {
		t.Errorf("a write after the failure: %v", err)
	}
	if n := audit(t, s); n != 1 {
		t.Errorf("there are %d records, want 1", n)
	}
}

func TestWhoLeavesTheQueueChangesNothing(t *testing.T) {
	s := open(t, Options{})
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	left := queue(func() error { return s.Create(ctx, record(1, "left")) })
	stayed := queue(func() error { return s.Create(t.Context(), record(2, "stayed")) })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want context.Canceled", err)
	}
	release()
	if err := <-stayed; err != nil {
		t.Error(err)
	}
	if n := audit(t, s); n != 1 {
		t.Errorf("there are %d records, want 1", n)
	}
}

func TestReadsDoNotWaitForAWrite(t *testing.T) {
	s := open(t, Options{})
	r := record(1, "readable")
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	defer release()
	if _, err := s.Load(t.Context(), r.ID); err != nil {
		t.Error(err)
	}
}

func TestCloseWaitsForTheWriteThatHasBegunAndRefusesTheRest(t *testing.T) {
	s := open(t, Options{})
	begun, end := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- s.write(t.Context(), 0, func(tx *txn) error {
			close(begun)
			<-end
			value, err := encode(record(1, "begun"), 1)
			if err != nil {
				return err
			}
			return tx.create(record(1, "").ID, value)
		})
	}()
	<-begun
	queued := queue(func() error { return s.Create(t.Context(), record(2, "queued")) })
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- s.Close() }()
	}
	if err := <-queued; !errors.Is(err, os.ErrClosed) {
		t.Errorf("who waited got %v, want an error that is os.ErrClosed", err)
	}
	close(end)
	if err := errors.Join(<-first, <-closed, <-closed); err != nil {
		t.Error(err)
	}
	again := openFile(t, s.path, Options{})
	if n := audit(t, again); n != 1 {
		t.Errorf("there are %d records, want the one that had begun", n)
	}
}

func TestAfterCloseEveryCallSaysSo(t *testing.T) {
	s := open(t, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := record(1, "")
	_, load := s.Load(t.Context(), r.ID)
	_, find := s.Find(t.Context(), session.Key{})
	_, due := s.Due(t.Context(), r.Expires, 1)
	for i, err := range []error{
		s.Create(t.Context(), r), s.Replace(t.Context(), r), s.Delete(t.Context(), r.ID, 1), load, find, due,
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("call %d: the error is %v, want os.ErrClosed", i, err)
		}
	}
	if err := s.Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAPanicBelowAWriteBreaksTheStoreAndNotTheProcess(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "sessions.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), record(1, "readable")); err != nil {
		t.Fatal(err)
	}
	panics := s.write(t.Context(), 0, func(*txn) error { panic(fmt.Sprintf("page %d already freed", 7)) })
	after := s.Create(t.Context(), record(2, "refused"))
	for _, err := range []error{panics, after} {
		if err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), s.path) {
			t.Errorf("the error is %v, want one that names the file and the damage", err)
		}
	}
	if _, err := s.Load(t.Context(), record(1, "").ID); err != nil {
		t.Errorf("a read after it: %v", err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Close: the error is %v, want the damage", err)
	}
}
