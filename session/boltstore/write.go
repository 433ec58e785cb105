package boltstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/cloakroom-bff/cloakroom/session"
)

// A batch ends at this many writes or bytes, so that no caller waits long for others.
const (
	batchWrites = 512
	batchBytes  = 8 << 20
)

// write is one call on its way to the writer. Who made it may have left.
type write struct {
	apply    func(*txn) error
	size     int
	decision error      // of apply, told when the batch is on disk
	done     chan error // buffered: the writer waits for nobody
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, r session.Record) error {
	value, err := encode(r, 1)
	if err != nil {
		return err
	}
	return s.write(ctx, len(value), func(t *txn) error { return t.create(r.ID, value) })
}

// Replace implements [session.Store].
func (s *Store) Replace(ctx context.Context, r session.Record) error {
	value, err := encode(r, r.Version+1)
	if err != nil {
		return err
	}
	return s.write(ctx, len(value), func(t *txn) error { return t.replace(r.ID, r.Version, value) })
}

// Delete implements [session.Store].
func (s *Store) Delete(ctx context.Context, id session.ID, version uint64) error {
	return s.write(ctx, 0, func(t *txn) error { return t.delete(id, version) })
}

// write hands one call to the writer and waits for its outcome, or for ctx.
func (s *Store) write(ctx context.Context, size int, apply func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{apply: apply, size: size, done: make(chan error, 1)}
	select {
	case s.writes <- w:
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err() // It was never received: nothing has happened, nothing will.
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-w.done: // Both at once: what is known is worth more.
		return err
	default:
		return ctx.Err()
	}
}

// runWriter carries out writes until Close. Every write that it receives gets an answer.
func (s *Store) runWriter() {
	defer close(s.idle)
	for {
		select {
		case <-s.closing:
			return
		case first := <-s.writes:
			s.commit(s.gather(first))
		}
	}
}

// gather adds to the first write all those that wait already. It yields once, so that the
// callers that the last commit has just released can join; it never sleeps.
func (s *Store) gather(first *write) []*write {
	batch, size := []*write{first}, first.size
	runtime.Gosched()
	for len(batch) < batchWrites && size < batchBytes {
		select {
		case w := <-s.writes:
			batch, size = append(batch, w), size+w.size
		default:
			return batch
		}
	}
	return batch
}

// commit carries out a batch and answers its callers. If it fails, nobody is told a
// decision: it was made on what is not there.
func (s *Store) commit(batch []*write) {
	err := s.transact(batch)
	for _, w := range batch {
		if err != nil {
			w.done <- err
		} else {
			w.done <- w.decision
		}
	}
}

// transact applies a batch in one transaction. When it returns nil, all of it is durable.
func (s *Store) transact(batch []*write) (err error) {
	if s.broken != nil {
		return s.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // As in read.
	defer func() {
		if p := recover(); p != nil {
			s.broken = s.damaged(p)
			err = s.broken
		}
	}()

	tx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("boltstore: begin: %w", err)
	}
	t := newTxn(tx, s.now())
	for _, w := range batch {
		err := w.apply(t)
		if err != nil && !isDecision(err) {
			return leave(tx, err)
		}
		w.decision = err
	}
	if !t.changed {
		return leave(tx, nil)
	}
	s.setFreelist()
	if err := s.count.commit(tx, t.more); err != nil {
		return leave(tx, fmt.Errorf("boltstore: write %s: %w", s.path, err))
	}
	s.touch(len(batch) * touchedByWrite)
	return nil
}

// leave gives up a transaction, if bbolt has not done so, and returns why.
func leave(tx *bbolt.Tx, why error) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, berrors.ErrTxClosed) {
		return errors.Join(why, fmt.Errorf("boltstore: roll back: %w", err))
	}
	return why
}

// isDecision reports whether err is an answer of the store rather than a failure.
func isDecision(err error) bool {
	return errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrExists)
}
