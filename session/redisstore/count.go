package redisstore

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

var _ session.Counted = (*Store)(nil)

// Count implements [session.Counted]: the servers know the sizes of their sets of due times.
func (s *Store) Count(ctx context.Context) (int, error) {
	n := 0
	err := s.read(ctx, "count", func(ctx context.Context, c rueidis.Client) error {
		n = 0
		sizes := make([]rueidis.Completed, 0, shards)
		for shard := range shards {
			sizes = append(sizes, c.B().Zcard().Key(s.dueKey(shard)).Build())
		}
		for _, size := range c.DoMulti(ctx, sizes...) {
			held, err := size.AsInt64()
			if err != nil {
				return err
			}
			n += int(held)
		}
		return nil
	})
	return n, err
}
