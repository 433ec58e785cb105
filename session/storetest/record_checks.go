package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-bff/cloakroom/session"
)

// recordChecks are about one record and one caller.
var recordChecks = []check{
	{"a record comes back as it was created, in version 1", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "sealed")
		r.Version = 77 // Ignored.
		r.Index = []session.Key{newKey(), newKey(), newKey()}
		r.Due = f.Now().Add(long / 2)
		if err := f.Store.Create(ctx, clone(r)); err != nil {
			return err
		}
		r.Version = 1
		return loads(ctx, f, r)
	}},
	{"data may be empty, and large", func(ctx context.Context, f Fixture) error {
		for _, size := range []int{0, 1, 64 << 10, 1 << 20} {
			r := newRecord(f, "")
			r.Data = bytes.Repeat([]byte{0xa5}, size)
			if err := f.Store.Create(ctx, clone(r)); err != nil {
				return fmt.Errorf("%d bytes: %w", size, err)
			}
			r.Version = 1
			if err := loads(ctx, f, r); err != nil {
				return err
			}
			r.Data = append(r.Data, "more"...)
			if err := f.Store.Replace(ctx, clone(r)); err != nil {
				return fmt.Errorf("%d bytes: %w", len(r.Data), err)
			}
			r.Version = 2
			if err := loads(ctx, f, r); err != nil {
				return err
			}
		}
		return nil
	}},
	{"what was never created is not found", func(ctx context.Context, f Fixture) error {
		return absent(ctx, f, newRecord(f, "never"), 0, 1)
	}},
	{"a second create of a record fails and changes nothing", func(ctx context.Context, f Fixture) error {
		r, err := created(ctx, f, newRecord(f, "first"))
		if err != nil {
			return err
		}
		again := clone(r)
		again.Data = []byte("second")
		if err := is("Create again", f.Store.Create(ctx, again), session.ErrExists); err != nil {
			return err
		}
		return loads(ctx, f, r)
	}},
	{"a replace adds one to the version and changes every field", func(ctx context.Context, f Fixture) error {
		r, err := created(ctx, f, newRecord(f, "0"))
		if err != nil {
			return err
		}
		for i := range 5 {
			r.Data = fmt.Appendf(nil, "%d", i)
			r.Index = []session.Key{newKey(), newKey()}[:1+i%2]
			r.Due = f.Now().Add(long + precision)
			r.Expires = f.Now().Add(2 * long)
			if err := f.Store.Replace(ctx, clone(r)); err != nil {
				return err
			}
			r.Version++
			if err := loads(ctx, f, r); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a replace of another version fails and changes nothing", func(ctx context.Context, f Fixture) error {
		r, err := replaced(ctx, f, newRecord(f, "as it is"))
		if err != nil {
			return err
		}
		for _, version := range []uint64{0, 1, 3, 1 << 63} {
			late := clone(r)
			late.Version, late.Data, late.Index = version, []byte("late"), []session.Key{newKey()}
			if err := is(fmt.Sprintf("Replace of version %d", version), f.Store.Replace(ctx, late), session.ErrConflict); err != nil {
				return err
			}
		}
		return loads(ctx, f, r)
	}},
	{"a tombstone is never overwritten by who read what was there before", func(ctx context.Context, f Fixture) error {
		live, err := created(ctx, f, newRecord(f, "live"))
		if err != nil {
			return err
		}
		tomb := clone(live)
		tomb.Data = []byte("ended")
		if err := f.Store.Replace(ctx, clone(tomb)); err != nil {
			return err
		}
		tomb.Version++
		late := clone(live)
		late.Data = []byte("refreshed")
		for range 3 {
			if err := is("late Replace", f.Store.Replace(ctx, clone(late)), session.ErrConflict); err != nil {
				return err
			}
		}
		return loads(ctx, f, tomb)
	}},
	{"a delete removes the record", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "short-lived")
		r.Index, r.Due = []session.Key{newKey()}, f.Now()
		r, err := replaced(ctx, f, r)
		if err != nil {
			return err
		}
		if err := f.Store.Delete(ctx, r.ID, r.Version); err != nil {
			return err
		}
		return absent(ctx, f, r, 0, 1, 2, 3)
	}},
	{"a delete of another version fails and changes nothing", func(ctx context.Context, f Fixture) error {
		r, err := replaced(ctx, f, newRecord(f, "as it is"))
		if err != nil {
			return err
		}
		for _, version := range []uint64{0, 1, 3} {
			if err := is(fmt.Sprintf("Delete of version %d", version), f.Store.Delete(ctx, r.ID, version), session.ErrConflict); err != nil {
				return err
			}
		}
		return loads(ctx, f, r)
	}},
	{"a deleted record can be created anew", func(ctx context.Context, f Fixture) error {
		r, err := replaced(ctx, f, newRecord(f, "first life"))
		if err != nil {
			return err
		}
		if err := f.Store.Delete(ctx, r.ID, r.Version); err != nil {
			return err
		}
		r, err = created(ctx, f, r)
		if err != nil {
			return err
		}
		return loads(ctx, f, r)
	}},
	{"records do not touch each other", func(ctx context.Context, f Fixture) error {
		a := newRecord(f, "a")
		b := newRecord(f, "b")
		b.ID = a.ID
		b.ID[len(b.ID)-1] ^= 1 // Neighbours.
		a, errA := created(ctx, f, a)
		b, errB := created(ctx, f, b)
		if err := errors.Join(errA, errB, f.Store.Delete(ctx, a.ID, a.Version)); err != nil {
			return err
		}
		return errors.Join(absent(ctx, f, a, 1), loads(ctx, f, b))
	}},
	{"the store keeps nothing that it is given and owns nothing that it returns", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "sealed")
		r.Index = []session.Key{newKey(), newKey()}
		r.Due = f.Now()
		given := clone(r)
		if err := f.Store.Create(ctx, given); err != nil {
			return err
		}
		scribble(given)
		r.Version = 1
		if err := loads(ctx, f, r); err != nil {
			return fmt.Errorf("after a change of what Create was given: %w", err)
		}
		given = clone(r)
		if err := f.Store.Replace(ctx, given); err != nil {
			return err
		}
		scribble(given)
		r.Version = 2
		if err := loads(ctx, f, r); err != nil {
			return fmt.Errorf("after a change of what Replace was given: %w", err)
		}
		return scribbled(ctx, f, r)
	}},
	{"a record without an id or a lifetime is refused", func(ctx context.Context, f Fixture) error {
		nobody, endless := newRecord(f, "no id"), newRecord(f, "no lifetime")
		nobody.ID = session.ID{}
		endless.Expires = endless.Due
		kept, err := created(ctx, f, newRecord(f, "kept"))
		if err != nil {
			return err
		}
		lost := clone(kept)
		lost.Expires = lost.Due
		return errors.Join(
			isNoDecision("Create without ID", f.Store.Create(ctx, nobody)),
			isNoDecision("Create without Expires", f.Store.Create(ctx, endless)),
			isNoDecision("Replace without Expires", f.Store.Replace(ctx, lost)),
			absent(ctx, f, endless, 1),
			loads(ctx, f, kept),
		)
	}},
}

