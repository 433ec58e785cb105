package lentstore

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// operation is what a borrower asks for.
type operation uint8

const (
	opCreate operation = iota + 1
	opLoad
	opReplace
	opDelete
	opFind
	opDue
	opWalk // begins a walk, and returns its first records
	opMore // of a walk
	opStop // a walk
)

// request is one call of the borrower's.
type request struct {
	Call   uint64 // names the call; not zero
	Op     operation
	Record session.Record // Load and Delete have its ID and Version
	Key    session.Key
	Before time.Time
	Limit  int
	Walk   uint64 // the call that began it
}

// response answers a call. One without Call is a notice: the record has changed.
type response struct {
	Call    uint64
	Records []session.Record
	More    bool // of a walk: there are others
	Outcome outcome
	Text    string
	Changed session.ID
}

// outcome is how a call went, as far as a caller decides by it.
type outcome uint8

const (
	fine outcome = iota
	notFound
	conflict
	exists
	failed
)

// tell puts an error into a response.
func (r *response) tell(err error) {
	switch {
	case err == nil:
	case errors.Is(err, session.ErrNotFound):
		r.Outcome = notFound
	case errors.Is(err, session.ErrConflict):
		r.Outcome = conflict
	case errors.Is(err, session.ErrExists):
		r.Outcome = exists
	default:
		r.Outcome, r.Text = failed, err.Error()
	}
}

// err is the reverse of tell.
func (r *response) err() error {
	switch r.Outcome {
	case fine:
		return nil
	case notFound:
		return session.ErrNotFound
	case conflict:
		return session.ErrConflict
	case exists:
		return session.ErrExists
	}
	return fmt.Errorf("lentstore: %s", r.Text)
}

// patience is how long the other side may leave what is sent to it unread.
const patience = 5 * time.Second

// sender writes messages, whole and one after the other.
type sender struct {
	conn net.Conn

	mu  sync.Mutex
	enc *gob.Encoder // guarded by mu
}

func newSender(conn net.Conn) *sender { return &sender{conn: conn, enc: gob.NewEncoder(conn)} }

// send closes the connection if it fails: nothing that comes after half a message can be read.
func (s *sender) send(message any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.conn.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		err = s.enc.Encode(message)
	}
	if err != nil {
		_ = s.conn.Close()
		return fmt.Errorf("lentstore: send: %w", err)
	}
	return nil
}
