package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// callChecks are about callers that leave.
var callChecks = []check{
	{"a call whose context has ended says so and changes nothing", func(ctx context.Context, f Fixture) error {
		r := newRecord(f, "stays")
		r.Index, r.Due = []session.Key{newKey()}, f.Now()
		r, err := created(ctx, f, r)
		if err != nil {
			return err
		}
		fresh, changed := newRecord(f, "never"), clone(r)
		changed.Data = []byte("changed")

		gone, cancel := context.WithCancel(ctx)
		cancel()
		late, stop := context.WithDeadline(ctx, time.Unix(1, 0))
		defer stop()
		for _, c := range []struct {
			ctx  context.Context
			want error
		}{{gone, context.Canceled}, {late, context.DeadlineExceeded}} {
			_, loadErr := f.Store.Load(c.ctx, r.ID)
			_, findErr := f.Store.Find(c.ctx, r.Index[0])
			_, dueErr := f.Store.Due(c.ctx, f.Now(), 1)
			if err := errors.Join(
				is("Create", f.Store.Create(c.ctx, clone(fresh)), c.want),
				is("Load", loadErr, c.want),
				is("Replace", f.Store.Replace(c.ctx, clone(changed)), c.want),
				is("Delete", f.Store.Delete(c.ctx, r.ID, r.Version), c.want),
				is("Find", findErr, c.want),
				is("Due", dueErr, c.want),
				is("Scan", scanErr(f.Store.Scan(c.ctx)), c.want),
			); err != nil {
				return err
			}
		}
		return errors.Join(loads(ctx, f, r), absent(ctx, f, fresh, 1))
	}},
	{"a write whose caller leaves happens whole or not at all", func(ctx context.Context, f Fixture) error {
		r, err := created(ctx, f, newRecord(f, "0"))
		if err != nil {
			return err
		}
		for i := range 30 {
			next := clone(r)
			next.Data = fmt.Appendf(nil, "%d", i+1)
			next.Index, next.Due = []session.Key{newKey()}, f.Now().Add(time.Duration(i)*time.Second)
			leaving, cancel := context.WithTimeout(ctx, time.Duration(i)*20*time.Microsecond)
			err := f.Store.Replace(leaving, clone(next))
			cancel()
			next.Version++
			switch {
			case err == nil:
				r = next
			case errors.Is(err, context.DeadlineExceeded):
				if r, err = settled(ctx, f, r, next); err != nil {
					return err
				}
			default:
				return err
			}
			if err := loads(ctx, f, r); err != nil {
				return err
			}
			if len(r.Index) > 0 {
				if err := finds(ctx, f, r.Index[0], r); err != nil {
					return err
				}
			}
		}
		return nil
	}},
}

// scanErr is the error that a walk ends with.
func scanErr(walk iter.Seq2[session.Record, error]) (last error) {
	for _, err := range walk {
		last = err
	}
	return last
}

// settled waits for a write that may still take effect, by a write of its own: of the two,
// exactly one can succeed. It returns what the record is then.
func settled(ctx context.Context, f Fixture, old, next session.Record) (session.Record, error) {
	got, err := f.Store.Load(ctx, old.ID)
	if err != nil {
		return old, err
	}
	if same(got, old) != nil && same(got, next) != nil {
		return old, fmt.Errorf("a write whose caller left is half there: %w", same(got, next))
	}
	err = f.Store.Replace(ctx, clone(old))
	switch {
	case err == nil:
		old.Version++
		return old, nil
	case errors.Is(err, session.ErrConflict):
		return next, nil
	default:
		return old, err
	}
}
