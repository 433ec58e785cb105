package redisstore

import (
	"context"
	"slices"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Find implements [session.Store].
func (s *Store) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	set := s.indexKey(key)
	var hints []entry
	err := s.read(ctx, "find", func(ctx context.Context, c rueidis.Client) (err error) {
		hints, err = entries(c.Do(ctx, c.B().Zrange().Key(set).Min("0").Max("-1").Withscores().Build()))
		return err
	})
	if err != nil {
		return nil, err
	}
	records, err := s.records(ctx, "find", hints)
	if err != nil {
		return nil, err
	}
	var found []session.Record
	var stale []correction
	for i, r := range records {
		if slices.Contains(r.Index, key) {
			found = append(found, r)
		} else {
			stale = append(stale, correction{key: set, seen: hints[i]})
		}
	}
	s.correct(ctx, stale)
	return found, nil
}
