package main

import (
	"runtime"
	"slices"
	"strings"
)

// heapFloor is how much memory, in bytes, is counted and never touched: no system gives it
// a page.
const heapFloor = 8 << 20

// raiseHeapFloor makes the garbage collector wait until there is something to collect.
// It runs whenever the heap has doubled, and with few sessions the heap is a few
// megabytes: under load that is hundreds of times a second. The floor adds a constant to
// what may gather, whatever the number of sessions, where GOGC would multiply it. An
// operator who sets GOGC or GOMEMLIMIT has decided otherwise.
//
// What is returned gives the floor back.
func raiseHeapFloor(env []string) (lower func()) {
	if slices.ContainsFunc(env, decidesOnMemory) {
		return func() {}
	}
	floor := make([]byte, heapFloor)
	return func() { runtime.KeepAlive(floor) }
}

// decidesOnMemory reports whether a variable of the environment is one that the runtime
// takes for the operator's decision.
func decidesOnMemory(variable string) bool {
	name, value, _ := strings.Cut(variable, "=")
	return value != "" && (name == "GOGC" || name == "GOMEMLIMIT")
}
