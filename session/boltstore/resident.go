package boltstore

import "go.etcd.io/bbolt"

// Each read or write of a record brings some pages of the file into this process, with
// their neighbours, 64 KiB at a time on Linux; nothing ever takes them out again. They are the
// system's cache, which has them once, but they count as ours. So they are given back when
// as much has come as this; those that are needed come again in a microsecond.
const (
	mostTouched    = 1024 // records that were touched, about 64 MiB
	touchedByWrite = 4    // so many places of the file, where a read has one
	smallFile      = 128 << 20
)

// touch notes that records were touched, and lets go of the pages if that were many.
func (s *Store) touch(records int) {
	if n := s.touched.Add(int64(records)); n >= mostTouched && s.touched.CompareAndSwap(n, 0) {
		s.letGo()
	}
}

// letGo gives the pages of the file back, unless they are few. A transaction keeps the
// mapping where it is meanwhile; other readers may go on.
func (s *Store) letGo() {
	_ = s.db.View(func(tx *bbolt.Tx) error { // It fails after Close only, when there is nothing to give back.
		s.giveBack(tx)
		return nil
	})
}

// giveBack is letGo within a transaction, which keeps nothing of the pages that it has seen
// but where they are.
func (s *Store) giveBack(tx *bbolt.Tx) {
	if size := tx.Size(); size > s.small {
		release(s.db.Info().Data, uintptr(size)) //nolint:gosec // not negative
	}
}
