package boltstore

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func TestOnlyTheOwnerMayReadANewFile(t *testing.T) {
	s := open(t, Options{})
	info, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode is %v, want 0600", info.Mode())
	}
}

func TestAFileServesOneStoreAtATime(t *testing.T) {
	s := open(t, Options{})
	start := time.Now()
	second, err := Open(s.path, Options{})
	if err == nil {
		_ = second.Close()
		t.Fatal("the second Open succeeded")
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the second Open took %v", took)
	}
	for _, part := range []string{s.path, "open in another process", "stop the other one"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if err := s.Create(t.Context(), record(1, "still works")); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatLeavesIsWaitedFor(t *testing.T) {
	s := open(t, Options{})
	opened := make(chan error)
	go func() {
		second, err := Open(s.path, Options{})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// database writes a bbolt file as fill says and returns its path.
func database(t *testing.T, fill func(*bbolt.Tx) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(fill); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func withFormat(format ...byte) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		return b.Put(keyFormat, format)
	}
}

// cutOff returns a store's file without its last pages.
func cutOff(t *testing.T) string {
	t.Helper()
	s := open(t, Options{})
	for i := range byte(50) {
		if err := s.Create(t.Context(), record(i, strings.Repeat("x", 5000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.path, 64<<10); err != nil {
		t.Fatal(err)
	}
	return s.path
}

func TestAFileThatIsNoStoreIsRefusedAndLeftAlone(t *testing.T) {
	foreign := func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("photos"))
		return err
	}
	for name, row := range map[string]struct{ path, says string }{
		"ten bytes":         {file(t, []byte("not a bolt")), "no bbolt database"},
		"between two sizes": {file(t, bytes.Repeat([]byte("x"), 5000)), "no bbolt database"},
		"text":              {file(t, bytes.Repeat([]byte("text\n"), 20000)), "no bbolt database"},
		"another program's": {database(t, foreign), "another program"},
		"without format":    {database(t, withFormat()), "another program"},
		"newer format":      {database(t, withFormat(fileFormat+1)), "has format 2, and this version knows formats up to 1"},
		"cut off":           {cutOff(t), "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile(row.path)
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, row.path, row.says)
			after, err := os.ReadFile(row.path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Error("the file has changed")
			}
		})
	}
}

func TestAPathThatCannotBeAStoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Run("directory is missing", func(t *testing.T) { refuses(t, filepath.Join(dir, "no", "s.db"), "make it") })
	t.Run("is a directory", func(t *testing.T) { refuses(t, locked, "not a regular file") })
	t.Run("lies below a file", func(t *testing.T) { refuses(t, filepath.Join(file(t, nil), "s.db"), "not a directory") })
}

func TestAPermissionErrorSaysWhatToDo(t *testing.T) {
	// A real one needs a user who is not root; the error's text does not.
	s := &Store{path: "/var/lib/cloakroom.db"}
	err := s.openError(&fs.PathError{Op: "open", Path: s.path, Err: fs.ErrPermission})
	if !strings.Contains(err.Error(), s.path) || !strings.Contains(err.Error(), "give the file") {
		t.Errorf("%q does not say which file and what to do", err)
	}
}

func refuses(t *testing.T, path, says string) {
	t.Helper()
	s, err := Open(path, Options{})
	if err == nil {
		_ = s.Close()
		t.Fatal("it was opened")
	}
	for _, part := range []string{path, says} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q has more than one line", err)
	}
}

func TestAStoreComesBackAfterAReopening(t *testing.T) {
	s := open(t, Options{})
	if err := s.Create(t.Context(), record(1, "kept")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openFile(t, s.path, Options{})
	r, err := again.Load(t.Context(), record(1, "").ID)
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Data) != "kept" || r.Version != 1 {
		t.Errorf("the record is %q in version %d", r.Data, r.Version)
	}
}

func TestACreationThatWasInterruptedIsFinished(t *testing.T) {
	for name, path := range map[string]string{
		"empty file":      file(t, nil),
		"without buckets": database(t, func(*bbolt.Tx) error { return nil }),
	} {
		t.Run(name, func(t *testing.T) {
			s := openFile(t, path, Options{})
			if err := s.Create(t.Context(), record(1, "")); err != nil {
				t.Error(err)
			}
		})
	}
}
