package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
	"github.com/cloakroom-bff/cloakroom/session/lentstore"
)

// movable is the store in a file that can move to another process and is borrowed back from
// there. While it moves, calls wait; the file is in nobody's hands for as long as it takes to
// close and to open it. Around a hand-over two processes use the store, so it is Shared, and
// each hears what the other one changes.
//
//	file ──Give──▶ nobody ──Borrow──▶ lent by the next process
//	  ▲               │                        │
//	  └───────────────┴──── TakeBack ──────────┘
type movable struct {
	path string
	log  *slog.Logger

	gate  sync.RWMutex  // read-locked by calls; locked while the file is in nobody's hands
	held  bool          // that it is; of the goroutine that hands over
	at    backing       // guarded by gate
	moved chan struct{} // guarded by gate: closed when at is another

	lent    atomic.Pointer[lentstore.Store] // at, if another process has the file
	changed atomic.Pointer[func(session.ID)]
	copies  atomic.Int32 // backups under way: until they are over the file cannot be closed

	mu        sync.Mutex
	borrowers map[*lentstore.Lender]bool // guarded by mu
}

// backing is where the records are.
type backing interface {
	session.Store
	Run(ctx context.Context) error
	Close() error
}

var (
	_ session.Shared  = (*movable)(nil)
	_ session.Counted = (*movable)(nil)
	_ copied          = (*movable)(nil)
)

func openMovable(path string, log *slog.Logger) (*movable, error) {
	file, err := boltstore.Open(path, boltstore.Options{Log: log})
	if err != nil {
		return nil, err
	}
	return &movable{path: path, log: log, at: file, moved: make(chan struct{}), borrowers: make(map[*lentstore.Lender]bool)}, nil
}

// Run runs what the store is at, one after the other, until ctx ends.
func (m *movable) Run(ctx context.Context) error {
	for {
		m.gate.RLock()
		at, moved := m.at, m.moved
		m.gate.RUnlock()
		if err := at.Run(ctx); err != nil {
			m.log.Warn("the store in another process cannot be used any more", "err", err)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil
		}
	}
}

// Close closes the file, or gives it back.
func (m *movable) Close() error {
	m.gate.RLock()
	defer m.gate.RUnlock()
	return m.at.Close()
}

// Give implements handover.Estate.
func (m *movable) Give(path string) (bool, error) {
	if path != m.path {
		return false, nil
	}
	m.gate.Lock()
	if m.copies.Load() > 0 || m.lent.Load() != nil {
		m.gate.Unlock()
		return false, errors.New("app: the store file is being backed up, or in another process: try again later")
	}
	m.held = true
	return true, m.at.Close()
}

// Borrow implements handover.Estate.
func (m *movable) Borrow(conn net.Conn) {
	s := lentstore.Borrow(conn)
	s.Notify(m.hear)
	m.lent.Store(s)
	m.settle(s)
}

// TakeBack implements handover.Estate.
func (m *movable) TakeBack() error {
	if !m.held {
		m.gate.Lock()
	}
	m.lent.Store(nil)
	file, err := boltstore.Open(m.path, boltstore.Options{Log: m.log})
	if err != nil {
		m.settle(m.at) // which is closed, and says so
		return fmt.Errorf("app: the store file cannot be taken back: %w", err)
	}
	m.settle(file)
	m.hear(session.ID{})
	return nil
}

// settle ends a move. The caller has locked the gate.
func (m *movable) settle(at backing) {
	m.at, m.held = at, false
	close(m.moved)
	m.moved = make(chan struct{})
	m.gate.Unlock()
}

// Lend lends the store on a connection until the borrower is gone or ctx ends.
func (m *movable) Lend(ctx context.Context, conn net.Conn) error {
	view := &loan{movable: m}
	view.lender = lentstore.Lend(conn, view)
	m.mu.Lock()
	m.borrowers[view.lender] = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.borrowers, view.lender)
	}()
	return view.lender.Run(ctx)
}

// hear passes on that another process has changed a record; the zero ID stands for all.
func (m *movable) hear(id session.ID) {
	if changed := m.changed.Load(); changed != nil {
		(*changed)(id)
	}
	m.spread(id, nil)
}

