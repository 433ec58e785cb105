// Package boltstore keeps session records in one bbolt file: the store of a gateway that
// runs as one process.
//
//	store, err := boltstore.Open("/var/lib/cloakroom/cloakroom.db", boltstore.Options{})
//	if err != nil {
//		return err // says which file, what is wrong and what to do
//	}
//	defer store.Close()
//	go store.Run(ctx) // forgets what has expired
//
// The file has five buckets. All that one call changes, it changes in one transaction.
//
//	records   id            → format, version, due, expires, index keys, sealed data
//	index     key | id      → nothing
//	due       due | id      → nothing
//	expiry    expires | id  → nothing
//	meta      "format"      → the layout's version
//
// Reads are bbolt's: they see the last commit, and neither wait for a writer nor hold one
// up. A read may see a write in the moment in which that is being synced to disk, so a
// little before its own caller is told; only a crash of the machine in that moment can
// tell the difference.
//
// Writes meet in one goroutine. The first one starts at once; those that arrive while it
// is synced to disk share the next transaction and its sync:
//
//	Replace ──▶ ┌─ commit ─┐
//	Create  ──────────▶    ┌─ commit ─┐
//	Delete  ─────────────▶ │ of three │
//	Replace ───────────────▶──────────┘
//
// A conflict is the affair of the one call that has it. A commit that fails, on a full
// disk for example, fails all calls that share it, and the next one is tried afresh.
//
// # What bbolt is told
//
// Every commit is synced. The free list is kept in a hash map, and written at each commit
// while it is short, and by Close: Open then needs a moment, whatever the file's size. It is
// not written while it is long, just after much has been deleted, when it would cost most;
// the price is that Open after a crash in that time, and a commit that fails, walk the tree
// once, about a second for a million sessions. The file is mapped with room to grow, so that
// growing seldom waits for readers. It never shrinks by itself: freed pages are used again.
//
// The pages of a large file are given back to the system's cache again and again, so that
// they do not gather in this process.
//
// # Copies
//
// [Store.Backup] copies the file while it is in use, [Save] keeps the copy, [Restore] puts
// one back and [Compact] gives back room. What they write stands in a file of its own until
// it is whole and synced; a rename then gives it its name. So at every moment, after a kill
// or a full disk too, a name stands for a whole file. Open looks again after it has waited
// for a file whether that still has its name.
package boltstore
