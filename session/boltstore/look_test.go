package boltstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

func TestALookChangesNothing(t *testing.T) {
	s := open(t, Options{})
	if err := s.Create(t.Context(), record(1, "kept")); err != nil {
		t.Fatal(err)
	}
	if err := Look(s.path); !errors.Is(err, ErrInUse) {
		t.Errorf("of an open file it says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Look(s.path); err != nil {
		t.Errorf("of a store: %v", err)
	}
	after, err := os.ReadFile(s.path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the file has changed, %v", err)
	}
	fresh := filepath.Join(t.TempDir(), "new.db")
	if err := Look(fresh); err != nil {
		t.Errorf("of a store that can be made: %v", err)
	}
	if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it has made a file: %v", err)
	}
}

func TestALookSaysWhatIsInTheWay(t *testing.T) {
	for what, path := range map[string]string{
		"does not exist":  filepath.Join(t.TempDir(), "missing", "x.db"),
		"not a directory": filepath.Join(file(t, []byte("x")), "x.db"),
		"no bbolt":        file(t, []byte(strings.Repeat("x", 20_000))),
		"another program": database(t, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }),
		"not a regular":   t.TempDir(),
	} {
		if err := Look(path); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: the error is %v", what, err)
		}
	}
}
