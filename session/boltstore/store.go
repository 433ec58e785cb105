package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/cloakroom-bff/cloakroom/session"
)

var _ session.Store = (*Store)(nil)

// errClosed answers every call after Close; errors.Is finds os.ErrClosed in it.
var errClosed = fmt.Errorf("boltstore: the store is closed: %w", os.ErrClosed)

// Options configures a [Store]. The zero value is what a gateway wants.
type Options struct {
	// CleanEvery is the pause between two rounds of Run; zero means a minute.
	CleanEvery time.Duration

	Log *slog.Logger     // nil: nowhere
	Now func() time.Time // nil: time.Now; decides what has expired
}

// Store is a [session.Store] in one bbolt file. It is safe for concurrent use. The file
// belongs to one process; see [Open].
type Store struct {
	path  string
	db    *bbolt.DB
	every time.Duration
	log   *slog.Logger
	now   func() time.Time

	writes  chan *write   // unbuffered: what is received is carried out
	closing chan struct{} // closed by Close
	idle    chan struct{} // closed when the writer has returned
	broken  error         // the writer's, until idle is closed: damage met while writing

	small   int64        // a file of less stays in memory; a constant
	touched atomic.Int64 // records since the file's pages were let go
	count   count

	closeOnce sync.Once
	closeErr  error
}

// Close waits for the writes that have begun, refuses the others and closes the file.
// Further calls of Close return what the first one did; all other methods then fail with
// an error that wraps [os.ErrClosed].
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		<-s.idle
		if s.broken != nil {
			// bbolt would wait for the transaction that was never left. The kernel
			// closes the file with the process.
			s.closeErr = s.broken
			return
		}
		s.leaveFreelist()
		if err := s.db.Close(); err != nil {
			s.closeErr = fmt.Errorf("boltstore: close %s: %w", s.path, err)
		}
	})
	return s.closeErr
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	var r session.Record
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		raw := tx.Bucket(bucketRecords).Get(id[:])
		if raw == nil {
			return session.ErrNotFound
		}
		e, err := parse(raw)
		if err != nil {
			return err
		}
		if e.expired(s.now()) {
			return session.ErrNotFound
		}
		r = e.record(id)
		return nil
	})
	return r, err
}

// Find implements [session.Store].
func (s *Store) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	var found []session.Record
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		now := s.now()
		c := tx.Bucket(bucketIndex).Cursor()
		for k, _ := c.Seek(key[:]); bytes.HasPrefix(k, key[:]); k, _ = c.Next() {
			r, live, err := s.pointed(ctx, tx, session.ID(k[keySize:]), now)
			if err != nil {
				return err
			}
			if live {
				found = append(found, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Due implements [session.Store].
func (s *Store) Due(ctx context.Context, before time.Time, limit int) ([]session.Record, error) {
	var due []session.Record
	last := appendTime(nil, before)
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		now := s.now()
		c := tx.Bucket(bucketDue).Cursor()
		for k, _ := c.First(); k != nil && len(due) < limit; k, _ = c.Next() {
			if bytes.Compare(k[:timeSize], last) > 0 {
				return nil
			}
			r, live, err := s.pointed(ctx, tx, session.ID(k[timeSize:]), now)
			if err != nil {
				return err
			}
			if live {
				due = append(due, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// pointed returns the record that an entry of index or due points to, unless it has
// expired. One that is missing is damage: they change together.
func (s *Store) pointed(ctx context.Context, tx *bbolt.Tx, id session.ID, now time.Time) (session.Record, bool, error) {
	if err := ctx.Err(); err != nil {
		return session.Record{}, false, err
	}
	raw := tx.Bucket(bucketRecords).Get(id[:])
	if raw == nil {
		return session.Record{}, false, fmt.Errorf("boltstore: %s lists record %s but does not have it: the file is damaged", s.path, id)
	}
	e, err := parse(raw)
	if err != nil || e.expired(now) {
		return session.Record{}, false, err
	}
	return e.record(id), true, nil
}

// read runs f in a read transaction.
//
// The file is read through a memory map, where a bad sector or a file cut off under us
// is a fault and not an error, and would end the process with every other session in
// it. So a fault becomes an error here.
func (s *Store) read(ctx context.Context, f func(*bbolt.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = s.damaged(p)
		}
	}()
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	err = s.db.View(f)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	s.touch(1)
	return err
}

// damaged describes a panic of bbolt. Its texts name pages and addresses, never contents.
func (s *Store) damaged(p any) error {
	return fmt.Errorf("boltstore: %s cannot be used: the file or its disk is damaged; restore it or move it away, and start again: %v", s.path, p)
}
