package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-bff/cloakroom/session"
)

// findChecks are about Index and Find.
var findChecks = []check{
	{"a key that nobody has finds nothing, without an error", func(ctx context.Context, f Fixture) error {
		_, err := created(ctx, f, newRecord(f, "without keys"))
		return errors.Join(err, finds(ctx, f, newKey()), finds(ctx, f, session.Key{}))
	}},
	{"each key of a record finds it whole", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "indexed")
		r.Index, r.Due = []session.Key{newKey(), newKey(), {}}, f.Now().Add(long)
		r, err := created(ctx, f, r)
		errs := []error{err}
		for _, key := range r.Index {
			errs = append(errs, finds(ctx, f, key, r))
		}
		return errors.Join(errs...)
	}},
	{"a key that stands twice finds its record once", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "twice")
		key := newKey()
		r.Index = []session.Key{key, key}
		r, err := created(ctx, f, r)
		if err := errors.Join(err, finds(ctx, f, key, r)); err != nil {
			return err
		}
		r.Index = []session.Key{key}
		if err := f.Store.Replace(ctx, clone(r)); err != nil {
			return err
		}
		r.Version++
		if err := finds(ctx, f, key, r); err != nil {
			return err
		}
		return errors.Join(f.Store.Delete(ctx, r.ID, r.Version), finds(ctx, f, key))
	}},
	{"many records share a key", func(ctx context.Context, f Fixture) error {
		shared, other := newKey(), newKey()
		other[0] = shared[0] // Neighbours share a prefix.
		var want []session.Record
		for i := range 40 {
			r := newRecord(f, fmt.Sprint(i))
			r.Index = []session.Key{other}
			if i%4 != 0 {
				r.Index = append(r.Index, shared)
			}
			r, err := created(ctx, f, r)
			if err != nil {
				return err
			}
			if i%4 != 0 {
				want = append(want, r)
			}
		}
		if err := finds(ctx, f, shared, want...); err != nil {
			return err
		}
		if err := f.Store.Delete(ctx, want[0].ID, 1); err != nil {
			return err
		}
		return finds(ctx, f, shared, want[1:]...)
	}},
	{"the index moves with a replace", func(ctx context.Context, f Fixture) error {
		gone, stays, comes := newKey(), newKey(), newKey()
		r := newRecord(f, "moves")
		r.Index = []session.Key{gone, stays}
		r, err := created(ctx, f, r)
		if err != nil {
			return err
		}
		r.Index = []session.Key{stays, comes}
		if err := f.Store.Replace(ctx, clone(r)); err != nil {
			return err
		}
		r.Version++
		if err := errors.Join(finds(ctx, f, gone), finds(ctx, f, stays, r), finds(ctx, f, comes, r)); err != nil {
			return err
		}
		r.Index = nil
		if err := f.Store.Replace(ctx, clone(r)); err != nil {
			return err
		}
		return errors.Join(finds(ctx, f, stays), finds(ctx, f, comes))
	}},
	{"a write that fails moves no index", func(ctx context.Context, f Fixture) error {
		kept, wrong := newKey(), newKey()
		r := newRecord(f, "kept")
		r.Index = []session.Key{kept}
		r, err := created(ctx, f, r)
		if err != nil {
			return err
		}
		late := clone(r)
		late.Version, late.Index, late.Due = 9, []session.Key{wrong}, f.Now()
		if err := errors.Join(
			is("Replace", f.Store.Replace(ctx, clone(late)), session.ErrConflict),
			is("Create", f.Store.Create(ctx, clone(late)), session.ErrExists),
			is("Delete", f.Store.Delete(ctx, r.ID, 9), session.ErrConflict),
		); err != nil {
			return err
		}
		return errors.Join(finds(ctx, f, kept, r), finds(ctx, f, wrong), dues(ctx, f, f.Now(), 10))
	}},
}

// finds says how what Find returns differs from want, in any order.
func finds(ctx context.Context, f Fixture, key session.Key, want ...session.Record) error {
	found, err := f.Store.Find(ctx, key)
	if err != nil {
		return fmt.Errorf("Find: %w", err)
	}
	if len(found) != len(want) {
		return fmt.Errorf("Find: %d records, want %d", len(found), len(want))
	}
	byID := make(map[session.ID]session.Record, len(found))
	for _, r := range found {
		byID[r.ID] = r
	}
	for _, r := range want {
		if err := same(byID[r.ID], r); err != nil {
			return fmt.Errorf("Find: %w", err)
		}
	}
	return nil
}
