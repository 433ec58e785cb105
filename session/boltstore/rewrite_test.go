package boltstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// closed is the path of a store with n records, and with room that nothing uses.
func closed(t *testing.T, n byte) (path string) {
	t.Helper()
	s := open(t, Options{})
	stock(t, s, n)
	if err := errors.Join(
		s.Create(t.Context(), record(100, strings.Repeat("y", 1<<20))),
		s.Delete(t.Context(), record(100, "").ID, 1),
	); err != nil {
		t.Fatal(err)
	}
	r := record(2, "changed")
	r.Version, r.Due, r.Index = 1, time.Now(), []session.Key{{9}}
	if err := s.Replace(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.path
}

func TestACompactionKeepsAllThatLivesAndGivesBackTheRest(t *testing.T) {
	path := closed(t, 50)
	var told []int
	before, after, err := Compact(t.Context(), path, Rewriting{Progress: func(done, of int) { told = append(told, done, of) }})
	if err != nil || before.Records != 50 || after.Records != 50 || after.Bytes > before.Bytes/2 {
		t.Fatalf("%+v %+v %v", before, after, err)
	}
	if len(told) != 2 || told[0] != 50 || told[1] != 50 {
		t.Errorf("progress %v", told)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != after.Bytes || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	alone(t, path)
	s := openFile(t, path, Options{})
	if n := audit(t, s); n != 50 {
		t.Errorf("%d records", n)
	}
	r, err := s.Load(t.Context(), record(2, "").ID)
	if err != nil || string(r.Data) != "changed" || r.Version != 2 || len(r.Index) != 1 {
		t.Errorf("record 2: %q in version %d, %v", r.Data, r.Version, err)
	}
	r.Data = []byte("and on")
	if err := s.Replace(t.Context(), r); err != nil {
		t.Error(err)
	}
}

func TestACompactionForgetsWhatHasExpired(t *testing.T) {
	path := closed(t, 50)
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, after, err := Compact(t.Context(), path, Rewriting{Now: later}); err != nil || after.Records != 0 {
		t.Errorf("%+v, %v", after, err)
	}
}

func TestACompactionNeedsTheFileForItself(t *testing.T) {
	s := open(t, Options{})
	stock(t, s, 3)
	if _, _, err := Compact(t.Context(), s.path, Rewriting{}); !errors.Is(err, ErrInUse) {
		t.Errorf("the error is %v", err)
	}
	alone(t, s.path)
}

func TestACompactionThatFailsChangesNothing(t *testing.T) {
	path := closed(t, 50)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	refused := errors.New("refused")
	for name, row := range map[string]struct {
		w    Rewriting
		want error
	}{
		"a record is refused": {Rewriting{Change: func(r session.Record) (session.Record, bool, error) { return r, false, refused }}, refused},
		"given up":            {Rewriting{Change: func(r session.Record) (session.Record, bool, error) { cancel(); return r, true, ctx.Err() }}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := Compact(ctx, path, row.w); !errors.Is(err, row.want) {
				t.Errorf("the error is %v", err)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(before) {
				t.Errorf("the file has changed, %v", err)
			}
			alone(t, path)
		})
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
	}
}

func TestARestoreKeepsTheStoreThatWasThere(t *testing.T) {
	from := closed(t, 30)
	for name, row := range map[string]struct {
		path string
		kept bool
	}{
		"a store":      {closed(t, 5), true},
		"a ruin":       {cutOff(t), true},
		"no database":  {file(t, []byte(strings.Repeat("text\n", 9000))), true},
		"nothing":      {filepath.Join(t.TempDir(), "new.db"), false},
		"an empty one": {file(t, nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := os.ReadFile(row.path)
			kept, c, err := Restore(t.Context(), row.path, from, Rewriting{})
			if err != nil || c.Records != 30 || (kept != "") != row.kept {
				t.Fatalf("%q, %+v, %v", kept, c, err)
			}
			if row.kept {
				old, err := os.ReadFile(kept)
				if err != nil || string(old) != string(before) {
					t.Errorf("the old one is another, %v", err)
				}
				if err := os.Remove(kept); err != nil {
					t.Error(err)
				}
			}
			alone(t, row.path)
			if n := audit(t, openFile(t, row.path, Options{})); n != 30 {
				t.Errorf("%d records", n)
			}
		})
	}
}

func TestARestoreThatFailsLeavesTheStoreAsItWas(t *testing.T) {
	used := open(t, Options{})
	stock(t, used, 3)
	refuses := Rewriting{Change: func(r session.Record) (session.Record, bool, error) { return r, true, errors.New("refused") }}
	inUse, store := used.path, closed(t, 3)
	for name, row := range map[string]struct {
		path, from string
		w          Rewriting
		says       string
	}{
		"a store in use":          {inUse, closed(t, 3), Rewriting{}, "stop the gateway"},
		"a backup in use":         {store, inUse, Rewriting{}, "open in another process"},
		"a damaged backup":        {store, cutOff(t), Rewriting{}, "cut off"},
		"the store itself":        {store, store, Rewriting{}, "the store itself"},
		"no backup":               {store, filepath.Join(t.TempDir(), "no.db"), Rewriting{}, "no such file"},
		"a record is refused":     {store, closed(t, 3), refuses, "refused"},
		"refused, and no store":   {filepath.Join(t.TempDir(), "new.db"), closed(t, 3), refuses, "refused"},
		"no place for the store":  {filepath.Join(t.TempDir(), "no", "new.db"), closed(t, 3), Rewriting{}, "make it"},
		"a directory, no regular": {t.TempDir(), closed(t, 3), Rewriting{}, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			before, missing := os.ReadFile(row.path)
			if _, _, err := Restore(t.Context(), row.path, row.from, row.w); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("the error is %v", err)
			}
			after, err := os.ReadFile(row.path)
			if string(after) != string(before) || errors.Is(err, fs.ErrNotExist) != errors.Is(missing, fs.ErrNotExist) {
				t.Errorf("the store is another: %v, %v", missing, err)
			}
			if !strings.HasSuffix(row.says, "directory") && !strings.HasPrefix(row.says, "make") {
				alone(t, row.path)
			}
		})
	}
}
