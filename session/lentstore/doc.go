// Package lentstore is a store that another process on the same machine owns. It serves a
// hand-over: when a gateway's binary is replaced, the new process has the store's file, and
// the old one needs records until its last stream is over. Then the two are what two replicas
// on one Redis are: each hears what the other one changes.
//
//	new process                          old process
//	file ◀── Lender ◀══ connection ══▶ Store ◀── session.Manager
//	             └──── notices ────────▶ ┘
//
// Both ends are of the same user on one machine, and what passes between them is sealed.
package lentstore
