package session

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"time"
)

// ID names a record in a [Store]: a keyed hash of the ticket's random id. It is no
// credential and can stand in logs; nobody can make a ticket from it.
type ID [32]byte

// String returns the id in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Key is an index entry of a record: a keyed hash of a subject or of a provider session.
type Key [32]byte

// Record is what a [Store] keeps: sealed bytes and the little that a store must know.
type Record struct {
	// ID names the record.
	ID ID

	// Version is assigned by the store: 1 at Create, one more at each Replace.
	// In a call to Replace or Delete it is the version that was read.
	Version uint64

	// Data is opaque to the store, and sealed. It may be empty.
	Data []byte

	// Index lists the keys under which Find finds this record. A record may have
	// none; many records may share one.
	Index []Key

	// Due is when somebody must look at the record again: a limit is reached, a
	// revocation is to be retried. Zero means never. It does not end the record.
	Due time.Time

	// Expires is when the store may forget the record. From that moment on the store
	// must treat it as absent, whether its bytes are still there or not. It must be set.
	Expires time.Time
}

// Decisions of a [Store].
var (
	// ErrNotFound says that there is no such record, or that it has expired.
	ErrNotFound = errors.New("session: no such record")

	// ErrConflict says that the record has another version than the one named.
	ErrConflict = errors.New("session: record has changed")

	// ErrExists says that a record with this id is there already.
	ErrExists = errors.New("session: record exists")
)

// Store keeps records. It is the only thing that survives a crash, so its contract is
// narrow and strict:
//
//   - There is no upsert. Create makes a record or fails; Replace changes one that is
//     there at exactly the version named, or fails; neither brings back what is gone.
//   - Create, Replace and Delete are atomic and, once they return nil, durable: they
//     survive the death of the process and of the machine. The record, its Index and its
//     Due time change together.
//   - Calls on one record are linearizable: a Load that begins after a Replace returned
//     sees what it wrote. Find, Due and Scan may be a moment behind for records that are
//     being written while they run.
//   - Absence is ErrNotFound; any error that is none of the three above means that the
//     store could not tell, and that nothing may be concluded from it.
//   - A Store owns nothing that it returns and keeps nothing that it is given: byte
//     slices are copied both ways.
//
// All methods are safe for concurrent use. A call returns when ctx ends, but a write
// that has begun may still take effect.
type Store interface {
	// Create adds a record; its Version is ignored and becomes 1. A record that is
	// there and has not expired makes it fail with ErrExists.
	Create(ctx context.Context, r Record) error

	// Load returns the record, or ErrNotFound.
	Load(ctx context.Context, id ID) (Record, error)

	// Replace puts r in the place of the record that has r.ID and r.Version; what is
	// stored has Version+1. It fails with ErrNotFound or ErrConflict, and then nothing
	// has changed.
	Replace(ctx context.Context, r Record) error

	// Delete removes the record if it still has this version. It fails with
	// ErrNotFound or ErrConflict, and then nothing has changed.
	Delete(ctx context.Context, id ID, version uint64) error

	// Find returns the records that have key in their Index, in no order.
	Find(ctx context.Context, key Key) ([]Record, error)

	// Due returns records whose Due time is set and not after before, the earliest
	// first, at most limit of them.
	Due(ctx context.Context, before time.Time, limit int) ([]Record, error)

	// Scan walks all records whose Due time is set, in no order. A record that has one from
	// the beginning of the walk to its end is seen exactly once, however often it is
	// written meanwhile; one that comes or goes is seen once or not at all. A walk reads a
	// bounded number of records at a time, so that each is as it was when its part was
	// read, and holds no lock and no transaction while the caller looks at one: the caller
	// may write, and may stop at any time. An error is the last that it yields.
	Scan(ctx context.Context) iter.Seq2[Record, error]
}
