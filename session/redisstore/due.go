package redisstore

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Due implements [session.Store].
func (s *Store) Due(ctx context.Context, before time.Time, limit int) ([]session.Record, error) {
	if err := ctx.Err(); err != nil || limit < 1 {
		return nil, err
	}
	var due []session.Record
	var stale []correction
	pages, err := s.duePages(ctx, before, limit)
	if err != nil {
		return nil, err
	}
	for shard, page := range pages {
		walk := &dueWalk{s: s, key: s.dueKey(shard), before: milli(before), limit: limit}
		if err := walk.all(ctx, page); err != nil {
			return nil, err
		}
		due, stale = append(due, walk.due...), append(stale, walk.stale...)
	}
	s.correct(ctx, stale)
	sortByDue(due)
	return due[:min(limit, len(due))], nil
}

func sortByDue(records []session.Record) {
	slices.SortFunc(records, func(a, b session.Record) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
}

// pageSize is how many hints a walk reads at first, for a limit.
func pageSize(limit int) int { return min(limit, 512) + 16 }

// duePages reads the first page of each shard, all at once.
func (s *Store) duePages(ctx context.Context, before time.Time, limit int) ([][]entry, error) {
	var pages [][]entry
	err := s.read(ctx, "due", func(ctx context.Context, c rueidis.Client) error {
		pages = make([][]entry, shards)
		cmds := make(rueidis.Commands, shards)
		for shard := range cmds {
			cmds[shard] = duePage(c, s.dueKey(shard), milli(before), pageSize(limit))
		}
		for shard, result := range c.DoMulti(ctx, cmds...) {
			var err error
			if pages[shard], err = entries(result); err != nil {
				return err
			}
		}
		return nil
	})
	return pages, err
}

// duePage asks for the first hints that are not after a moment.
func duePage(c rueidis.Client, key string, before int64, size int) rueidis.Completed {
	last := "(" + strconv.FormatInt((before+1)<<10, 10)
	return c.B().Zrangebyscore().Key(key).Min("-inf").Max(last).Withscores().Limit(0, int64(size)).Build()
}

// dueWalk goes through one shard, the earliest first. A hint is never later than its
// record, but it may be earlier.
type dueWalk struct {
	s      *Store
	key    string
	before int64
	limit  int

	seen  map[session.ID]bool
	due   []session.Record // in order
	stale []correction
}

// all walks on until no record that is still to come can be among the first.
func (w *dueWalk) all(ctx context.Context, page []entry) error {
	w.seen = make(map[session.ID]bool, len(page))
	for size := pageSize(w.limit); ; {
		if err := w.take(ctx, page); err != nil {
			return err
		}
		// What a page leaves out comes from the start of a larger one: meanwhile others
		// may have added to the set, or taken from it.
		if len(page) < size || w.enough(page[len(page)-1]) {
			return nil
		}
		size *= 2
		err := w.s.read(ctx, "due", func(ctx context.Context, c rueidis.Client) (err error) {
			page, err = entries(c.Do(ctx, duePage(c, w.key, w.before, size)))
			return err
		})
		if err != nil {
			return err
		}
	}
}

// enough reports whether what comes after a hint is later than all that is wanted.
func (w *dueWalk) enough(last entry) bool {
	return len(w.due) >= w.limit && last.milli() >= w.due[w.limit-1].Due.UnixMilli()
}

// take loads the records of the hints that are new.
func (w *dueWalk) take(ctx context.Context, page []entry) error {
	fresh := make([]entry, 0, len(page))
	for _, e := range page {
		if !w.seen[e.id] {
			w.seen[e.id] = true
			fresh = append(fresh, e)
		}
	}
	records, err := w.s.records(ctx, "due", fresh)
	if err != nil {
		return err
	}
	for i, r := range records {
		switch {
		case r.ID.IsZero() || r.Due.IsZero():
			w.stale = append(w.stale, correction{key: w.key, seen: fresh[i]})
		case r.Due.UnixMilli() > w.before:
			w.stale = append(w.stale, correction{w.key, fresh[i], strconv.FormatInt(r.Due.UnixMilli(), 10)})
		default:
			w.due = append(w.due, r)
		}
	}
	sortByDue(w.due)
	return nil
}
