package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// dueChecks are about Due.
var dueChecks = []check{
	{"due records come in order, up to and including the moment named, at most as many as asked for", func(ctx context.Context, f Fixture) error {
		start := f.Now().Truncate(time.Second)
		var want []session.Record
		for _, i := range []int{4, 0, 3, 1, 2} {
			r := newRecord(f, fmt.Sprint(i))
			r.Due = start.Add(time.Duration(i) * time.Second)
			r, err := created(ctx, f, r)
			if err != nil {
				return err
			}
			want = append(want, r)
		}
		slices.SortFunc(want, func(a, b session.Record) int { return a.Due.Compare(b.Due) })
		return errors.Join(
			dues(ctx, f, start.Add(-time.Millisecond), 10),
			dues(ctx, f, start, 10, want[0]),
			dues(ctx, f, start.Add(2*time.Second), 10, want[:3]...),
			dues(ctx, f, start.Add(time.Hour), 10, want...),
			dues(ctx, f, start.Add(time.Hour), 2, want[:2]...),
			dues(ctx, f, start.Add(time.Hour), 0),
			dues(ctx, f, start.Add(time.Hour), -1),
		)
	}},
	{"a record without a due time is never due", func(ctx context.Context, f Fixture) error {
		_, err := created(ctx, f, newRecord(f, "never due"))
		return errors.Join(err, dues(ctx, f, f.Now().Add(1000*long), 10), dues(ctx, f, time.Time{}, 10))
	}},
	{"records may share a due time", func(ctx context.Context, f Fixture) error {
		at := f.Now().Truncate(time.Second)
		for range 20 {
			r := newRecord(f, "together")
			r.Due = at
			if _, err := created(ctx, f, r); err != nil {
				return err
			}
		}
		for limit, want := range map[int]int{7: 7, 20: 20, 50: 20} {
			due, err := f.Store.Due(ctx, at, limit)
			if err != nil {
				return err
			}
			ids := make(map[session.ID]bool)
			for _, r := range due {
				ids[r.ID] = true
			}
			if len(due) != want || len(ids) != want {
				return fmt.Errorf("Due with limit %d: %d records, %d different ones, want %d", limit, len(due), len(ids), want)
			}
		}
		return nil
	}},
	{"the due time moves with a replace and goes with a delete", func(ctx context.Context, f Fixture) error {
		start := f.Now().Truncate(time.Second)
		r := newRecord(f, "moves")
		r.Due = start
		r, err := created(ctx, f, r)
		if err != nil {
			return err
		}
		for _, due := range []time.Time{start.Add(time.Minute), {}, start.Add(-time.Minute)} {
			r.Due = due
			if err := f.Store.Replace(ctx, clone(r)); err != nil {
				return err
			}
			r.Version++
			var now, later []session.Record
			switch {
			case due.IsZero():
			case due.After(start):
				later = []session.Record{r}
			default:
				now, later = []session.Record{r}, []session.Record{r}
			}
			if err := errors.Join(dues(ctx, f, start, 10, now...), dues(ctx, f, start.Add(long), 10, later...)); err != nil {
				return err
			}
		}
		return errors.Join(f.Store.Delete(ctx, r.ID, r.Version), dues(ctx, f, start.Add(long), 10))
	}},
	{"expired records do not use up the limit", func(ctx context.Context, f Fixture) error {
		for range 5 {
			r := newRecord(f, "expired")
			r.Due, r.Expires = f.Now().Add(-long), f.Now().Add(short)
			if _, err := created(ctx, f, r); err != nil {
				return err
			}
		}
		live := newRecord(f, "live")
		live.Due = f.Now().Add(-time.Second)
		live, err := created(ctx, f, live)
		if err != nil {
			return err
		}
		f.Wait(short + precision)
		return dues(ctx, f, f.Now(), 1, live)
	}},
}

// dues says how what Due returns differs from want, in this order.
func dues(ctx context.Context, f Fixture, before time.Time, limit int, want ...session.Record) error {
	due, err := f.Store.Due(ctx, before, limit)
	if err != nil {
		return fmt.Errorf("Due: %w", err)
	}
	if len(due) != len(want) {
		return fmt.Errorf("Due with limit %d: %d records, want %d", limit, len(due), len(want))
	}
	for i := range want {
		if err := same(due[i], want[i]); err != nil {
			return fmt.Errorf("Due: record %d: %w", i, err)
		}
	}
	return nil
}
