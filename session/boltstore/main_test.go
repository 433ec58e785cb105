package boltstore

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/cloakroom-bff/cloakroom/session"
)

// childEnv names what the test binary does instead of testing, when a test starts it as a
// process of its own; childPath is the file that it does it to.
const (
	childEnv  = "BOLTSTORE_TEST_CHILD"
	childPath = "BOLTSTORE_TEST_PATH"
)

func TestMain(m *testing.M) {
	child, ok := map[string]func(path string) error{
		"write until killed": writeUntilKilled,
		"fill the disk":      fillTheDisk,
		"no room for copies": copyWithoutRoom,
		"copy until killed":  copyUntilKilled,
	}[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv(childPath)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// audit reads the whole file and fails the test where the buckets are not in step. It
// returns how many records there are, expired ones too.
func audit(tb testing.TB, s *Store) int {
	tb.Helper()
	var records int
	err := s.db.View(func(tx *bbolt.Tx) error {
		want := map[string]map[string]bool{"index": {}, "due": {}, "expiry": {}}
		err := tx.Bucket(bucketRecords).ForEach(func(k, v []byte) error {
			records++
			e, err := parse(v)
			if err != nil {
				return err
			}
			id := session.ID(k)
			want["expiry"][string(timeKey(e.expires, id))] = true
			if !e.due.IsZero() {
				want["due"][string(timeKey(e.due, id))] = true
			}
			for keys := e.index; len(keys) > 0; keys = keys[keySize:] {
				want["index"][string(indexKey(keys[:keySize], k))] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
		for name, entries := range want {
			n := 0
			err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
				n++
				if !entries[string(k)] || !bytes.Equal(v, nil) {
					return fmt.Errorf("bucket %s has an entry that no record has", name)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if n != len(entries) {
				return fmt.Errorf("bucket %s has %d entries, the records have %d", name, n, len(entries))
			}
		}
		for err := range tx.Check() {
			return err
		}
		return nil
	})
	if err != nil {
		tb.Error(err)
	}
	return records
}
