package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

// counted is how much the heap counts now, in bytes.
func counted() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTheCollectorSuitsTheMemory(t *testing.T) {
	const mebi = 1 << 20
	container := func(limit string) fstest.MapFS {
		return fstest.MapFS{
			"proc/self/cgroup":         {Data: []byte("0::/\n")},
			"sys/fs/cgroup/memory.max": {Data: []byte(limit)},
		}
	}
	for name, row := range map[string]struct {
		env    []string
		system fstest.MapFS
		limit  int64 // as GOMEMLIMIT set it at the start; 0: none
		floor  int64
		want   int64 // the limit then; 0: none
	}{
		"no limit":                 {[]string{"PATH=/bin", "GOGC=", "GOGCX=50"}, container("max"), 0, 32 * mebi, 0},
		"a small container":        {nil, container("67108864"), 0, 72 * mebi / 10, 57*mebi + 6*mebi/10},
		"a large container":        {nil, container("1073741824"), 0, 64 * mebi, 9216 * mebi / 10},
		"GOMEMLIMIT":               {[]string{"GOMEMLIMIT=48MiB"}, container("67108864"), 48 * mebi, 6 * mebi, 48 * mebi},
		"GOMEMLIMIT, no container": {[]string{"GOMEMLIMIT=48MiB"}, nil, 48 * mebi, 6 * mebi, 48 * mebi},
		"GOMEMLIMIT is off":        {[]string{"GOMEMLIMIT=off"}, container("67108864"), 0, 32 * mebi, 0},
		"GOGC":                     {[]string{"GOGC=50"}, container("67108864"), 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if row.limit > 0 {
				before := debug.SetMemoryLimit(row.limit)
				t.Cleanup(func() { debug.SetMemoryLimit(before) })
			}
			heap, limit := counted(), debug.SetMemoryLimit(-1)
			undo := suitMemory(row.env, row.system)
			floor := counted() - heap
			if !near(floor, row.floor) {
				t.Errorf("the heap grew by %d bytes, want about %d", floor, row.floor)
			}
			want := int64(math.MaxInt64)
			if row.want > 0 {
				want = row.want + row.floor
			}
			if got := debug.SetMemoryLimit(-1); !near(got, want) {
				t.Errorf("the limit is %d bytes, want about %d, with the floor", got, want)
			}
			undo()
			if got := counted() - heap; !near(got, 0) {
				t.Errorf("%d bytes are left", got)
			}
			if got := debug.SetMemoryLimit(-1); got != limit {
				t.Errorf("the limit is %d bytes afterwards, want %d", got, limit)
			}
		})
	}
}

// near allows for what else is on the heap.
func near(a, b int64) bool { return a-b < 1<<20 && b-a < 1<<20 }
