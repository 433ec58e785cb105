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
	return int64(m.HeapAlloc) //nolint:gosec // A heap is smaller than an int64.
}

func TestTheHeapHasAFloorUnlessTheOperatorSetsOne(t *testing.T) {
	for _, row := range []struct {
		name, variable, value string
		want                  int64
	}{
		{"nothing is set", "", "", heapFloor},
		{"GOGC", "GOGC", "50", 0},
		{"GOMEMLIMIT", "GOMEMLIMIT", "48MiB", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("GOGC", "")
			t.Setenv("GOMEMLIMIT", "")
			if row.variable != "" {
				t.Setenv(row.variable, row.value)
			}
			before := counted()
			lower := raiseHeapFloor()
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
