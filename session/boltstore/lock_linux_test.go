package boltstore

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A gateway that starts while a file changes hands waits for a lock on the old one.
func TestWhoWaitsForAFileGetsTheOneThatHasComeMeanwhile(t *testing.T) {
	path, from := closed(t, 5), closed(t, 30)
	_, unlock, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{path: path}
	opened := make(chan error)
	go func() {
		var err error
		s.db, err = s.own()
		opened <- err
	}()
	untilOpen(t, path, 2)
	if err := os.Rename(from, path); err != nil {
		t.Fatal(err)
	}
	if err := unlock(true); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if n := audit(t, s); n != 30 {
		t.Errorf("%d records: it has the file that is gone", n)
	}
	if err := s.db.Close(); err != nil {
		t.Error(err)
	}
}

// untilOpen waits until this process has a file open so many times.
func untilOpen(t *testing.T, path string, times int) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for range 5000 {
		links, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, link := range links {
			if name, err := os.Readlink(link); err == nil && name == path {
				n++
			}
		}
		if n == times {
			return
		}
		<-again.C
	}
	t.Fatal("nobody waits for the file")
}
