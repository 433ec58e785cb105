package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// model is what a store with one caller must be.
type model map[session.ID]session.Record

// step makes one call on the store and on the model, and compares.
func (m model) step(ctx context.Context, f Fixture, call int, r session.Record, keys []session.Key) error {
	old, ok := m[r.ID]
	var want error
	switch call {
	case 0, 1: // Replace; twice as often, as there is more to go wrong.
		want = m.decide(r.ID, r.Version)
		if err := is("Replace", f.Store.Replace(ctx, clone(r)), want); err != nil {
			return err
		}
		if want == nil {
			r.Version++
			m[r.ID] = r
		}
	case 2:
		if ok {
			want = session.ErrExists
		}
		if err := is("Create", f.Store.Create(ctx, clone(r)), want); err != nil {
			return err
		}
		if want == nil {
			r.Version = 1
			m[r.ID] = r
		}
	case 3:
		want = m.decide(r.ID, r.Version)
		if err := is("Delete", f.Store.Delete(ctx, r.ID, r.Version), want); err != nil {
			return err
		}
		if want == nil {
			delete(m, r.ID)
		}
	default:
		if !ok {
			_, err := f.Store.Load(ctx, r.ID)
			return is("Load", err, session.ErrNotFound)
		}
		return loads(ctx, f, old)
	}
	return m.compare(ctx, f, keys)
}

func (m model) decide(id session.ID, version uint64) error {
	old, ok := m[id]
	switch {
	case !ok:
		return session.ErrNotFound
	case old.Version != version:
		return session.ErrConflict
	}
	return nil
}

// compare looks at everything that Find and Due see.
func (m model) compare(ctx context.Context, f Fixture, keys []session.Key) error {
	for _, key := range keys {
		var want []session.Record
		for _, r := range m {
			if slices.Contains(r.Index, key) {
				want = append(want, r)
			}
		}
		if err := finds(ctx, f, key, want...); err != nil {
			return err
		}
	}
	want := slices.SortedFunc(maps.Values(m), func(a, b session.Record) int { return a.Due.Compare(b.Due) })
	want = slices.DeleteFunc(want, func(r session.Record) bool { return r.Due.IsZero() })
	return dues(ctx, f, f.Now().Add(1000*time.Hour), len(m)+1, want...)
}

// mix is a crowd that creates, replaces, deletes and reads the same few records. Every
// Data it writes is unique, so that it names one version of one record.
type mix struct {
	f      Fixture
	shared session.Key

	mu       sync.Mutex // guards what follows
	ids      []session.ID
	consumed map[string]bool // Data of versions that a Replace or Delete has ended
	deleted  map[session.ID]bool
}

func (x *mix) create(ctx context.Context) error {
	r := newRecord(x.f, newID().String())
	r.Index, r.Due = []session.Key{x.shared}, x.f.Now()
	if _, err := created(ctx, x.f, r); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ids = append(x.ids, r.ID)
	return nil
}

func (x *mix) pick(random *rand.Rand) (id session.ID, deleted bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	id = x.ids[random.IntN(len(x.ids))]
	return id, x.deleted[id]
}

// step makes one change to one record, or reads many.
func (x *mix) step(ctx context.Context, random *rand.Rand) error {
	id, deleted := x.pick(random)
	r, err := x.f.Store.Load(ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return nil
	case err != nil:
		return err
	case deleted:
		return errors.New("Load returned a record whose Delete had returned")
	}
	before := string(r.Data)
	switch random.IntN(10) {
	case 0:
		return x.create(ctx)
	case 1:
		err = x.f.Store.Delete(ctx, r.ID, r.Version)
	case 2:
		_, err := x.f.Store.Find(ctx, x.shared)
		return err
	case 3:
		_, err := x.f.Store.Due(ctx, x.f.Now(), 5)
		return err
	default:
		r.Data, r.Due = []byte(newID().String()), x.f.Now()
		if err = x.f.Store.Replace(ctx, r); err == nil {
			return x.consume(before, session.ID{})
		}
	}
	if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	return x.consume(before, id)
}

// consume notes that a write has ended a version; deleted is the record's id if it was a
// Delete.
func (x *mix) consume(data string, deleted session.ID) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.consumed[data] {
		return errors.New("two writes have replaced the same version")
	}
	x.consumed[data] = true
	if !deleted.IsZero() {
		x.deleted[deleted] = true
	}
	return nil
}

// settle looks at what is left: exactly the records that nobody has deleted.
func (x *mix) settle(ctx context.Context) error {
	var want []session.Record
	for _, id := range x.ids {
		r, err := x.f.Store.Load(ctx, id)
		switch {
		case x.deleted[id]:
			if err := is("Load of a deleted record", err, session.ErrNotFound); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("Load of a record that nobody has deleted: %w", err)
		case x.consumed[string(r.Data)]:
			return errors.New("a version that was replaced is back")
		default:
			want = append(want, r)
		}
	}
	due, err := x.f.Store.Due(ctx, x.f.Now(), len(x.ids)+1)
	if err != nil {
		return err
	}
	if len(due) != len(want) {
		return fmt.Errorf("Due: %d records, want %d", len(due), len(want))
	}
	return finds(ctx, x.f, x.shared, want...)
}
