package app

import (
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// deed is a movable store, as one of several processes has it.
type deed struct {
	*movable
	heard chan session.ID
}

func newDeed(t *testing.T, path string) *deed {
	t.Helper()
	m, err := openMovable(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := &deed{m, make(chan session.ID, 100)}
	d.Notify(func(id session.ID) { d.heard <- id })
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return d
}

// moveTo gives the file to another process, which lends it back.
func (d *deed) moveTo(t *testing.T) *deed {
	t.Helper()
	if given, err := d.Give(d.path); err != nil || !given {
		t.Fatal(given, err)
	}
	next := newDeed(t, d.path)
	ours, theirs := net.Pipe()
	var lending sync.WaitGroup
	lending.Go(func() {
		if err := next.Lend(t.Context(), theirs); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(lending.Wait)
	d.Borrow(ours)
	return next
}

func someRecord(n byte) session.Record {
	return session.Record{ID: session.ID{n, 1}, Expires: time.Now().Add(time.Hour)}
}

func TestAStoreMovesTwiceAndIsOneForAll(t *testing.T) {
	first := newDeed(t, filepath.Join(t.TempDir(), "sessions.db"))
	if err := first.Create(t.Context(), someRecord(1)); err != nil {
		t.Fatal(err)
	}
	second := first.moveTo(t)
	third := second.moveTo(t)
	all := []*deed{first, second, third}
	for writer, d := range all {
		r, err := d.Load(t.Context(), someRecord(1).ID)
		if err != nil || r.Version != uint64(writer)+1 {
			t.Fatalf("process %d reads version %d, %v", writer, r.Version, err)
		}
		if err := d.Replace(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for reader, other := range all {
			if reader == writer {
				continue
			}
			if id := <-other.heard; id != r.ID {
				t.Errorf("process %d hears of %v", reader, id)
			}
		}
		if len(d.heard) != 0 {
			t.Errorf("process %d hears of its own write", writer)
		}
	}
	if !first.Linked() || !third.Linked() {
		t.Error("not linked")
	}
	if n, err := third.Count(t.Context()); err != nil || n != 0 {
		t.Errorf("%d records are due, %v", n, err)
	}
	if _, err := first.Count(t.Context()); err == nil {
		t.Error("a borrower counts")
	}
}

func TestCallsWaitWhileTheFileIsInNobodysHands(t *testing.T) {
	d := newDeed(t, filepath.Join(t.TempDir(), "sessions.db"))
	if given, err := d.Give("/another/file"); given || err != nil {
		t.Errorf("another file was given: %v", err)
	}
	if given, err := d.Give(d.path); !given || err != nil {
		t.Fatal(given, err)
	}
	written := make(chan error, 1)
	go func() { written <- d.Create(t.Context(), someRecord(1)) }()
	select {
	case err := <-written:
		t.Fatalf("a write did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if !d.Linked() {
		t.Error("memory is not used while the file moves")
	}
	if err := d.TakeBack(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Errorf("when the file is back: %v", err)
	}
	if id := <-d.heard; !id.IsZero() {
		t.Errorf("heard of %v: whoever had the file may have changed everything", id)
	}
}

func TestAFileThatIsBeingCopiedStays(t *testing.T) {
	d := newDeed(t, filepath.Join(t.TempDir(), "sessions.db"))
	var given bool
	var refused error
	if err := d.Backup(t.Context(), func(int64) (io.Writer, error) {
		given, refused = d.Give(d.path)
		return io.Discard, nil
	}); err != nil {
		t.Fatal(err)
	}
	if given || refused == nil {
		t.Errorf("it was given away: %v, %v", given, refused)
	}
	if err := d.Create(t.Context(), someRecord(1)); err != nil {
		t.Error(err)
	}
	next := d.moveTo(t)
	if err := d.Backup(t.Context(), nil); err == nil {
		t.Error("a borrower copied the file")
	}
	if err := next.Backup(t.Context(), func(int64) (io.Writer, error) { return io.Discard, nil }); err != nil {
		t.Error(err)
	}
}

func TestAFileIsTakenBackFromAProcessThatHasFailed(t *testing.T) {
	d := newDeed(t, filepath.Join(t.TempDir(), "sessions.db"))
	next := d.moveTo(t)
	if err := next.Create(t.Context(), someRecord(1)); err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil { // as its end would
		t.Fatal(err)
	}
	if err := d.TakeBack(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(t.Context(), someRecord(1).ID); err != nil {
		t.Error(err)
	}
}
