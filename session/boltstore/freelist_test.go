package boltstore

import (
	"encoding/binary"
	"os"
	"testing"
	"time"
)

// listsFree reports whether the newest of a file's two heads names a list of free pages.
func listsFree(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head, newest, list := make([]byte, 72), uint64(0), uint64(0)
	for page := range int64(2) {
		if _, err := f.ReadAt(head, page*int64(os.Getpagesize())); err != nil {
			t.Fatal(err)
		}
		if txid := binary.NativeEndian.Uint64(head[64:]); txid >= newest {
			newest, list = txid, binary.NativeEndian.Uint64(head[48:])
		}
	}
	return list != ^uint64(0)
}

func TestAShortListOfFreePagesSurvivesACrash(t *testing.T) {
	s := open(t, Options{})
	for n := range byte(100) {
		if err := s.Create(t.Context(), record(n, "x")); err != nil {
			t.Fatal(err)
		}
		if !listsFree(t, s.path) {
			t.Fatal("were the machine to stop now, the next start would read the whole file")
		}
	}
}

func TestALongListOfFreePagesIsWrittenAtTheEndOnly(t *testing.T) {
	s := open(t, Options{})
	large := make([]byte, (longestList+10)*os.Getpagesize())
	r := record(1, string(large))
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Version, r.Data = 1, nil
	for range 3 { // the pages are free, then known to be, then the list is long
		if err := s.Replace(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		r.Version++
	}
	if listsFree(t, s.path) {
		t.Error("each commit writes a list of thousands of free pages")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !listsFree(t, s.path) {
		t.Error("the next start has to read the whole file")
	}
	s = openFile(t, s.path, Options{})
	if free := s.db.Stats().FreePageN; free < longestList {
		t.Errorf("%d pages are known to be free", free)
	}
	audit(t, s)
}

func TestACopyKnowsItsFreePages(t *testing.T) {
	path := closed(t, 20)
	if _, _, err := Compact(t.Context(), path, Rewriting{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	if !listsFree(t, path) {
		t.Error("the next start has to read the whole file")
	}
}
