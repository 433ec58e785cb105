package main

import (
	"runtime"
	"testing"
)

// counted is how much the heap counts now, in bytes.
func counted() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTheHeapHasAFloorUnlessTheOperatorSetsOne(t *testing.T) {
	for _, row := range []struct {
		name string
		env  []string
		want int64
	}{
		{"nothing is set", []string{"PATH=/bin", "GOGC=", "GOGCX=50"}, heapFloor},
		{"GOGC", []string{"GOGC=50"}, 0},
		{"GOMEMLIMIT", []string{"PATH=/bin", "GOMEMLIMIT=48MiB"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := counted()
			lower := raiseHeapFloor(row.env)
			if got := counted() - before; got < row.want-1<<20 || got > row.want+1<<20 {
				t.Errorf("the heap grew by %d bytes, want about %d", got, row.want)
			}
			lower()
			if got := counted() - before; got > 1<<20 {
				t.Errorf("%d bytes are left", got)
			}
		})
	}
}
