package session

import (
	"context"
	"log/slog"
	"time"
)

// Config configures a [Manager].
type Config struct {
	Store     Store     // required
	Keys      *Keyring  // required
	Refresher Refresher // required

	// IdleTimeout ends a session without activity; zero means 8 hours.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session whatever happens; zero means 168 hours.
	AbsoluteTimeout time.Duration
	// BeforeExpiry is how long before its end an access token is refreshed in the
	// background, at most a fifth of its lifetime; zero means 60 seconds.
	BeforeExpiry time.Duration
	// Wait is how long a caller of Token waits for a flight; zero means 15 seconds.
	Wait time.Duration
	// Exchange bounds one call of the Refresher; zero means 10 seconds.
	Exchange time.Duration
	// KeepTokens leaves the refresh token of an ended session alive at the provider.
	KeepTokens bool

	// SoleOwner says that no other process uses the Store: a lease that another
	// process left behind is void at once.
	SoleOwner bool

	// CacheSize bounds the sessions that are kept decoded in memory; zero means 100,000.
	CacheSize int

	// Observe, if set, is told of every event. It must be quick and must not block.
	Observe func(Event)

	Log *slog.Logger     // nil: nowhere
	Now func() time.Time // nil: time.Now
}

// Event is something that happened to a session, for metrics and the audit trail.
type Event struct {
	Kind    EventKind
	ID      ID
	Subject string
	Reason  Reason        // of an end
	Outcome string        // of a refresh: "ok" or a Class
	Took    time.Duration // of a refresh
	Err     error
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	Began     EventKind = "began"
	Ended     EventKind = "ended"
	Refreshed EventKind = "refreshed" // one presentation of a refresh token, good or not
	Revoked   EventKind = "revoked"   // one attempt at a revocation, good or not
)

// Manager keeps sessions. It is safe for concurrent use.
type Manager struct{ cfg Config }

// New returns a Manager. Run must be running for activity and revocations to be written.
func New(cfg Config) (*Manager, error) { return &Manager{cfg: cfg}, nil }

// Run writes activity in batches, ends sessions whose limit has come and revokes what
// ended, until ctx ends. Then it writes the rest and returns.
func (m *Manager) Run(ctx context.Context) error { panic("stub") }

// Close waits for flights until ctx ends. Call it after the last request has been served
// and before the store is closed.
func (m *Manager) Close(ctx context.Context) error { panic("stub") }

// Start describes a login that succeeded.
type Start struct {
	Grant  Grant
	Device Device
	// Replaces names the browser's old session; zero if it had none. It ends. If it is
	// the same issuer's same subject, the new session continues it: its beginning and
	// its absolute limit stay.
	Replaces ID
}

// Begin stores a new session and returns it with its ticket, the cookie value. The ticket
// never changes.
func (m *Manager) Begin(ctx context.Context, start Start) (*Session, string, error) { panic("stub") }

// Open returns the session that a ticket names. Memory answers first. The errors are
// ErrNoSession, *EndedError and *StoreError.
func (m *Manager) Open(ctx context.Context, ticket string) (*Session, error) { panic("stub") }

// Get returns the session with this id, also one that has ended: State().Ended says so.
// The errors are ErrNoSession and *StoreError.
func (m *Manager) Get(ctx context.Context, id ID) (*Session, error) { panic("stub") }

// Once marks value as used, durably, for ttl. The second call with the same purpose and
// value fails with ErrUsed; a store that is away gives a *StoreError.
func (m *Manager) Once(ctx context.Context, purpose, value string, ttl time.Duration) error {
	panic("stub")
}

// Keys returns the keyring.
func (m *Manager) Keys() *Keyring { return m.cfg.Keys }

// Token returns an access token for t. A token that holds is returned at once; when it
// is due, a flight is started beside. Only without a token that holds does the caller wait,
// until ctx ends or Config.Wait is over. The errors are *EndedError, *RefreshError and
// *StoreError.
func (s *Session) Token(ctx context.Context, t Target) (AccessToken, error) { panic("stub") }

// Refresh refreshes now, whatever the token's age: new roles, new claims. It is limited to
// one in five seconds; beyond that it fails with a *ThrottledError.
func (s *Session) Refresh(ctx context.Context) error { panic("stub") }

// Touch notes activity, in memory; Run writes it.
func (s *Session) Touch() { panic("stub") }

// Limits returns what is left at this moment: until the idle limit, and until the end of
// the session whatever happens. Neither is negative.
func (s *Session) Limits() (idle, absolute time.Duration) { panic("stub") }

// End ends the session: its record becomes a tombstone, and its refresh token is revoked
// in the background, also over a restart. Ending an ended session is no error. A refresh
// that is under way does not delay it.
func (s *Session) End(ctx context.Context, why Reason) error { panic("stub") }

// Done is closed when the session has ended, for streams.
func (s *Session) Done() <-chan struct{} { panic("stub") }

// Keyring holds the gateway's keys, newest first: the first seals, all open.
type Keyring struct{}

// NewKeyring makes a keyring of keys of 32 bytes each, newest first.
func NewKeyring(keys ...[]byte) (*Keyring, error) { panic("stub") }

// Box seals small values for cookies and URLs; what is sealed for one name opens under no
// other.
type Box struct{}

// Box returns a box for values that live for ttl at most.
func (k *Keyring) Box(purpose string, ttl time.Duration) *Box { panic("stub") }

// Seal encrypts and authenticates data; the result is made of URL-safe characters.
func (b *Box) Seal(name string, data []byte) (string, error) { panic("stub") }

// Open is the reverse of Seal, under any key of the ring. It fails for anything that was
// not sealed for this purpose and name, or is older than the box's ttl.
func (b *Box) Open(name, value string) ([]byte, error) { panic("stub") }
