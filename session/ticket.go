package session

import (
	"crypto/rand"
	"time"
)

// ticketName is bound into every ticket, whatever its cookie is called: renaming the
// cookie logs nobody out.
const ticketName = "ticket"

// tickets makes and opens tickets. A ticket holds 32 random bytes, and nothing about the
// user; the key that seals it also hashes its id, so that a ticket finds its record
// however often the keyring has grown since.
type tickets struct {
	ring *Keyring
	box  *Box
}

func newTickets(ring *Keyring, ttl time.Duration) (*tickets, error) {
	box, err := ring.Box(ticketName, ttl)
	if err != nil {
		return nil, err
	}
	return &tickets{ring, box}, nil
}

// issue makes a ticket and the id that it names.
func (t *tickets) issue() (ticket string, id ID, err error) {
	name := make([]byte, 32)
	_, _ = rand.Read(name) // never fails
	ticket, err = t.box.Seal(ticketName, name)
	return ticket, ID(hash(t.ring.keys[0].id, ticketName, string(name))), err
}

// open returns the id that a ticket names, or ErrNoSession.
func (t *tickets) open(ticket string) (ID, error) {
	name, key, err := t.box.open(ticketName, ticket)
	if err != nil {
		// Why it does not open is nobody's business: forged, old and foreign look alike.
		return ID{}, ErrNoSession
	}
	return ID(hash(t.ring.keys[key].id, ticketName, string(name))), nil
}
