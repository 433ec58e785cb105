package session

import (
	"runtime"
	"testing"
	"weak"
)

// The cleanup of a handle comes when it wants to: perhaps after the next one has been made.
func TestALateCleanupForgetsNoNewHandle(t *testing.T) {
	h := &handles{known: make(map[ID]weak.Pointer[Session])}
	s := h.adopt(&Session{id: ID{1}, life: newLife()}, &State{version: 1}, justMade)
	h.forget(ID{1})
	if h.get(ID{1}) != s {
		t.Error("the handle is held, and not known")
	}
	runtime.KeepAlive(s)
}
