package boltstore

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// spoiled is a store of 20 records of which one bucket was changed.
func spoiled(t *testing.T, change func(*bbolt.Tx) error) (path string) {
	t.Helper()
	s := open(t, Options{})
	stock(t, s, 20)
	if err := s.db.Update(change); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.path
}

func TestACheckSaysWhatIsWrongWithAFile(t *testing.T) {
	first := func(bucket []byte) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			k, _ := tx.Bucket(bucket).Cursor().First()
			return tx.Bucket(bucket).Delete(k)
		}
	}
	id := record(1, "").ID
	for name, row := range map[string]struct{ path, says string }{
		"empty":             {file(t, nil), "empty"},
		"missing":           {filepath.Join(t.TempDir(), "no.db"), "no such file"},
		"no database":       {file(t, []byte(strings.Repeat("text\n", 9000))), "no bbolt"},
		"another program's": {database(t, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }), "another program"},
		"newer format":      {database(t, withFormat(fileFormat+1)), "newer"},
		"cut off":           {cutOff(t), "cut off"},
		"no buckets":        {database(t, withFormat(fileFormat)), "bucket records is missing"},
		"index":             {spoiled(t, first(bucketIndex)), "not listed"},
		"due":               {spoiled(t, first(bucketDue)), "not listed"},
		"expiry":            {spoiled(t, first(bucketExpiry)), "not listed"},
		"a record is gone":  {spoiled(t, first(bucketRecords)), "listed that is not there"},
		"another's record":  {spoiled(t, func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Put(id[:], []byte("short")) }), "shorter than its head"},
		"a strange id":      {spoiled(t, func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Put([]byte("id"), make([]byte, headSize)) }), "format 0"},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := Check(t.Context(), row.path); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

func TestACheckCanBeGivenUp(t *testing.T) {
	s := open(t, Options{})
	stock(t, s, 255)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, s.path); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
