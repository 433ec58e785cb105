package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// timeChecks are about what a record's times do to it.
var timeChecks = []check{
	{"an expired record is absent, and a write does not bring it back", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "ends soon")
		r.Index, r.Due = []session.Key{newKey()}, f.Now()
		r.Expires = f.Now().Add(short)
		r, err := created(ctx, f, r)
		if err != nil {
			return err
		}
		f.Wait(short + precision)
		return absent(ctx, f, r, 0, 1, 2)
	}},
	{"a record can be created over an expired one", func(ctx context.Context, f Fixture) error {
		old := newRecord(f, "old")
		old.Index, old.Due = []session.Key{newKey()}, f.Now()
		old.Expires = f.Now().Add(short)
		old, err := created(ctx, f, old)
		if err != nil {
			return err
		}
		f.Wait(short + precision)
		young := newRecord(f, "young")
		young.ID, young.Index = old.ID, []session.Key{newKey()}
		young, err = created(ctx, f, young)
		if err != nil {
			return err
		}
		found, err := f.Store.Find(ctx, old.Index[0])
		if err := errors.Join(err, none("Find by the old key", found, old.ID)); err != nil {
			return err
		}
		due, err := f.Store.Due(ctx, f.Now(), 10)
		return errors.Join(err, none("Due", due, old.ID), finds(ctx, f, young.Index[0], young), loads(ctx, f, young))
	}},
	{"a replace moves the end of a record", func(ctx context.Context, f Fixture) error {
		longer := newRecord(f, "longer")
		longer.Expires = f.Now().Add(short)
		longer, errL := created(ctx, f, longer)
		shorter, errS := created(ctx, f, newRecord(f, "shorter"))
		if err := errors.Join(errL, errS); err != nil {
			return err
		}
		longer.Expires = f.Now().Add(long)
		shorter.Expires = f.Now().Add(short)
		if err := errors.Join(f.Store.Replace(ctx, clone(longer)), f.Store.Replace(ctx, clone(shorter))); err != nil {
			return err
		}
		longer.Version, shorter.Version = 2, 2
		f.Wait(short + precision)
		return errors.Join(loads(ctx, f, longer), absent(ctx, f, shorter, 1, 2))
	}},
	{"a record that has expired when it is written is accepted and absent", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "stillborn")
		r.Index, r.Due = []session.Key{newKey()}, f.Now()
		r.Expires = f.Now().Add(-time.Second)
		if err := f.Store.Create(ctx, clone(r)); err != nil {
			return err
		}
		if err := absent(ctx, f, r, 1); err != nil {
			return err
		}
		ended := newRecord(f, "ended by a replace")
		ended.Index, ended.Due = []session.Key{newKey()}, f.Now()
		ended, err := created(ctx, f, ended)
		if err != nil {
			return err
		}
		ended.Expires = f.Now().Add(-time.Second)
		if err := f.Store.Replace(ctx, clone(ended)); err != nil {
			return err
		}
		return absent(ctx, f, ended, 1, 2)
	}},
	{"times come back to the millisecond, whatever their zone", func(ctx context.Context, f Fixture) error {
		base := f.Now().Add(long).Truncate(time.Second)
		east := time.FixedZone("east", 5*3600+1800)
		for _, fraction := range []time.Duration{0, time.Millisecond, 499 * time.Millisecond, 999*time.Millisecond + 999999} {
			r := newRecord(f, "timed")
			r.Due, r.Expires = base.Add(fraction).In(east), base.Add(long+fraction).In(time.UTC)
			r, err := created(ctx, f, r)
			if err != nil {
				return err
			}
			if err := loads(ctx, f, r); err != nil {
				return fmt.Errorf("%v: %w", fraction, err)
			}
		}
		return nil
	}},
	{"a due time does not end a record", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "overdue")
		r.Due = f.Now().Add(-long)
		r, err := created(ctx, f, r)
		if err != nil {
			return err
		}
		return loads(ctx, f, r)
	}},
}
