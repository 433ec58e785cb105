package boltstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

// rewriteBatch is how many records one transaction of a rewriting takes.
const rewriteBatch = 1024

// Rewriting is how a file is written anew. The zero value changes nothing in the records.
type Rewriting struct {
	// Change says what becomes of a record that has not expired; keep is false for one that
	// is to be left out. nil: all stay as they are. An error ends the rewriting.
	Change func(r session.Record) (changed session.Record, keep bool, err error)

	// Progress, if set, is told now and then how many of the records have been looked at.
	Progress func(done, of int)

	Now func() time.Time // nil: time.Now; decides what has expired
}

// run writes the records of from that have not expired into the file of p. What points to
// them is made anew, too, so that the result is whole whatever the source was.
func (w Rewriting) run(ctx context.Context, from *bbolt.Tx, p *part) (c Contents, err error) {
	db, err := bbolt.Open(p.name, 0o600, &bbolt.Options{Timeout: lockWait, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, NoStatistics: true, NoSync: true})
	if err != nil {
		return c, placeError(p.path, err)
	}
	c.Records, err = w.copyAll(ctx, from, db, p)
	if err == nil {
		err = placeError(p.path, errors.Join(writeFreelist(db), db.Sync()))
	}
	if err := errors.Join(err, placeError(p.path, db.Close())); err != nil {
		return c, err
	}
	info, err := os.Stat(p.name)
	if err != nil {
		return c, placeError(p.path, err)
	}
	c.Bytes = info.Size()
	return c, nil
}

// copyAll copies in batches, in the order of the ids.
func (w Rewriting) copyAll(ctx context.Context, from *bbolt.Tx, to *bbolt.DB, p *part) (kept int, err error) {
	if err := to.Update(makeBuckets); err != nil {
		return 0, placeError(p.path, err)
	}
	records := from.Bucket(bucketRecords)
	if records == nil {
		return 0, nil // a file whose making was interrupted
	}
	of, done := records.Stats().KeyN, 0
	now := w.now()
	c := records.Cursor()
	for k, v := c.First(); k != nil; {
		if err := ctx.Err(); err != nil {
			return kept, err
		}
		var refused error // for what a record is
		err := to.Update(func(tx *bbolt.Tx) error {
			t := newTxn(tx, now)
			t.records.FillPercent = 1 // They come in order.
			for n := 0; k != nil && n < rewriteBatch; n++ {
				did, err := w.copyOne(t, k, v)
				if err != nil {
					refused = err
					return err
				}
				if done++; did {
					kept++
				}
				k, v = c.Next()
			}
			return nil
		})
		switch {
		case refused != nil:
			return kept, refused
		case err != nil:
			return kept, placeError(p.path, err)
		}
		if w.Progress != nil {
			w.Progress(done, of)
		}
	}
	return kept, nil
}

// copyOne copies a record, unless it has expired or is to be left out.
func (w Rewriting) copyOne(t *txn, k, v []byte) (kept bool, err error) {
	if len(k) != idSize {
		return false, errors.New("boltstore: a record has no proper id: the file is damaged")
	}
	id := session.ID(k)
	e, err := parse(v)
	if err != nil || e.expired(t.now) {
		return false, err
	}
	r, keep := e.record(id), true
	if w.Change != nil {
		if r, keep, err = w.Change(r); err != nil || !keep {
			return false, err
		}
	}
	value, err := encode(r, e.version)
	if err != nil {
		return false, err
	}
	return true, t.put(id, entry{}, value)
}

// Compact writes the file at path anew, without the pages that are not in use and without
// what has expired, and puts the new one in its place: at every moment one of the two is
// there, whole. It needs the file for itself: an error that wraps [ErrInUse] says that a
// process has it open. After an error nothing has changed.
func Compact(ctx context.Context, path string, w Rewriting) (before, after Contents, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // As in read.
	s := &Store{path: path}
	defer func() {
		if p := recover(); p != nil {
			err = s.damaged(p)
		}
	}()
	if before, err = Check(ctx, path); err != nil {
		return before, after, err
	}
	if s.db, err = s.own(); err != nil {
		return before, after, err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }() // Nobody else may have the old file before the new one has its name.
	p, err := newPart(path)
	if err != nil {
		return before, after, err
	}
	defer func() { err = errors.Join(err, p.drop()) }()
	err = s.db.View(func(tx *bbolt.Tx) error {
		after, err = w.run(ctx, tx, p)
		return err
	})
	if err != nil {
		return before, after, err
	}
	if err := p.own(path); err != nil {
		return before, after, err
	}
	if runtime.GOOS == "windows" { // It gives no name that an open file has.
		if err := s.db.Close(); err != nil {
			return before, after, s.openError(err)
		}
	}
	return before, after, p.become()
}

// own gives a new file the owner and the mode of the one whose place it takes: a command of
// the administrator's must not lock the gateway out.
func (p *part) own(like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return placeError(p.path, err)
	}
	if err := os.Chmod(p.name, info.Mode().Perm()); err != nil {
		return placeError(p.path, err)
	}
	if err := chown(p.name, info); err != nil {
		return fmt.Errorf("boltstore: the new file cannot be given to the owner of %s: run this as that user: %w", like, err)
	}
	return nil
}
