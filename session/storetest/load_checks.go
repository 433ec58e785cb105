package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// crowd is how many callers the checks under load have.
const crowd = 16

// loadChecks are about many callers at once.
var loadChecks = []check{
	{"no update is lost under parallel load", func(ctx context.Context, f Fixture) error {
		const each = 8
		r := newRecord(f, "")
		r.Data = make([]byte, 8)
		if _, err := created(ctx, f, r); err != nil {
			return err
		}
		err := together(crowd, func(int) error {
			for range each {
				if err := increment(ctx, f, r.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		r.Version = 1 + crowd*each
		binary.BigEndian.PutUint64(r.Data, crowd*each)
		return loads(ctx, f, r)
	}},
	{"of many creates of one record exactly one wins", func(ctx context.Context, f Fixture) error {
		for range 5 {
			id := newID()
			var winner atomic.Int64
			err := together(crowd, func(i int) error {
				r := newRecord(f, fmt.Sprint(i))
				r.ID = id
				return one(f.Store.Create(ctx, r), session.ErrExists, func() { winner.Add(int64(1000 + i)) })
			})
			if err != nil {
				return err
			}
			won := winner.Load()
			if won < 1000 || won >= 2000 {
				return fmt.Errorf("%d creates have succeeded, want 1", won/1000)
			}
			got, err := f.Store.Load(ctx, id)
			if err != nil {
				return err
			}
			if want := fmt.Sprint(won - 1000); string(got.Data) != want || got.Version != 1 {
				return fmt.Errorf("the record is %q in version %d, want the winner's %q in version 1", got.Data, got.Version, want)
			}
		}
		return nil
	}},
	{"of replaces and deletes of one version exactly one wins, and nothing comes back", func(ctx context.Context, f Fixture) error {
		for range 10 {
			r := newRecord(f, "contested")
			r.Index, r.Due = []session.Key{newKey()}, f.Now()
			r, err := created(ctx, f, r)
			if err != nil {
				return err
			}
			if err := contest(ctx, f, r); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a load that begins after a write returned sees it", func(ctx context.Context, f Fixture) error {
		r, err := created(ctx, f, newRecord(f, ""))
		if err != nil {
			return err
		}
		var written atomic.Uint64
		written.Store(1)
		stop := make(chan struct{})
		return together(4, func(i int) error {
			if i == 0 {
				defer close(stop)
				for range 40 {
					if err := f.Store.Replace(ctx, clone(r)); err != nil {
						return err
					}
					r.Version++
					written.Store(r.Version)
				}
				return nil
			}
			for {
				least := written.Load()
				got, err := f.Store.Load(ctx, r.ID)
				if err != nil {
					return err
				}
				if got.Version < least {
					return fmt.Errorf("Load returned version %d after Replace had returned for %d", got.Version, least)
				}
				select {
				case <-stop:
					return nil
				default:
				}
			}
		})
	}},
	{"one caller's random calls do what a simple model does", func(ctx context.Context, f Fixture) error {
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // The same calls each time.
		m, start := model{}, f.Now().Truncate(time.Second)
		ids, keys := make([]session.ID, 6), []session.Key{newKey(), newKey(), newKey()}
		for i := range ids {
			ids[i] = newID()
		}
		for step := range 250 {
			r := newRecord(f, fmt.Sprint(step))
			r.ID = ids[random.IntN(len(ids))]
			r.Index = keys[:random.IntN(len(keys)+1)]
			if random.IntN(2) == 0 {
				r.Due = start.Add(time.Duration(step) * time.Second)
			}
			r.Version = m[r.ID].Version
			if random.IntN(4) == 0 {
				r.Version += uint64(random.IntN(3))
			}
			if err := m.step(ctx, f, random.IntN(5), r, keys); err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
		}
		return nil
	}},
	{"under mixed load each version is consumed once and what is deleted stays away", func(ctx context.Context, f Fixture) error {
		x := &mix{f: f, shared: newKey(), consumed: map[string]bool{}, deleted: map[session.ID]bool{}}
		for range 8 {
			if err := x.create(ctx); err != nil {
				return err
			}
		}
		if err := together(crowd, func(i int) error {
			random := rand.New(rand.NewPCG(uint64(i), 3)) //nolint:gosec // Not for secrets.
			for range 30 {
				if err := x.step(ctx, random); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		return x.settle(ctx)
	}},
}

// together runs f(0) … f(n-1) at once and waits for all.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errors.Join(errs...)
}

// one calls won if err is nil, and passes all errors but lost.
func one(err, lost error, won func()) error {
	switch {
	case err == nil:
		won()
		return nil
	case errors.Is(err, lost):
		return nil
	default:
		return err
	}
}

// increment adds one to the number in a record, as often as it takes.
func increment(ctx context.Context, f Fixture, id session.ID) error {
	for {
		r, err := f.Store.Load(ctx, id)
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint64(r.Data, binary.BigEndian.Uint64(r.Data)+1)
		if err := f.Store.Replace(ctx, r); !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
}

// contest lets half the crowd replace r and the other half delete it.
func contest(ctx context.Context, f Fixture, r session.Record) error {
	var replaced, deleted atomic.Int64
	err := together(crowd, func(i int) error {
		var err error
		if i%2 == 0 {
			err = one(f.Store.Replace(ctx, clone(r)), session.ErrConflict, func() { replaced.Add(1) })
		} else {
			err = one(f.Store.Delete(ctx, r.ID, r.Version), session.ErrConflict, func() { deleted.Add(1) })
		}
		if errors.Is(err, session.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if replaced.Load()+deleted.Load() != 1 {
		return fmt.Errorf("%d replaces and %d deletes of one version have succeeded, want one of all", replaced.Load(), deleted.Load())
	}
	if deleted.Load() == 1 {
		return absent(ctx, f, r, 1, 2)
	}
	r.Version++
	return loads(ctx, f, r)
}
