package redisstore

import (
	"bytes"
	"cmp"
	"context"
	"math"
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
	walk := &dueWalk{s: s, before: milli(before), limit: limit, seen: make(map[session.ID]bool, limit)}
	if err := walk.all(ctx); err != nil {
		return nil, err
	}
	s.correct(ctx, walk.stale)
	return walk.due[:min(limit, len(walk.due))], nil
}

func sortByDue(records []session.Record) {
	slices.SortFunc(records, func(a, b session.Record) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
}

// dueWalk goes through the hints of all shards, the earliest first. A hint is never later
// than its record, but it may be earlier.
type dueWalk struct {
	s      *Store
	before int64
	limit  int

	seen  map[session.ID]bool
	due   []session.Record // in order
	stale []correction
}

// all walks on until no record that is still to come can be among the first.
func (w *dueWalk) all(ctx context.Context) error {
	// What a page leaves out comes from the start of a larger one: meanwhile others may have
	// added to the set, or taken from it.
	for size := min(w.limit, 512)/shards + 16; ; size *= 2 {
		hints, more, err := w.page(ctx, size)
		if err != nil {
			return err
		}
		enough, err := w.take(ctx, hints)
		if err != nil || enough || !more {
			return err
		}
	}
}

// page reads the first hints of each shard, all at once, and returns them in order, as far
// as no shard can have one in between; more says that there are others.
func (w *dueWalk) page(ctx context.Context, size int) (hints []entry, more bool, err error) {
	last := "(" + strconv.FormatInt((w.before+1)<<10, 10)
	horizon := int64(math.MaxInt64)
	err = w.s.read(ctx, "due", func(ctx context.Context, c rueidis.Client) error {
		hints, more, horizon = nil, false, math.MaxInt64 // it may be a second try
		cmds := make(rueidis.Commands, shards)
		for shard := range cmds {
			cmds[shard] = c.B().Zrangebyscore().Key(w.s.dueKey(shard)).Min("-inf").Max(last).Withscores().Limit(0, int64(size)).Build()
		}
		for _, result := range c.DoMulti(ctx, cmds...) {
			page, err := entries(result)
			if err != nil {
				return err
			}
			if len(page) >= size {
				more, horizon = true, min(horizon, page[len(page)-1].score)
			}
			hints = append(hints, page...)
		}
		return nil
	})
	hints = slices.DeleteFunc(hints, func(e entry) bool { return e.score > horizon })
	slices.SortFunc(hints, func(a, b entry) int { return cmp.Compare(a.score, b.score) })
	return hints, more, err
}

// take loads the records of the hints that are new, a batch at a time. It reports whether
// what comes later is later than all that is wanted.
func (w *dueWalk) take(ctx context.Context, hints []entry) (enough bool, err error) {
	hints = slices.DeleteFunc(hints, func(e entry) bool { return w.seen[e.id] })
	for len(hints) > 0 {
		n := min(batch, len(hints))
		records, err := w.s.records(ctx, "due", hints[:n])
		if err != nil {
			return false, err
		}
		for i, r := range records {
			w.seen[hints[i].id] = true
			w.sort(hints[i], r)
		}
		sortByDue(w.due)
		if len(w.due) >= w.limit && hints[n-1].milli() >= w.due[w.limit-1].Due.UnixMilli() {
			return true, nil
		}
		hints = hints[n:]
	}
	return false, nil
}

// sort puts a record where it belongs.
func (w *dueWalk) sort(e entry, r session.Record) {
	key := w.s.dueKey(shardOf(e.id))
	switch {
	case r.ID.IsZero() || r.Due.IsZero():
		w.stale = append(w.stale, correction{key: key, seen: e})
	case r.Due.UnixMilli() > w.before:
		w.stale = append(w.stale, correction{key, e, dueText(r.Due)})
	default:
		w.due = append(w.due, r)
	}
}
