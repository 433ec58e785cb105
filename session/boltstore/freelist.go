package boltstore

import "go.etcd.io/bbolt"

// longestList is how many free pages are still listed in the file at each commit: 32 KiB
// more of what is synced anyway. After a mass of deletions there may be a million.
const longestList = 4096

// setFreelist decides whether the next commit writes the list of free pages: whoever opens
// a file without one must read all of it. The caller is the only one who writes.
func (s *Store) setFreelist() {
	now := s.db.Stats()
	s.db.NoFreelistSync = now.FreePageN+now.PendingPageN > longestList
}

// leaveFreelist writes the list, however long it is, for the next Open. Where that fails,
// the next Open reads the file, and nothing else is lost.
func (s *Store) leaveFreelist() {
	if s.db.NoFreelistSync {
		_ = writeFreelist(s.db)
	}
}

func writeFreelist(db *bbolt.DB) error {
	db.NoFreelistSync = false
	return db.Update(func(*bbolt.Tx) error { return nil })
}
