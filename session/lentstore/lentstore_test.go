package lentstore

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
	"github.com/cloakroom-bff/cloakroom/session/storetest"
)

// loan is a store that is lent over a real connection.
type loan struct {
	*Store
	lender *Lender
	own    session.Store
	ended  chan error // of the lender's Run
}

// lend lends own until the test is over.
func lend(t *testing.T, own session.Store) *loan {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := new(net.Dialer).DialContext(t.Context(), "unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	x := &loan{Store: Borrow(near), lender: Lend(far, own), own: own, ended: make(chan error, 1)}
	var running sync.WaitGroup
	running.Go(func() { x.ended <- x.lender.Run(context.WithoutCancel(t.Context())) })
	running.Go(func() {
		if err := x.Run(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		_ = x.Close()
		running.Wait()
	})
	return x
}

// bolt is a store of this process.
func bolt(t *testing.T, now func() time.Time) *boltstore.Store {
	t.Helper()
	s, err := boltstore.Open(filepath.Join(t.TempDir(), "sessions.db"), boltstore.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

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

func TestALentStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)}
		return storetest.Fixture{Store: lend(t, bolt(t, c.Now)), Now: c.Now, Wait: c.Wait}
	})
}

func record(n byte) session.Record {
	return session.Record{ID: session.ID{n, 1}, Due: time.Now(), Expires: time.Now().Add(time.Hour)}
}

func TestTheBorrowerHearsWhatTheLenderChanges(t *testing.T) {
	x := lend(t, bolt(t, nil))
	heard := make(chan session.ID, 1)
	x.Notify(func(id session.ID) { heard <- id })
	if err := x.Create(t.Context(), record(1)); err != nil || len(heard) > 0 {
		t.Fatalf("%v, %d notices of a write of its own", err, len(heard))
	}
	x.lender.Changed(record(1).ID)
	if id := <-heard; id != record(1).ID {
		t.Errorf("heard of %v", id)
	}
	if !x.Linked() {
		t.Error("not linked")
	}
	x.lender.out.conn.Close()
	if id := <-heard; !id.IsZero() {
		t.Errorf("at the end heard of %v, want that anything may have changed", id)
	}
	<-x.gone
	if x.Linked() {
		t.Error("linked to nobody")
	}
	if _, err := x.Load(t.Context(), record(1).ID); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a call without a lender: %v", err)
	}
}

func TestTheLenderHearsThatItHasTheStoreForItself(t *testing.T) {
	x := lend(t, bolt(t, nil))
	for n := range byte(200) {
		if err := x.Create(t.Context(), record(n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range x.Scan(t.Context()) { // a walk that is never brought to its end
		if err != nil {
			t.Fatal(err)
		}
		_ = x.Close()
		break
	}
	if err := <-x.ended; err != nil {
		t.Error(err)
	}
	x.lender.mu.Lock()
	defer x.lender.mu.Unlock()
	if len(x.lender.walks) != 0 {
		t.Error("a walk goes on for nobody")
	}
}

// deaf is a store whose writes wait.
type deaf struct {
	session.Store
	begun chan struct{}
}

func (d deaf) Create(ctx context.Context, _ session.Record) error {
	close(d.begun)
	<-ctx.Done()
	return ctx.Err()
}

func TestACallerMayLeaveAndALenderMayEnd(t *testing.T) {
	d := deaf{begun: make(chan struct{})}
	x := lend(t, d)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- x.Create(ctx, record(1)) }()
	<-d.begun
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_ = x.Close()
	if err := <-x.ended; err != nil {
		t.Errorf("the lender's end: %v", err)
	}
}
