package boltstore

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

var _ session.Counted = (*Store)(nil)

// Count implements [session.Counted]. It reads the pages of the list of due times, and no
// record.
func (s *Store) Count(ctx context.Context) (int, error) {
	n := 0
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		n = tx.Bucket(bucketDue).Stats().KeyN
		return nil
	})
	return n, err
}
