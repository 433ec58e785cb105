package boltstore

import (
	"context"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

var _ session.Counted = (*Store)(nil)

// count is how many records have a due time. The list of those times is walked once; from
// then on the writer counts.
type count struct {
	walk sync.Mutex // held by whoever walks the list

	mu    sync.Mutex // held over a commit, too, so that the walk begins between two of them
	known bool       // guarded by mu
	n     int        // guarded by mu: if not known, what has come since the walk began
}

// commit ends a transaction that makes so many more records due.
func (c *count) commit(tx *bbolt.Tx, more int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := tx.Commit()
	if err == nil {
		c.n += more
	}
	return err
}

// get returns the number if it is known. It waits for a commit.
func (c *count) get() (n int, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, c.known
}

// walkedAtOnce is how many due times are read before the pages that they lie in are given
// back: about 500 pages, which come with their neighbours.
const walkedAtOnce = 1 << 14

// Count implements [session.Counted]. The first call reads the pages of the list of due
// times, and no record; the others read nothing.
func (s *Store) Count(ctx context.Context) (int, error) {
	c := &s.count
	c.walk.Lock()
	defer c.walk.Unlock()
	if n, known := c.get(); known {
		return n, ctx.Err()
	}
	listed := 0
	c.mu.Lock()
	unlock := sync.OnceFunc(c.mu.Unlock)
	defer unlock()
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		c.n = 0
		unlock()
		entries := tx.Bucket(bucketDue).Cursor()
		for k, _ := entries.First(); k != nil; k, _ = entries.Next() {
			if listed++; listed%walkedAtOnce == 0 {
				s.giveBack(tx)
			}
		}
		s.giveBack(tx)
		return nil
	})
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.known = c.n+listed, true
	return c.n, nil
}
