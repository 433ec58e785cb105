package boltstore

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const copiedRecords = 200

// copyUntilKilled backs a store up, compacts it and restores the backup over it, again and
// again. It prints a line before each of them.
func copyUntilKilled(path string) error {
	ctx, backup := context.Background(), path+".backup"
	for {
		fmt.Println("backup")
		_, err := Save(ctx, backup, true, func(w io.Writer) error {
			return BackupFile(ctx, path, func(int64) (io.Writer, error) { return w, nil })
		})
		if err != nil {
			return err
		}
		fmt.Println("compact")
		if _, _, err := Compact(ctx, path, Rewriting{}); err != nil {
			return err
		}
		fmt.Println("restore")
		kept, _, err := Restore(ctx, path, backup, Rewriting{})
		if err != nil {
			return err
		}
		if err := os.Remove(kept); err != nil {
			return err
		}
	}
}

func TestAKillLeavesStoreAndBackupWhole(t *testing.T) {
	s := open(t, Options{})
	stock(t, s, copiedRecords)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 25 {
		work := killedCopying(t, s.path)
		for _, path := range []string{s.path, s.path + ".backup"} {
			if _, err := os.Stat(path); os.IsNotExist(err) && path != s.path {
				continue // killed in the first one
			}
			if c, err := Check(t.Context(), path); err != nil || c.Records != copiedRecords {
				t.Fatalf("killed during %s: %s has %d records, %v", work, filepath.Base(path), c.Records, err)
			}
		}
		kept, err := filepath.Glob(s.path + ".before-*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range kept {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// killedCopying kills a child at some moment, and returns in the middle of what.
func killedCopying(t *testing.T, path string) (work string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=copy until killed", childPath+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines, until := bufio.NewScanner(out), 1+rand.IntN(3)
	for n := 1; lines.Scan(); n++ {
		work = lines.Text()
		if n == until {
			<-time.After(rand.N(12 * time.Millisecond)) // Anywhere in it.
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || work == "" {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return work
}
