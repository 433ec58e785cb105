package boltstore

import (
	"bytes"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

// txn is a write transaction that keeps the four buckets in step. Each method either
// changes all that belongs to a record or, when it returns a decision, nothing.
type txn struct {
	records, index, due, expiry *bbolt.Bucket

	now     time.Time
	changed bool
	more    int // records that have a due time, than before
}

func newTxn(tx *bbolt.Tx, now time.Time) *txn {
	return &txn{
		records: tx.Bucket(bucketRecords),
		index:   tx.Bucket(bucketIndex),
		due:     tx.Bucket(bucketDue),
		expiry:  tx.Bucket(bucketExpiry),
		now:     now,
	}
}

// get returns what is stored under id, expired or not.
func (t *txn) get(id session.ID) (e entry, ok bool, err error) {
	raw := t.records.Get(id[:])
	if raw == nil {
		return entry{}, false, nil
	}
	e, err = parse(raw)
	return e, err == nil, err
}

// at returns what is stored under id in exactly this version, or the decision.
func (t *txn) at(id session.ID, version uint64) (entry, error) {
	e, ok, err := t.get(id)
	switch {
	case err != nil:
		return entry{}, err
	case !ok || e.expired(t.now):
		return entry{}, session.ErrNotFound
	case e.version != version:
		return entry{}, session.ErrConflict
	}
	return e, nil
}

func (t *txn) create(id session.ID, value []byte) error {
	old, ok, err := t.get(id)
	if err != nil {
		return err
	}
	if ok && !old.expired(t.now) {
		return session.ErrExists
	}
	return t.put(id, old, value)
}

func (t *txn) replace(id session.ID, version uint64, value []byte) error {
	old, err := t.at(id, version)
	if err != nil {
		return err
	}
	return t.put(id, old, value)
}

func (t *txn) delete(id session.ID, version uint64) error {
	old, err := t.at(id, version)
	if err != nil {
		return err
	}
	return t.remove(id, old)
}

// expire removes at most limit records that have expired, the oldest first, and returns
// how many.
func (t *txn) expire(limit int) (int, error) {
	last := appendTime(nil, t.now)
	var ids []session.ID // A bbolt cursor does not survive deletions under it.
	c := t.expiry.Cursor()
	for k, _ := c.First(); k != nil && len(ids) < limit; k, _ = c.Next() {
		if bytes.Compare(k[:timeSize], last) > 0 {
			break
		}
		ids = append(ids, session.ID(k[timeSize:]))
	}
	for _, id := range ids {
		e, ok, err := t.get(id)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, fmt.Errorf("boltstore: record %s is to expire but is not there: the file is damaged", id)
		}
		if err := t.remove(id, e); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// put writes value in the place of old, which is the zero entry if there was none. What
// stays as it was is not written: most writes change the data only.
func (t *txn) put(id session.ID, old entry, value []byte) error {
	e, err := parse(value)
	if err != nil {
		return err
	}
	t.changed = true
	if err := t.records.Put(id[:], value); err != nil {
		return err
	}
	if err := t.schedule(id, old.due, e.due); err != nil {
		return err
	}
	if err := move(t.expiry, id, old.expires, e.expires); err != nil {
		return err
	}
	if bytes.Equal(old.index, e.index) {
		return nil
	}
	if err := t.unindex(id, old); err != nil {
		return err
	}
	for keys := e.index; len(keys) > 0; keys = keys[keySize:] {
		if err := t.index.Put(indexKey(keys[:keySize], id[:]), nil); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a record and everything that points to it.
func (t *txn) remove(id session.ID, e entry) error {
	t.changed = true
	if err := t.unindex(id, e); err != nil {
		return err
	}
	if err := t.schedule(id, e.due, time.Time{}); err != nil {
		return err
	}
	if err := move(t.expiry, id, e.expires, time.Time{}); err != nil {
		return err
	}
	return t.records.Delete(id[:])
}

func (t *txn) unindex(id session.ID, e entry) error {
	for keys := e.index; len(keys) > 0; keys = keys[keySize:] {
		if err := t.index.Delete(indexKey(keys[:keySize], id[:])); err != nil {
			return err
		}
	}
	return nil
}

// schedule changes when a record is due.
func (t *txn) schedule(id session.ID, from, to time.Time) error {
	if from.IsZero() && !to.IsZero() {
		t.more++
	}
	if !from.IsZero() && to.IsZero() {
		t.more--
	}
	return move(t.due, id, from, to)
}

// move changes the time under which a bucket lists id; the zero time means not at all.
func move(b *bbolt.Bucket, id session.ID, from, to time.Time) error {
	if from.Equal(to) {
		return nil
	}
	if !from.IsZero() {
		if err := b.Delete(timeKey(from, id)); err != nil {
			return err
		}
	}
	if to.IsZero() {
		return nil
	}
	return b.Put(timeKey(to, id), nil)
}
