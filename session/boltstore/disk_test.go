//go:build linux || darwin

package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-bff/cloakroom/session"
)

// fillTheDisk runs in a process whose files may not grow beyond a limit, which fails
// writes as a full disk does, for root too. First the file may not grow, then not even
// what is behind its first pages may be written.
func fillTheDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ) // A full disk sends no signal.
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	r := record(0, "before")
	r.Index = []session.Key{{1}}
	if err := s.Create(ctx, r); err != nil {
		return err
	}
	r.Version = 1
	for _, limit := range []func() (uint64, error){
		func() (uint64, error) { info, err := os.Stat(path); return uint64(info.Size()), err },
		func() (uint64, error) { return uint64(2*os.Getpagesize() + 1000), nil },
	} {
		size, err := limit()
		if err != nil {
			return err
		}
		if err := withoutSpace(size, func() error { return refusesWrites(ctx, s, r) }); err != nil {
			return fmt.Errorf("with %d bytes: %w", size, err)
		}
		r.Data = fmt.Appendf(nil, "after %d", size)
		if err := s.Replace(ctx, r); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		r.Version++
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = fmt.Println("survived", r.Version)
	return err
}

// withoutSpace runs f while no file may be written beyond size.
func withoutSpace(size uint64, f func() error) error {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	tight := syscall.Rlimit{Cur: size, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &tight); err != nil {
		return err
	}
	return errors.Join(f(), syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
}

// refusesWrites says where the store does not do what it must on a full disk: fail large
// writes without a decision, and go on reading what was there.
func refusesWrites(ctx context.Context, s *Store, r session.Record) error {
	large := record(1, strings.Repeat("x", 20<<20))
	for range 2 {
		if err := s.Create(ctx, large); err == nil || isDecision(err) {
			return fmt.Errorf("a large Create: the error is %s, want one that is no decision", fmt.Sprint(err))
		}
	}
	got, err := s.Load(ctx, r.ID)
	if err != nil {
		return err
	}
	if !bytes.Equal(got.Data, r.Data) || got.Version != r.Version {
		return fmt.Errorf("the record is %q in version %d, want %q in %d", got.Data, got.Version, r.Data, r.Version)
	}
	found, err := s.Find(ctx, r.Index[0])
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d records found, want 1", len(found))
	}
	return nil
}

func TestAFullDiskFailsWritesUntilThereIsSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=fill the disk", childPath+"="+path)
	out, err := child.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "survived 3" {
		t.Fatalf("the child ended with %v:\n%s", err, out)
	}
	s := openFile(t, path, Options{})
	if n := audit(t, s); n != 1 {
		t.Errorf("there are %d records, want 1", n)
	}
}

func TestAFileCutOffUnderTheStoreIsAnErrorAndNotACrash(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "sessions.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range byte(50) {
		if err := s.Create(t.Context(), record(i, strings.Repeat("x", 5000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(s.path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	_, load := s.Load(t.Context(), record(49, "").ID)
	create := s.Create(t.Context(), record(60, ""))
	for what, err := range map[string]error{"Load": load, "Create": create, "Close": s.Close()} {
		if err == nil || isDecision(err) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: the error is %v, want one that says damaged", what, err)
		}
	}
}
