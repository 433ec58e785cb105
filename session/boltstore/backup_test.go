package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// stock puts n records into a store.
func stock(tb testing.TB, s *Store, n byte) {
	tb.Helper()
	var writers sync.WaitGroup // They share commits.
	for i := range n {
		writers.Go(func() {
			r := record(i, strings.Repeat("x", 3000))
			r.Due, r.Index = time.Now(), []session.Key{{1}, {2, i}}
			if err := s.Create(tb.Context(), r); err != nil {
				tb.Error(err)
			}
		})
	}
	writers.Wait()
}

// shelf is a directory for a backup.
func shelf(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "backup.db")
}

// alone fails the test if anything but this one file is in its directory.
func alone(tb testing.TB, path string) {
	tb.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			tb.Errorf("%s is left beside %s", e.Name(), path)
		}
	}
}

func save(ctx context.Context, s *Store, path string) (Contents, error) {
	return Save(ctx, path, false, func(w io.Writer) error {
		return s.Backup(ctx, func(int64) (io.Writer, error) { return w, nil })
	})
}

func TestABackupIsTheStoreAtOneMoment(t *testing.T) {
	s, path := open(t, Options{}), shelf(t)
	stock(t, s, 50)
	during := false
	c, err := Save(t.Context(), path, false, func(w io.Writer) error {
		return s.Backup(t.Context(), func(size int64) (io.Writer, error) {
			return writer(func(p []byte) (int, error) {
				if !during { // The copy has begun: what is written from here on is not in it.
					during = true
					if err := s.Create(t.Context(), record(60, "late")); err != nil {
						return 0, err
					}
					r := record(1, "changed")
					r.Version = 1
					if err := s.Replace(t.Context(), r); err != nil {
						return 0, err
					}
				}
				size -= int64(len(p))
				if size < 0 {
					return 0, errors.New("there is more than was said")
				}
				return w.Write(p)
			}), nil
		})
	})
	if err != nil || c.Records != 50 || !during {
		t.Fatalf("%+v, %v", c, err)
	}
	copied := openFile(t, path, Options{})
	if n := audit(t, copied); n != 50 {
		t.Errorf("%d records", n)
	}
	r, err := copied.Load(t.Context(), record(1, "").ID)
	if err != nil || r.Version != 1 || string(r.Data) == "changed" {
		t.Errorf("record 1 is in version %d, %v", r.Version, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestABackupNeedsNoProcess(t *testing.T) {
	s, path := open(t, Options{}), shelf(t)
	stock(t, s, 10)
	offline := func() (Contents, error) {
		return Save(t.Context(), path, false, func(w io.Writer) error {
			return BackupFile(t.Context(), s.path, func(int64) (io.Writer, error) { return w, nil })
		})
	}
	if _, err := offline(); !errors.Is(err, ErrInUse) {
		t.Errorf("of an open store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err := offline(); err != nil || c.Records != 10 {
		t.Errorf("%+v, %v", c, err)
	}
	if err := BackupFile(t.Context(), filepath.Join(t.TempDir(), "no.db"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no store: %v", err)
	}
}

func TestABackupThatDoesNotArriveWholeGetsNoName(t *testing.T) {
	s := open(t, Options{})
	stock(t, s, 50)
	broken := errors.New("broken off")
	for name, row := range map[string]struct {
		fill func(context.CancelFunc, context.Context, io.Writer) error
		says string
	}{
		"an error on the way": {func(_ context.CancelFunc, ctx context.Context, w io.Writer) error {
			left := 100_000
			return s.Backup(ctx, func(int64) (io.Writer, error) {
				return writer(func(p []byte) (int, error) {
					if left -= len(p); left < 0 {
						return 0, broken
					}
					return w.Write(p)
				}), nil
			})
		}, "broken off"},
		"nobody wants it any more": {func(cancel context.CancelFunc, ctx context.Context, w io.Writer) error {
			return s.Backup(ctx, func(int64) (io.Writer, error) { cancel(); return w, nil })
		}, "canceled"},
		"cut off": {func(_ context.CancelFunc, ctx context.Context, w io.Writer) error {
			left := 100_000
			return s.Backup(ctx, func(int64) (io.Writer, error) {
				return writer(func(p []byte) (int, error) {
					n := min(left, len(p))
					left -= n
					_, err := w.Write(p[:n])
					return len(p), err
				}), nil
			})
		}, "cut off"},
		"nothing": {func(context.CancelFunc, context.Context, io.Writer) error { return nil }, "empty"},
		"something else": {func(_ context.CancelFunc, _ context.Context, w io.Writer) error {
			_, err := fmt.Fprint(w, strings.Repeat("no ", 9000))
			return err
		}, "no bbolt"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			path := shelf(t)
			_, err := Save(ctx, path, false, func(w io.Writer) error { return row.fill(cancel, ctx, w) })
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("the error is %v", err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is a file: %v", err)
			}
			alone(t, path)
		})
	}
}

func TestABackupTakesNobodysNameUnasked(t *testing.T) {
	s := open(t, Options{})
	stock(t, s, 3)
	path := file(t, []byte("mine"))
	if _, err := save(t.Context(), s, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if b, err := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("it is %q now, %v", b, err)
	}
	failed := errors.New("failed")
	if _, err := Save(t.Context(), path, true, func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("after a failure it is %q, %v", b, err)
	}
	_, err := Save(t.Context(), path, true, func(w io.Writer) error {
		return s.Backup(t.Context(), func(int64) (io.Writer, error) { return w, nil })
	})
	if err != nil {
		t.Error(err)
	}
	if c, err := Check(t.Context(), path); err != nil || c.Records != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	alone(t, path)
}

func TestAStoreThatIsClosedWaitsForNoBackup(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "sessions.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	stock(t, s, 50)
	closed := make(chan error, 1)
	begun := false
	err = s.Backup(t.Context(), func(int64) (io.Writer, error) {
		return writer(func(p []byte) (int, error) {
			if !begun {
				begun = true
				go func() { closed <- s.Close() }()
				<-s.closing
			}
			return len(p), nil
		}), nil
	})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("the backup: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}
