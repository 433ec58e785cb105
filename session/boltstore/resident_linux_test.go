package boltstore

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// resident is how many KiB of a mapped file are in this process (proc(5), smaps).
func resident(t *testing.T, path string) (kib int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if name, _, _ := strings.Cut(line, " "); !strings.HasSuffix(name, ":") { // it begins another mapping
			ours = strings.HasSuffix(line, path)
		}
		if ours && strings.HasPrefix(line, "Rss:") {
			if _, err := fmt.Sscanf(line, "Rss: %d kB", &kib); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kib
}

func TestAFileDoesNotGatherInTheProcess(t *testing.T) {
	s := open(t, Options{})
	const records, size = 100, 64 << 10
	r := record(0, strings.Repeat("x", size))
	for n := range byte(records) {
		r.ID[0] = n + 1
		if err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	read := func(n int) {
		t.Helper()
		for i := range n {
			r.ID[0] = byte(i%records) + 1
			if got, err := s.Load(t.Context(), r.ID); err != nil || len(got.Data) != size {
				t.Fatal(err)
			}
		}
	}
	s.touched.Store(0)
	read(records)
	if kib := resident(t, s.path); kib < records*size>>10 {
		t.Fatalf("%d KiB of a small file are in memory", kib)
	}
	s.small = 0 // now it is a large one
	read(mostTouched - records)
	if kib := resident(t, s.path); kib > size>>10 {
		t.Errorf("%d KiB of a large file are in memory", kib)
	}
	read(1)
}
