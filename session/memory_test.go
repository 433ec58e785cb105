package session_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/storetest"
)

// memory is the smallest store that keeps the contract; faults can be switched on.
type memory struct {
	now func() time.Time

	mu      sync.Mutex // guards what follows
	records map[session.ID]session.Record
	writes  int
	loads   int
	fail    error // every call fails with this
	deaf    error // every write happens, and fails with this

	meanwhile map[string]func() // what happens once, without the lock, before the next call of that name
}

func newMemory() *memory {
	return &memory{now: time.Now, records: make(map[session.ID]session.Record)}
}

func TestTheStoreOfTheseTestsKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Fixture {
		c := &clock{at: time.Now()}
		m := newMemory()
		m.now = c.now
		return storetest.Fixture{Store: m, Now: c.now, Wait: c.turn}
	})
}

// clock goes only when it is told to, in either direction.
type clock struct {
	mu sync.Mutex
	at time.Time // guarded by mu
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// during makes f happen once: before the next Create or Replace takes effect, or after the
// next Load, Find, Due or Scan has read and before it returns.
func (m *memory) during(op string, f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.meanwhile == nil {
		m.meanwhile = make(map[string]func())
	}
	m.meanwhile[op] = f
}

func (m *memory) happen(op string) {
	m.mu.Lock()
	f := m.meanwhile[op]
	delete(m.meanwhile, op)
	m.mu.Unlock()
	if f != nil {
		f()
	}
}

// breakWith makes every call fail from now on, or, with nil, no more.
func (m *memory) breakWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// goDeaf makes every write take effect and fail nevertheless, as one does whose
// acknowledgement is lost.
func (m *memory) goDeaf(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = err
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

func (m *memory) loaded() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loads
}

func clone(r session.Record) session.Record {
	r.Data, r.Index = slices.Clone(r.Data), slices.Clone(r.Index)
	return r
}

// find returns a record; the lock is held.
func (m *memory) find(id session.ID) (session.Record, error) {
	r, ok := m.records[id]
	if !ok || !m.now().Before(r.Expires) {
		return session.Record{}, session.ErrNotFound
	}
	return clone(r), nil
}

// write makes a change under the lock.
func (m *memory) write(ctx context.Context, op string, change func() error) error {
	m.happen(op)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if err := errors.Join(ctx.Err(), m.fail); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	return m.deaf
}

func (m *memory) Create(ctx context.Context, r session.Record) error {
	return m.write(ctx, "Create", func() error {
		if r.ID.IsZero() || r.Expires.IsZero() {
			return errors.New("memory: a record needs an id and an end")
		}
		if _, err := m.find(r.ID); err == nil {
			return session.ErrExists
		}
		r.Version = 1
		m.records[r.ID] = clone(r)
		return nil
	})
}

func (m *memory) Load(ctx context.Context, id session.ID) (session.Record, error) {
	m.mu.Lock()
	m.loads++
	r, err := m.find(id)
	if broken := errors.Join(ctx.Err(), m.fail); broken != nil {
		r, err = session.Record{}, broken
	}
	m.mu.Unlock()
	m.happen("Load")
	return r, err
}

func (m *memory) Replace(ctx context.Context, r session.Record) error {
	return m.write(ctx, "Replace", func() error {
		if r.ID.IsZero() || r.Expires.IsZero() {
			return errors.New("memory: a record needs an id and an end")
		}
		old, err := m.find(r.ID)
		if err != nil {
			return err
		}
		if old.Version != r.Version {
			return session.ErrConflict
		}
		r.Version++
		m.records[r.ID] = clone(r)
		return nil
	})
}

func (m *memory) Delete(ctx context.Context, id session.ID, version uint64) error {
	return m.write(ctx, "Delete", func() error {
		old, err := m.find(id)
		if err != nil {
			return err
		}
		if old.Version != version {
			return session.ErrConflict
		}
		delete(m.records, id)
		return nil
	})
}

func (m *memory) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	found, err := m.list(ctx, func(r session.Record) bool { return slices.Contains(r.Index, key) })
	m.happen("Find")
	return found, err
}

func (m *memory) Due(ctx context.Context, before time.Time, limit int) ([]session.Record, error) {
	due, err := m.list(ctx, func(r session.Record) bool { return !r.Due.IsZero() && !r.Due.After(before) })
	m.happen("Due")
	slices.SortFunc(due, func(a, b session.Record) int { return a.Due.Compare(b.Due) })
	return due[:max(0, min(len(due), limit))], err
}

func (m *memory) Scan(ctx context.Context) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) {
		all, err := m.list(ctx, func(r session.Record) bool { return !r.Due.IsZero() })
		m.happen("Scan")
		if err != nil {
			yield(session.Record{}, err)
			return
		}
		for _, r := range all {
			if err := ctx.Err(); err != nil {
				yield(session.Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memory) list(ctx context.Context, match func(session.Record) bool) ([]session.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.fail); err != nil {
		return nil, err
	}
	var found []session.Record
	now := m.now()
	for _, r := range m.records {
		if now.Before(r.Expires) && match(r) {
			found = append(found, clone(r))
		}
	}
	return found, nil
}

// dump is everything that the store holds, for searches.
func (m *memory) dump() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []byte
	for id, r := range m.records {
		all = append(append(all, id[:]...), r.Data...)
		for _, key := range r.Index {
			all = append(all, key[:]...)
		}
	}
	return string(all)
}

// expiry is when the record ends, whether that has come or not.
func (m *memory) expiry(id session.ID) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[id].Expires
}
