package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// Device is what is kept of the browser that a session lives in. Never a token.
type Device struct {
	Browser string // family: "Firefox", "Chrome"
	System  string // family: "Windows", "Android"
	Address string // prefix of the client's address
}

// State is one version of a session, as it stands in the store. It is never changed:
// a write makes a new one.
type State struct {
	Grant  Grant
	Device Device

	// Proof is the session's own secret value for a logout by navigation. It is not
	// the provider's sid.
	Proof string

	Created  time.Time // when this session, or the one that it continues, began
	Seen     time.Time // last activity that was written down
	Deadline time.Time // absolute limit; nothing moves it

	// Attempt is the lease and the write-ahead note: who presents the refresh token,
	// since when. Nil while nobody does.
	Attempt *Attempt

	// Lost says that a refresh token was presented and the answer never came.
	Lost bool

	// NotBefore is when the refresh token may be presented again after a failure.
	NotBefore time.Time
	Failures  int

	// Ended is why the session is over; empty while it lives.
	Ended Reason
	// EndedAt is when it ended.
	EndedAt time.Time
	// Revoke holds refresh tokens that still have to be revoked, after the end.
	Revoke          []Revocation
	RevokeTries     int
	RevokeNotBefore time.Time

	version uint64
}

// Attempt is a presentation of the refresh token that is under way.
type Attempt struct {
	Holder string    // the process that presents
	Began  time.Time // when
	Until  time.Time // when another process may take over
}

// Session is a live session: a handle that follows its newest State. It is safe for
// concurrent use and may be kept for as long as a stream is open.
type Session struct {
	m     *Manager
	id    ID
	state atomic.Pointer[State]
	seen  atomic.Int64 // unix nanoseconds of the last activity, written or not
	dirty atomic.Bool  // in the manager's list of activity to be written

	mu     sync.Mutex
	flight *flight // guarded by mu
}

// ID returns the name of the session's record.
func (s *Session) ID() ID { return s.id }

// State returns the newest state that this process knows. Read only.
func (s *Session) State() *State { return s.state.Load() }

type flight struct{}
