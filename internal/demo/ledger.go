package demo

import (
	"slices"
	"sync"
	"time"
)

// Event is something that the gateway did for a user, for the page's timeline.
type Event struct {
	Subject string
	Kind    EventKind
	OK      bool          // of a refresh or a revocation
	Took    time.Duration // of a refresh
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	SignedIn  EventKind = "signed_in"
	Refreshed EventKind = "refreshed" // one presentation of the refresh token, good or not
	Revoked   EventKind = "revoked"   // one attempt to revoke the refresh token, good or not
	Ended     EventKind = "ended"
	expired   EventKind = "expired" // by the desk
	broken    EventKind = "broken"  // by the desk
)

// Observe notes an event, for the timeline. It is quick and may be called from anywhere.
func (b *Backend) Observe(e Event) { b.ledger.note(b.now(), e) }

// ledger keeps the latest events.
type ledger struct {
	mu      sync.Mutex
	entries []entry        // guarded by mu, oldest first
	count   int            // guarded by mu: entries ever made
	numbers map[string]int // guarded by mu: of the ticket, by subject
	issued  int            // guarded by mu: tickets
}

// entry is a numbered event. Only the page reads it, and the page is one user's.
type entry struct {
	Seq     int       `json:"seq"`
	At      int64     `json:"at"` // Unix milliseconds
	Kind    EventKind `json:"kind"`
	OK      bool      `json:"ok"`
	Took    int64     `json:"took_ms"`
	subject string
}

const ledgerSize = 256

func (l *ledger) note(now time.Time, e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if e.Kind == SignedIn {
		if l.numbers == nil {
			l.numbers = make(map[string]int)
		}
		l.issued++
		l.numbers[e.Subject] = l.issued
	}
	if len(l.entries) == ledgerSize {
		l.entries = slices.Delete(l.entries, 0, 1)
	}
	l.entries = append(l.entries, entry{
		Seq: l.count, At: now.UnixMilli(), Kind: e.Kind, OK: e.OK, Took: e.Took.Milliseconds(), subject: e.Subject,
	})
}

// of returns a subject's events since a moment, oldest first, and the number on that
// subject's latest ticket: the first to sign in has 1.
func (l *ledger) of(subject string, since time.Time) (found []entry, number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found = []entry{}
	for _, e := range l.entries {
		if (e.subject == subject || e.subject == everybody) && e.At >= since.UnixMilli() {
			found = append(found, e)
		}
	}
	return found, l.numbers[subject]
}

// everybody is the subject of what happened to all.
const everybody = ""
