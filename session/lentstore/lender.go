package lentstore

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"sync"

	"github.com/cloakroom-bff/cloakroom/session"
)

// walkBatch is how many records of a walk go in one message.
const walkBatch = 64

// Lender answers another process's calls with a store of this one. It is safe for concurrent
// use.
type Lender struct {
	store session.Store
	out   *sender

	mu    sync.Mutex
	walks map[uint64]*walk // guarded by mu
}

// walk is a Scan of the borrower's, whose calls come one after the other.
type walk struct {
	next func() (session.Record, error, bool)
	stop func()
}

// Lend returns a Lender of store on a connection, which is the Lender's from now on. Run must
// run.
func Lend(conn net.Conn, store session.Store) *Lender {
	return &Lender{store: store, out: newSender(conn), walks: make(map[uint64]*walk)}
}

// Changed tells the borrower that this process has changed a record. It does not wait for it
// to act; one that does not read is cut off.
func (l *Lender) Changed(id session.ID) {
	_ = l.out.send(&response{Changed: id}) // one that is gone needs no notice
}

// Run answers calls until the borrower closes the connection, and then returns nil, or until
// ctx ends.
func (l *Lender) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = l.out.conn.Close() })
	defer stop()
	var calls sync.WaitGroup
	defer l.end()
	defer calls.Wait()
	defer cancel()
	for in := gob.NewDecoder(l.out.conn); ; {
		r := new(request)
		if err := in.Decode(r); err != nil {
			_ = l.out.conn.Close()
			if ctx.Err() != nil || errors.Is(err, io.EOF) {
				return ctx.Err()
			}
			return fmt.Errorf("lentstore: %w", err)
		}
		calls.Go(func() {
			answer := l.answer(ctx, r)
			answer.Call = r.Call
			_ = l.out.send(answer) // a borrower that is gone is seen by the next Decode
		})
	}
}

// end stops the walks that the borrower has not brought to their end.
func (l *Lender) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.walks {
		w.stop()
	}
	clear(l.walks)
}

func (l *Lender) answer(ctx context.Context, r *request) *response {
	a := new(response)
	switch r.Op {
	case opCreate:
		a.tell(l.store.Create(ctx, r.Record))
	case opReplace:
		a.tell(l.store.Replace(ctx, r.Record))
	case opDelete:
		a.tell(l.store.Delete(ctx, r.Record.ID, r.Record.Version))
	case opLoad:
		found, err := l.store.Load(ctx, r.Record.ID)
		a.Records = []session.Record{found}
		a.tell(err)
	case opFind:
		found, err := l.store.Find(ctx, r.Key)
		a.Records = found
		a.tell(err)
	case opDue:
		found, err := l.store.Due(ctx, r.Before, r.Limit)
		a.Records = found
		a.tell(err)
	case opWalk:
		w := new(walk)
		w.next, w.stop = iter.Pull2(l.store.Scan(ctx))
		l.mu.Lock()
		l.walks[r.Call] = w
		l.mu.Unlock()
		l.more(r.Call, a)
	case opMore:
		l.more(r.Walk, a)
	case opStop:
		l.forget(r.Walk)
	default:
		a.tell(fmt.Errorf("no operation %d is known", r.Op))
	}
	return a
}

// more takes the next records of a walk, and forgets it at its end.
func (l *Lender) more(name uint64, a *response) {
	l.mu.Lock()
	w := l.walks[name]
	l.mu.Unlock()
	if w == nil {
		a.tell(errors.New("no such walk"))
		return
	}
	for len(a.Records) < walkBatch {
		r, err, ok := w.next()
		if !ok || err != nil {
			a.tell(err)
			l.forget(name)
			return
		}
		a.Records = append(a.Records, r)
	}
	a.More = true
}

func (l *Lender) forget(name uint64) {
	l.mu.Lock()
	w := l.walks[name]
	delete(l.walks, name)
	l.mu.Unlock()
	if w != nil {
		w.stop()
	}
}