// spread tells the borrowers, but for the one that did it.
func (m *movable) spread(id session.ID, but *lentstore.Lender) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for l := range m.borrowers {
		if l != but {
			l.Changed(id)
		}
	}
}

// Notify implements session.Shared.
func (m *movable) Notify(changed func(session.ID)) { m.changed.Store(&changed) }

// Linked implements session.Shared.
func (m *movable) Linked() bool {
	s := m.lent.Load()
	return s == nil || s.Linked()
}

// Now implements session.Shared: one machine has one clock.
func (m *movable) Now(context.Context) (time.Time, error) { return time.Now(), nil }

// write makes a change and tells those who have to know of it.
func (m *movable) write(id session.ID, do func(backing) error) error {
	m.gate.RLock()
	err := do(m.at)
	m.gate.RUnlock()
	if err == nil {
		m.spread(id, nil)
	}
	return err
}

// Create implements session.Store.
func (m *movable) Create(ctx context.Context, r session.Record) error {
	return m.write(r.ID, func(s backing) error { return s.Create(ctx, r) })
}

// Replace implements session.Store.
func (m *movable) Replace(ctx context.Context, r session.Record) error {
	return m.write(r.ID, func(s backing) error { return s.Replace(ctx, r) })
}

// Delete implements session.Store.
func (m *movable) Delete(ctx context.Context, id session.ID, version uint64) error {
	return m.write(id, func(s backing) error { return s.Delete(ctx, id, version) })
}

// Load implements session.Store.
func (m *movable) Load(ctx context.Context, id session.ID) (session.Record, error) {
	m.gate.RLock()
	defer m.gate.RUnlock()
	return m.at.Load(ctx, id)
}

// Find implements session.Store.
func (m *movable) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	m.gate.RLock()
	defer m.gate.RUnlock()
	return m.at.Find(ctx, key)
}

// Due implements session.Store.
func (m *movable) Due(ctx context.Context, before time.Time, limit int) ([]session.Record, error) {
	m.gate.RLock()
	defer m.gate.RUnlock()
	return m.at.Due(ctx, before, limit)
}

// Scan implements session.Store. A walk does not outlast a move: it ends with an error.
func (m *movable) Scan(ctx context.Context) iter.Seq2[session.Record, error] {
	m.gate.RLock()
	defer m.gate.RUnlock()
	return m.at.Scan(ctx)
}

// Backup implements copied.
func (m *movable) Backup(ctx context.Context, to func(size int64) (io.Writer, error)) error {
	m.gate.RLock()
	file, ok := m.at.(copied)
	m.copies.Add(1)
	m.gate.RUnlock()
	defer m.copies.Add(-1)
	if !ok {
		return badRequest("Another process has the file by now: ask again.")
	}
	return file.Backup(ctx, to)
}

// Count implements session.Counted.
func (m *movable) Count(ctx context.Context) (int, error) {
	m.gate.RLock()
	defer m.gate.RUnlock()
	counted, ok := m.at.(session.Counted)
	if !ok {
		return 0, errors.New("app: the process that has the file counts")
	}
	return counted.Count(ctx)
}

// loan is the store as a borrower writes it: this process hears of it, and so does every other
// borrower.
type loan struct {
	*movable
	lender *lentstore.Lender
}

func (l *loan) write(id session.ID, do func(backing) error) error {
	l.gate.RLock()
	err := do(l.at)
	l.gate.RUnlock()
	if err == nil {
		if changed := l.changed.Load(); changed != nil {
			(*changed)(id)
		}
		l.spread(id, l.lender)
	}
	return err
}

// Create implements session.Store.
func (l *loan) Create(ctx context.Context, r session.Record) error {
	return l.write(r.ID, func(s backing) error { return s.Create(ctx, r) })
}

// Replace implements session.Store.
func (l *loan) Replace(ctx context.Context, r session.Record) error {
	return l.write(r.ID, func(s backing) error { return s.Replace(ctx, r) })
}

// Delete implements session.Store.
func (l *loan) Delete(ctx context.Context, id session.ID, version uint64) error {
	return l.write(id, func(s backing) error { return s.Delete(ctx, id, version) })
}
