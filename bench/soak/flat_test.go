package soak

import (
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/bench/rig"
)

// hour is an hour in which the gateway holds what of says of each sample.
func hour(of func(n int64) Sample) *Hour {
	h := &Hour{}
	for n := range int64(100) {
		h.Samples = append(h.Samples, of(n))
	}
	return h
}

func TestWhatGrowsIsNamed(t *testing.T) {
	t.Parallel()
	flat := Sample{Held: rig.Held{RSS: 60 << 20, Heap: 20 << 20, Goroutines: 100, Files: 80}, File: 16 << 20}
	for _, row := range []struct {
		name string
		of   func(n int64) Sample
		want string
	}{
		{"nothing", func(int64) Sample { return flat }, ""},
		{"chance", func(n int64) Sample { s := flat; s.Goroutines += n % 7 * 10; s.RSS += n % 5 << 20; return s }, ""},
		{"at first", func(n int64) Sample { s := flat; s.RSS += min(n, 25) << 22; return s }, ""},
		{"memory", func(n int64) Sample { s := flat; s.RSS += n << 20; return s }, "resident memory"},
		{"goroutines", func(n int64) Sample { s := flat; s.Goroutines += 2 * n; return s }, "goroutines"},
		{"files", func(n int64) Sample { s := flat; s.Files += 2 * n; return s }, "open files"},
		{"the file", func(n int64) Sample { s := flat; s.File += n << 20; return s }, "the store's file"},
		{"the file, by tombstones", func(n int64) Sample { s := flat; s.Logins, s.File = n*1000, s.File+n<<20; return s }, ""},
	} {
		err := hour(row.of).flat()
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
