package redisstore

import (
	"context"
	"iter"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Scan implements [session.Store]. SCAN would promise less: its cursors do not survive a
// failover, nor a slot that moves behind them. But every record with a due time stands in
// one of the sets of due times, of which each is read as a whole: 32 bytes for each record,
// an eighth of all at a time.
func (s *Store) Scan(ctx context.Context) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) {
		for shard := range shards {
			ids, err := s.scheduled(ctx, shard)
			if err != nil {
				yield(session.Record{}, err)
				return
			}
			for len(ids) > 0 {
				n := min(batch, len(ids))
				part, err := s.records(ctx, "scan", ids[:n])
				if err != nil {
					yield(session.Record{}, err)
					return
				}
				for _, r := range part {
					if !r.Due.IsZero() && !yield(r, nil) {
						return
					}
				}
				ids = ids[n:]
			}
		}
	}
}

// scheduled reads the whole of one set of due times, without the times: they may change
// before the records are read.
func (s *Store) scheduled(ctx context.Context, shard int) ([]entry, error) {
	var members []string
	err := s.read(ctx, "scan", func(ctx context.Context, c rueidis.Client) (err error) {
		members, err = c.Do(ctx, c.B().Zrange().Key(s.dueKey(shard)).Min("0").Max("-1").Build()).AsStrSlice()
		return err
	})
	if err != nil {
		return nil, err
	}
	ids := make([]entry, 0, len(members))
	for _, member := range members {
		if len(member) == len(session.ID{}) {
			ids = append(ids, entry{id: session.ID([]byte(member))})
		}
	}
	return ids, nil
}
