package boltstore

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	crashWriters = 8
	crashRounds  = 6
)

// writeUntilKilled writes from several goroutines, each one record after the other: it
// creates it, then replaces it a few times, then deletes every third. Each line that it
// prints is a promise: "record version", with version 0 for deleted.
func writeUntilKilled(path string) error {
	ctx := context.Background()
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	var out sync.Mutex // A line is one write.
	promise := func(n uint32, version uint64) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(n, version)
	}
	seed := rand.Uint32()
	failed := make(chan error, crashWriters)
	for w := range uint32(crashWriters) {
		go func() {
			for n := seed&^0xffff + w; ; n += crashWriters {
				if err := live(ctx, s, n, promise); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

func crashRecord(n uint32) session.Record {
	r := session.Record{Expires: time.Now().Add(time.Hour), Due: time.Now(), Index: []session.Key{{1}, {byte(n)}}}
	binary.BigEndian.PutUint32(r.ID[:], n)
	r.ID[31] = 1
	return r
}

func live(ctx context.Context, s *Store, n uint32, promise func(uint32, uint64)) error {
	r := crashRecord(n)
	r.Data = []byte("1")
	if err := s.Create(ctx, r); err != nil {
		return err
	}
	promise(n, 1)
	for r.Version = 1; r.Version < 4; r.Version++ {
		r.Data = fmt.Appendf(nil, "%d", r.Version+1)
		if err := s.Replace(ctx, r); err != nil {
			return err
		}
		promise(n, r.Version+1)
	}
	if n%3 != 0 {
		return nil
	}
	if err := s.Delete(ctx, r.ID, r.Version); err != nil {
		return err
	}
	promise(n, 0)
	return nil
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	kept := map[uint32]uint64{} // The last promise for each record, over all rounds.
	for round := range crashRounds {
		promises := killed(t, path, 20+rand.IntN(400))
		if len(promises) == 0 {
			t.Fatal("the child has promised nothing")
		}
		for _, p := range promises {
			kept[p.record] = p.version
		}
		s := openFile(t, path, Options{})
		records := audit(t, s)
		verify(t, s, kept)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: killed after %d promises; %d records are there", round, len(promises), records)
	}
}

type promised struct {
	record  uint32
	version uint64
}

// killed runs a child on the file at path, kills it after about so many promises, and
// returns all those that it has made.
func killed(t *testing.T, path string, after int) []promised {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=write until killed", childPath+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var promises []promised
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var p promised
		if _, err := fmt.Sscan(lines.Text(), &p.record, &p.version); err != nil {
			break // A line that the kill cut off.
		}
		if promises = append(promises, p); len(promises) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || len(promises) < after {
		t.Fatalf("the child ended by itself after %d promises: %v", len(promises), err)
	}
	return promises
}

// verify checks each promise. The child may have been killed between a write and its
// promise, so a record may be one step ahead, but never behind.
func verify(t *testing.T, s *Store, kept map[uint32]uint64) {
	t.Helper()
	for n, version := range kept {
		r, err := s.Load(t.Context(), crashRecord(n).ID)
		gone := errors.Is(err, session.ErrNotFound)
		switch {
		case err != nil && !gone:
			t.Errorf("record %d: %v", n, err)
		case gone && version != 0 && (version != 4 || n%3 != 0):
			t.Errorf("record %d is gone; version %d was promised", n, version)
		case !gone && version == 0:
			t.Errorf("record %d is back in version %d; its end was promised", n, r.Version)
		case !gone && (r.Version < version || r.Version > version+1 || string(r.Data) != fmt.Sprint(r.Version)):
			t.Errorf("record %d is %q in version %d; version %d was promised", n, r.Data, r.Version, version)
		}
	}
}
