package boltstore

import (
	"context"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

// scanBatch is how many records one transaction of a walk looks at. A longer one would keep
// pages from being used again, and the file would grow.
const scanBatch = 256

// Scan implements [session.Store]. It walks in the order of the ids, which no write moves.
func (s *Store) Scan(ctx context.Context) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) {
		for next := make([]byte, idSize); next != nil; {
			var part []session.Record
			var err error
			if part, next, err = s.part(ctx, next); err != nil {
				yield(session.Record{}, err)
				return
			}
			for _, r := range part {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// part reads the records from an id on, and returns the id at which the next part begins;
// nil if there is none.
func (s *Store) part(ctx context.Context, from []byte) (part []session.Record, next []byte, err error) {
	err = s.read(ctx, func(tx *bbolt.Tx) error {
		now := s.now()
		c := tx.Bucket(bucketRecords).Cursor()
		k, raw := c.Seek(from)
		for n := 0; k != nil && n < scanBatch; n++ {
			e, err := parse(raw)
			if err != nil {
				return err
			}
			if !e.due.IsZero() && !e.expired(now) {
				part = append(part, e.record(session.ID(k)))
			}
			k, raw = c.Next()
		}
		next = append(next, k...) // Stays nil after the last one.
		return nil
	})
	return part, next, err
}
