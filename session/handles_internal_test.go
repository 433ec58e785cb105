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

// collected returns the weak pointer of a Session that is no more.
func collected() weak.Pointer[Session] {
	p := func() weak.Pointer[Session] { return weak.Make(&Session{life: newLife()}) }()
	for p.Value() != nil {
		runtime.GC()
	}
	return p
}

func TestAStateIsReadAgainIfItsHandleHasGoneMeanwhile(t *testing.T) {
	h := &handles{known: make(map[ID]weak.Pointer[Session])}
	before := h.mark()
	h.known[ID{1}] = collected() // and its cleanup has not come yet
	if h.adopt(&Session{id: ID{1}, life: newLife()}, &State{version: 1}, before) != nil {
		t.Error("a state was taken that may be older than what the lost handle knew")
	}
	after := h.mark()
	s := h.adopt(&Session{id: ID{1}, life: newLife()}, &State{version: 1}, after)
	if s == nil || h.get(ID{1}) != s {
		t.Error("the state was read again, and not taken")
	}
	runtime.KeepAlive(s)
}

func TestNothingIsLeftOfHandlesThatNobodyHolds(t *testing.T) {
	h := &handles{known: make(map[ID]weak.Pointer[Session])}
	for i := range byte(100) {
		h.adopt(&Session{id: ID{i}, life: newLife()}, &State{version: 1}, justMade)
	}
	for range 1000 {
		runtime.GC()
		h.mu.Lock()
		left := len(h.known)
		h.mu.Unlock()
		if left == 0 {
			return
		}
	}
	t.Error("entries are left")
}
