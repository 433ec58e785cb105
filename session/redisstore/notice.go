package redisstore

import (
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// blind is how old the last good heartbeat may be while notices are said to flow.
const blind = 800 * time.Millisecond

// Notify has stale called for every record that this process has loaded or written, when
// somebody else has changed it, or when it has expired or is gone in whatever way; and with
// the zero ID when anything may have changed: the link broke, or the server was emptied.
// It is called for more than that, too: records that Find and Due have looked at, and own
// writes whose outcome is not known.
//
// It is to be set before the first call. stale is called on the goroutine that reads the
// connection, so it must return at once and call no method of the store.
//
// A notice can overtake what it is about: it may come after Load has read and before
// Load's caller has put the record into its memory. Such a caller takes a mark before Load,
// and does not keep a record for which stale was called since.
func (s *Store) Notify(stale func(session.ID)) { s.stale.Store(&stale) }

// Linked reports whether notices flow: what others have changed more than 800 ms ago, this
// process has been told. It is false as long as Run does not run.
func (s *Store) Linked() bool {
	last := s.linked.Load()
	return last != 0 && time.Since(s.epoch)-time.Duration(last) < blind
}

// tell calls stale, if anybody listens.
func (s *Store) tell(id session.ID) {
	if stale := s.stale.Load(); stale != nil {
		(*stale)(id)
	}
}

// heard takes the servers' messages. None at all means that a connection broke or that a
// server was emptied.
func (s *Store) heard(keys []rueidis.RedisMessage) {
	if keys == nil {
		s.tell(session.ID{})
		return
	}
	for _, key := range keys {
		name, err := key.ToString()
		if err != nil { // No key that we know how to read: it may be any.
			s.tell(session.ID{})
			return
		}
		if id, ok := s.recordID(name); ok {
			s.tell(id)
		}
	}
}