// created creates r and returns it as it must be now.
func created(ctx context.Context, f Fixture, r session.Record) (session.Record, error) {
	if err := f.Store.Create(ctx, clone(r)); err != nil {
		return r, fmt.Errorf("Create: %w", err)
	}
	r.Version = 1
	return r, nil
}

// replaced creates r, replaces it once by itself and returns it as it must be now.
func replaced(ctx context.Context, f Fixture, r session.Record) (session.Record, error) {
	r, err := created(ctx, f, r)
	if err != nil {
		return r, err
	}
	if err := f.Store.Replace(ctx, clone(r)); err != nil {
		return r, fmt.Errorf("Replace: %w", err)
	}
	r.Version = 2
	return r, nil
}

// loads says how what Load returns differs from want.
func loads(ctx context.Context, f Fixture, want session.Record) error {
	got, err := f.Store.Load(ctx, want.ID)
	if err != nil {
		return fmt.Errorf("Load: %w", err)
	}
	if err := same(got, want); err != nil {
		return fmt.Errorf("Load: %w", err)
	}
	return nil
}

// absent says where r is still to be seen, or can be brought back by a write of one of the
// versions.
func absent(ctx context.Context, f Fixture, r session.Record, versions ...uint64) error {
	unseen := func() error {
		_, err := f.Store.Load(ctx, r.ID)
		errs := []error{is("Load", err, session.ErrNotFound)}
		for _, key := range r.Index {
			found, err := f.Store.Find(ctx, key)
			errs = append(errs, err, none("Find", found, r.ID))
		}
		due, err := f.Store.Due(ctx, f.Now().Add(10*long), 1000)
		return errors.Join(append(errs, err, none("Due", due, r.ID))...)
	}
	if err := unseen(); err != nil {
		return err
	}
	for _, version := range versions {
		back := clone(r)
		back.Version, back.Expires = version, f.Now().Add(long)
		if err := errors.Join(
			is(fmt.Sprintf("Replace of version %d", version), f.Store.Replace(ctx, back), session.ErrNotFound),
			is(fmt.Sprintf("Delete of version %d", version), f.Store.Delete(ctx, r.ID, version), session.ErrNotFound),
		); err != nil {
			return err
		}
	}
	return unseen()
}

func none(what string, records []session.Record, id session.ID) error {
	if slices.ContainsFunc(records, func(r session.Record) bool { return r.ID == id }) {
		return fmt.Errorf("%s still has the record", what)
	}
	return nil
}

// scribble changes all that a record's slices hold.
func scribble(r session.Record) {
	clear(r.Data)
	clear(r.Index)
}

// scribbled changes what each reading method returned, and reads again.
func scribbled(ctx context.Context, f Fixture, r session.Record) error {
	loaded, err := f.Store.Load(ctx, r.ID)
	if err != nil {
		return err
	}
	scribble(loaded)
	if err := loads(ctx, f, r); err != nil {
		return fmt.Errorf("after a change of what Load returned: %w", err)
	}
	found, err := f.Store.Find(ctx, r.Index[0])
	if err != nil {
		return err
	}
	due, err := f.Store.Due(ctx, f.Now(), 1)
	if err != nil {
		return err
	}
	for _, got := range append(found, due...) {
		scribble(got)
	}
	if err := loads(ctx, f, r); err != nil {
		return fmt.Errorf("after a change of what Find and Due returned: %w", err)
	}
	return nil
}
