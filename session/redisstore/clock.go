package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"
)

// Now returns the server's clock, so that leases of many replicas run by one. On a Cluster
// it is always that of the same master.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var clock []int64
	err := s.read(ctx, "clock", func(ctx context.Context, c rueidis.Client) (err error) {
		clock, err = run(ctx, c, call{script: nowScript, key: s.addr.prefix + "clock"})[0].AsIntSlice()
		return err
	})
	switch {
	case err != nil:
		return time.Time{}, err
	case len(clock) != 2:
		return time.Time{}, fmt.Errorf("redisstore: clock at %s: %d numbers, want 2", s.addr, len(clock))
	}
	return time.Unix(clock[0], clock[1]*1000).UTC(), nil
}
