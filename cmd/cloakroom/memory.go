package main

import (
	"io/fs"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
)

// The heap's floor, in bytes, where memory has no limit and where it has a large one. Under a
// full load the garbage collector takes 17 of 100 parts of the CPU time without a floor, 3 with
// 8 MiB, 1 with 32 and 0.4 with 64.
const (
	usualFloor = 32 << 20
	mostFloor  = 64 << 20
)

// suitMemory makes the garbage collector suit the memory that there is.
//
// It runs whenever the heap has doubled, and with few sessions the heap is a few megabytes:
// under load that is hundreds of times a second. The floor is counted as heap and never
// touched, so that no system gives it a page: it adds a constant to what may gather, whatever
// the number of sessions, where GOGC would multiply it. An idle process does not grow by it.
//
// In a container with a limit the heap stays below nine tenths of that: rather than be killed
// at the limit, the process collects more often. GOMEMLIMIT takes the place of that limit. An
// operator who sets GOGC has decided on all of it.
//
// What is returned undoes it.
func suitMemory(env []string, system fs.FS) (undo func()) {
	if isSet(env, "GOGC") {
		return func() {}
	}
	before := debug.SetMemoryLimit(-1) // as GOMEMLIMIT says
	limit := before
	if n := containerLimit(system); n > 0 && !isSet(env, "GOMEMLIMIT") {
		limit = n / 10 * 9
	}
	floor := make([]byte, floorUnder(limit))
	if limit < math.MaxInt64 {
		// The runtime counts the floor, which takes nothing of the limit.
		debug.SetMemoryLimit(limit + int64(len(floor)))
	}
	return func() {
		runtime.KeepAlive(floor)
		debug.SetMemoryLimit(before)
	}
}

// floorUnder is the heap's floor where that many bytes are the limit.
func floorUnder(limit int64) int64 {
	if limit == math.MaxInt64 {
		return usualFloor
	}
	return min(limit/8, mostFloor)
}

// isSet reports whether the environment has a value for a variable.
func isSet(env []string, variable string) bool { return valueOf(env, variable) != "" }

// valueOf is the value that the environment has for a variable; empty if it has none.
func valueOf(env []string, variable string) string {
	for _, pair := range env {
		if name, value, _ := strings.Cut(pair, "="); name == variable {
			return value
		}
	}
	return ""
}
