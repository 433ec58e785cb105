package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// guesses bounds how often an address may name a secret that is not the right one. Who has
// guessed too often is not heard any more for a while, whatever he says. The zero value is
// ready; it is safe for concurrent use.
type guesses struct {
	mu sync.Mutex
	by map[string]*guessing // guarded by mu; "" is for all that found no room
}

// guessing is what an address has guessed of late.
type guessing struct {
	wrong int
	until time.Time // when it is forgotten
}

const (
	mostGuesses  = 5
	guessesFor   = time.Minute // from the first wrong one
	maxGuessings = 4096        // addresses that are told apart
)

// silenced reports whether an address is not heard.
func (g *guesses) silenced(address string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.by[g.key(guesserOf(address))]
	return one != nil && now.Before(one.until) && one.wrong >= mostGuesses
}

// wrong notes a wrong guess.
func (g *guesses) wrong(address string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for known, one := range g.by {
		if !now.Before(one.until) {
			delete(g.by, known)
		}
	}
	if g.by == nil {
		g.by = make(map[string]*guessing)
	}
	key := g.key(guesserOf(address))
	if g.by[key] == nil {
		g.by[key] = &guessing{until: now.Add(guessesFor)}
	}
	g.by[key].wrong++
}

// key is where an address is counted. The caller holds mu.
func (g *guesses) key(guesser string) string {
	if g.by[guesser] == nil && len(g.by) >= maxGuessings {
		return ""
	}
	return guesser
}

// guesserOf is who guesses from an address: of IPv6 whoever has the network, since one
// machine has all of its addresses.
func guesserOf(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Is6() {
		return address
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}
