// Package handover lets a process take the place of another on the same sockets, without a
// moment in which nobody listens. It knows the descriptors that systemd hands to a service
// (LISTEN_FDS, sd_listen_fds(3)), and uses the same way when one process starts the next:
//
//	old                                   new
//	Start ── listeners, two sockets ────▶ Inherit
//	Give  ◀──────── "store" ───────────── TakeStore       only for a store file
//	      ───────── "given" ────────────▶
//	Borrow ◀─────── "opened" ────────────
//	Await ◀──────── "ready" ───────────── Ready
//	leaves, and ends ───────────────────▶ Wait
//
// Until "ready" the old process has given nothing away that it does not get back: if the new
// one ends, or is silent for too long, all goes on as if nothing had been asked.
package handover

import "time"

// How long the other side may take for a step. Calls that need the store are held up while it
// is being opened.
const (
	openWithin  = 5 * time.Second
	readyWithin = time.Minute
	endWithin   = 5 * time.Second // for a process that was told to end
)

// word is a step of the hand-over.
type word string

const (
	wantStore  word = "store"  // new: may I have the file at Path?
	storeGiven word = "given"  // old: it is closed; open it
	storeOther word = "other"  // old: that is none of mine
	storeOpen  word = "opened" // new: I have it, and lend it on the second socket
	ready      word = "ready"  // new: I serve
)

// message is one line between the two.
type message struct {
	Word word   `json:"word"`
	Path string `json:"path,omitempty"`
}

// What the descriptors are for that are no listeners, in LISTEN_FDNAMES.
const (
	talkName  = "predecessor"
	storeName = "store"
)
