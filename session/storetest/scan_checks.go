package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// crowded is more records than a store reads at a time.
const crowded = 600

// scanChecks are about Scan.
var scanChecks = []check{
	{"a walk over nothing that has a due time sees nothing, without an error", func(ctx context.Context, f Fixture) error {
		_, err := created(ctx, f, newRecord(f, "never due"))
		return errors.Join(err, scans(ctx, f, nil))
	}},
	{"a walk sees each record that has a due time once and whole, whenever that is", func(ctx context.Context, f Fixture) error {
		want, err := scheduled(ctx, f, 9)
		if err != nil {
			return err
		}
		gone, err := created(ctx, f, schedule(f, newRecord(f, "deleted"), 1))
		if err != nil {
			return err
		}
		idle, err := created(ctx, f, schedule(f, newRecord(f, "no longer due"), 2))
		if err != nil {
			return err
		}
		idle.Due = time.Time{}
		expires := schedule(f, newRecord(f, "expires"), 3)
		expires.Expires = f.Now().Add(short)
		_, err = created(ctx, f, expires)
		if err := errors.Join(err, f.Store.Replace(ctx, idle), f.Store.Delete(ctx, gone.ID, 1)); err != nil {
			return err
		}
		f.Wait(short + precision)
		return scans(ctx, f, nil, want...)
	}},
	{"a store that counts counts the records that have a due time", func(ctx context.Context, f Fixture) error {
		store, ok := f.Store.(session.Counted)
		if !ok {
			return nil
		}
		due, err := scheduled(ctx, f, 5)
		if err != nil {
			return err
		}
		_, err = created(ctx, f, newRecord(f, "never due"))
		due[0].Due = time.Time{}
		if err := errors.Join(err, f.Store.Replace(ctx, clone(due[0])), f.Store.Delete(ctx, due[1].ID, due[1].Version)); err != nil {
			return err
		}
		switch n, err := store.Count(ctx); {
		case err != nil:
			return err
		case n != 3 && n != 4: // The one that is not due any more may still count.
			return fmt.Errorf("counted %d, want 3 or 4", n)
		}
		return nil
	}},
	{"a walk sees each record once, also while all of them are written", func(ctx context.Context, f Fixture) error {
		want, err := scheduled(ctx, f, crowded)
		if err != nil {
			return err
		}
		return scans(ctx, f, func(seen int) error {
			if seen != 1 && seen != crowded/2 {
				return nil
			}
			// What was last comes first, and the other way round.
			return each(want, func(i int) error {
				want[i].Due = f.Now().Add(time.Duration(len(want)-i) * time.Duration(seen) * time.Second)
				err := f.Store.Replace(ctx, clone(want[i]))
				want[i].Version++
				return err
			})
		}, want...)
	}},
	{"who has seen enough of a walk may stop it", func(ctx context.Context, f Fixture) (err error) {
		if _, err := scheduled(ctx, f, 3); err != nil {
			return err
		}
		defer func() {
			if p := recover(); p != nil { // Go's own, of a loop that is continued.
				err = fmt.Errorf("Scan goes on: %v", p)
			}
		}()
		for _, err := range f.Store.Scan(ctx) {
			return err
		}
		return errors.New("Scan saw nothing")
	}},
	{"a walk whose caller leaves says so and ends", func(ctx context.Context, f Fixture) error {
		if _, err := scheduled(ctx, f, crowded); err != nil {
			return err
		}
		leaving, cancel := context.WithCancel(ctx)
		defer cancel()
		var last error
		seen := 0
		for _, err := range f.Store.Scan(leaving) {
			if last != nil {
				return errors.New("Scan goes on after an error")
			}
			if last = err; err == nil {
				seen++
			}
			cancel()
		}
		if seen == crowded {
			return errors.New("Scan saw all records for a caller who had left")
		}
		return is("Scan", last, context.Canceled)
	}},
}

// schedule gives a record a due time, n hours from now.
func schedule(f Fixture, r session.Record, n int) session.Record {
	r.Due, r.Expires = f.Now().Add(time.Duration(n)*time.Hour), f.Now().Add(10000*long)
	return r
}

// scheduled creates so many records with a due time, some of them in the past.
func scheduled(ctx context.Context, f Fixture, count int) ([]session.Record, error) {
	all := make([]session.Record, count)
	err := each(all, func(i int) (err error) {
		r := schedule(f, newRecord(f, fmt.Sprint(i)), i-2)
		r.Index = []session.Key{newKey()}
		all[i], err = created(ctx, f, r)
		return err
	})
	return all, err
}

// each calls do for every place of a list, by a crowd.
func each(list []session.Record, do func(i int) error) error {
	return together(crowd, func(worker int) error {
		for i := worker; i < len(list); i += crowd {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	})
}

// scans says how what Scan sees differs from want. The versions that are written during
// the walk may be seen or not. Meanwhile is told how many have been seen; nil does nothing.
func scans(ctx context.Context, f Fixture, meanwhile func(seen int) error, want ...session.Record) error {
	seen := make(map[session.ID]session.Record)
	for r, err := range f.Store.Scan(ctx) {
		if err != nil {
			return fmt.Errorf("Scan: %w", err)
		}
		if _, twice := seen[r.ID]; twice {
			return errors.New("Scan sees a record twice")
		}
		seen[r.ID] = r
		if meanwhile != nil {
			if err := meanwhile(len(seen)); err != nil {
				return err
			}
		}
	}
	if len(seen) != len(want) {
		return fmt.Errorf("Scan: %d records, want %d", len(seen), len(want))
	}
	for _, r := range want {
		got, ok := seen[r.ID]
		if !ok {
			return errors.New("Scan leaves out a record")
		}
		if got.Version < r.Version && meanwhile != nil {
			got.Version, got.Due = r.Version, r.Due
		}
		if err := same(got, r); err != nil {
			return fmt.Errorf("Scan: %w", err)
		}
	}
	return nil
}
