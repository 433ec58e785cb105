package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Contents is what a file holds.
type Contents struct {
	Records int   // sessions, also ended ones, and what else the gateway remembers for a while
	Bytes   int64 // of the file
}

// Check reads a file that no process has open from its beginning to its end, and changes
// nothing. The error says what is wrong with it: it is cut off, damaged, of a newer version
// or no store at all. It cannot tell whether a key opens what is in the records.
func Check(ctx context.Context, path string) (Contents, error) {
	var c Contents
	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		return c, fmt.Errorf("boltstore: %s is empty: name another file", path)
	}
	err = readFile(path, func(tx *bbolt.Tx) error {
		c.Bytes = tx.Size()
		c.Records, err = inStep(ctx, tx)
		return err
	})
	return c, err
}

// readFile runs f in a read transaction of a file of ours that no process has open.
func readFile(path string, f func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // As in read.
	s := &Store{path: path}
	defer func() {
		if p := recover(); p != nil {
			err = s.damaged(p)
		}
	}()
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("boltstore: open %s: %w", path, err)
	}
	if err := s.inspect(); err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0, &bbolt.Options{Timeout: lockWait, ReadOnly: true})
	if err != nil {
		return s.openError(err)
	}
	return errors.Join(db.View(f), db.Close())
}

// inStep holds the other buckets against the records, and returns how many those are.
func inStep(ctx context.Context, tx *bbolt.Tx) (records int, err error) {
	for _, name := range [][]byte{bucketRecords, bucketIndex, bucketDue, bucketExpiry} {
		if tx.Bucket(name) == nil {
			return 0, fmt.Errorf("boltstore: the bucket %s is missing: the file is damaged", name)
		}
	}
	t := newTxn(tx, time.Time{})
	var want, got [3]int // entries of index, due, expiry
	var last []byte
	err = t.records.ForEach(func(k, v []byte) error {
		if records++; records%100 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e, err := parse(v)
		if err != nil {
			return err
		}
		if len(k) != idSize || bytes.Compare(k, last) <= 0 {
			return errors.New("boltstore: a record has no proper id: the file is damaged")
		}
		last = k
		if !t.lists(session.ID(k), e) {
			return fmt.Errorf("boltstore: record %x is not listed as it should be: the file is damaged", k)
		}
		want[0] += len(e.index) / keySize
		if !e.due.IsZero() {
			want[1]++
		}
		want[2]++
		return nil
	})
	if err != nil {
		return 0, err
	}
	for i, b := range []*bbolt.Bucket{t.index, t.due, t.expiry} {
		if err := b.ForEach(func(_, _ []byte) error { got[i]++; return nil }); err != nil {
			return 0, err
		}
	}
	if got != want {
		return 0, errors.New("boltstore: a record is listed that is not there: the file is damaged")
	}
	return records, nil
}

// lists reports whether the other buckets have all that they should of a record.
func (t *txn) lists(id session.ID, e entry) bool {
	for keys := e.index; len(keys) > 0; keys = keys[keySize:] {
		if t.index.Get(indexKey(keys[:keySize], id[:])) == nil {
			return false
		}
	}
	if !e.due.IsZero() && t.due.Get(timeKey(e.due, id)) == nil {
		return false
	}
	return t.expiry.Get(timeKey(e.expires, id)) != nil
}
