package lentstore

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

var _ session.Shared = (*Store)(nil)

// errGone answers every call when the lender has gone; errors.Is finds os.ErrClosed in it.
var errGone = fmt.Errorf("lentstore: the process that has the store is gone: %w", os.ErrClosed)

// Store is the store of another process. It is safe for concurrent use.
type Store struct {
	out     *sender
	changed atomic.Pointer[func(session.ID)]
	last    atomic.Uint64 // call
	gone    chan struct{} // closed when the connection has ended

	mu    sync.Mutex
	calls map[uint64]chan *response // guarded by mu
}

// Borrow returns the store that a Lender at the other end of a connection lends. The
// connection is the Store's from now on. Run must run.
func Borrow(conn net.Conn) *Store {
	return &Store{out: newSender(conn), gone: make(chan struct{}), calls: make(map[uint64]chan *response)}
}

// Run takes answers and notices until the connection ends: by Close, by the lender or with
// ctx. It returns nil, but for an end in the middle of a message.
func (s *Store) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	defer close(s.gone)
	defer s.tell(session.ID{}) // what has changed since, nobody will say
	for in := gob.NewDecoder(s.out.conn); ; {
		a := new(response)
		if err := in.Decode(a); err != nil {
			_ = s.Close()
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("lentstore: %w", err)
		}
		if a.Call == 0 {
			s.tell(a.Changed)
			continue
		}
		s.mu.Lock()
		answered := s.calls[a.Call]
		delete(s.calls, a.Call)
		s.mu.Unlock()
		if answered != nil { // else the caller has left
			answered <- a
		}
	}
}

// Close gives the store back. It may be called again, and after Run.
func (s *Store) Close() error {
	if err := s.out.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("lentstore: %w", err)
	}
	return nil
}

// Notify implements [session.Shared].
func (s *Store) Notify(changed func(session.ID)) { s.changed.Store(&changed) }

func (s *Store) tell(id session.ID) {
	if changed := s.changed.Load(); changed != nil {
		(*changed)(id)
	}
}

// Linked implements [session.Shared].
func (s *Store) Linked() bool {
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

// Now implements [session.Shared]: one machine has one clock.
func (s *Store) Now(context.Context) (time.Time, error) { return time.Now(), nil }

// call asks the lender and waits for its answer.
func (s *Store) call(ctx context.Context, r *request) (*response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.Call = s.last.Add(1)
	answered := make(chan *response, 1)
	s.mu.Lock()
	s.calls[r.Call] = answered
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.calls, r.Call)
		s.mu.Unlock()
	}()
	if err := s.out.send(r); err != nil {
		return nil, errGone
	}
	select {
	case a := <-answered:
		return a, a.err()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.gone:
		return nil, errGone
	}
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, r session.Record) error {
	_, err := s.call(ctx, &request{Op: opCreate, Record: r})
	return err
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	a, err := s.call(ctx, &request{Op: opLoad, Record: session.Record{ID: id}})
	if err != nil {
		return session.Record{}, err
	}
	return a.Records[0], nil
}

// Replace implements [session.Store].
func (s *Store) Replace(ctx context.Context, r session.Record) error {
	_, err := s.call(ctx, &request{Op: opReplace, Record: r})
	return err
}

// Delete implements [session.Store].
func (s *Store) Delete(ctx context.Context, id session.ID, version uint64) error {
	_, err := s.call(ctx, &request{Op: opDelete, Record: session.Record{ID: id, Version: version}})
	return err
}

// Find implements [session.Store].
func (s *Store) Find(ctx context.Context, key session.Key) ([]session.Record, error) {
	return s.list(ctx, &request{Op: opFind, Key: key})
}

// Due implements [session.Store].
func (s *Store) Due(ctx context.Context, before time.Time, limit int) ([]session.Record, error) {
	return s.list(ctx, &request{Op: opDue, Before: before, Limit: limit})
}

func (s *Store) list(ctx context.Context, r *request) ([]session.Record, error) {
	a, err := s.call(ctx, r)
	if err != nil {
		return nil, err
	}
	return a.Records, nil
}

// Scan implements [session.Store].
func (s *Store) Scan(ctx context.Context) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) {
		begin := &request{Op: opWalk}
		for r := begin; ; {
			a, err := s.call(ctx, r)
			if a != nil { // also what came before an error
				for _, found := range a.Records {
					if !yield(found, nil) {
						s.leave(ctx, begin.Call, a.More)
						return
					}
				}
			}
			if err != nil {
				yield(session.Record{}, err)
				s.leave(ctx, begin.Call, a == nil && begin.Call != 0)
				return
			}
			if !a.More {
				return
			}
			r = &request{Op: opMore, Walk: begin.Call}
		}
	}
}

// leave ends a walk before its end.
func (s *Store) leave(ctx context.Context, walk uint64, open bool) {
	if open {
		_, _ = s.call(context.WithoutCancel(ctx), &request{Op: opStop, Walk: walk}) // a lender that is gone walks no more
	}
}
