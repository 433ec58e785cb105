//go:build linux || darwin

package boltstore

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// copyWithoutRoom runs in a process whose files may not grow beyond less than a store has.
func copyWithoutRoom(path string) error {
	signal.Ignore(syscall.SIGXFSZ) // A full disk sends no signal.
	ctx, backup := context.Background(), filepath.Join(filepath.Dir(path), "backup.db")
	from, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	other := filepath.Join(filepath.Dir(path), "other.db")
	if err := os.WriteFile(other, from, 0o600); err != nil {
		return err
	}
	work := map[string]func() error{
		"backup": func() error {
			_, err := Save(ctx, backup, false, func(w io.Writer) error {
				return BackupFile(ctx, path, func(int64) (io.Writer, error) { return w, nil })
			})
			return err
		},
		"compact": func() error { _, _, err := Compact(ctx, path, Rewriting{}); return err },
		"restore": func() error { _, _, err := Restore(ctx, path, other, Rewriting{}); return err },
	}
	return withoutSpace(uint64(3*os.Getpagesize()), func() error {
		for name, do := range work {
			if err := do(); err == nil || !strings.Contains(err.Error(), "there is no room") {
				return fmt.Errorf("%s: the error is %s", name, fmt.Sprint(err))
			}
		}
		return nil
	})
}

func TestAFullDiskIsSaidAndLeavesNothingHalf(t *testing.T) {
	path := closed(t, 50)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=no room for copies", childPath+"="+path)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if c, err := Check(t.Context(), path); err != nil || c.Records != 50 {
		t.Errorf("the store has %d records, %v", c.Records, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v: there should be the store and the other one", entries, err)
	}
}
