package session

import (
	"errors"
	"time"
)

// Decisions of a [Manager].
var (
	// ErrNoSession says that a ticket is not ours or names nothing.
	ErrNoSession = errors.New("session: no session")

	// ErrThrottled says that a refresh was asked for too soon after the last one. It
	// comes wrapped in a *ThrottledError.
	ErrThrottled = errors.New("session: refreshed a moment ago")

	// ErrUsed says that a value that is good once has been used.
	ErrUsed = errors.New("session: already used")

	// ErrSealed says that no key of the keyring opens a record. That ends no session:
	// somebody has to put the key back.
	ErrSealed = errors.New("session: no key of the keyring opens this record")
)

// Reason says why a session ended. It is written into the record and stands in logs,
// metrics and the audit trail.
type Reason string

// The reasons for which a session ends.
const (
	LoggedOut     Reason = "logout"         // its user signed out
	IdleLimit     Reason = "idle"           // no activity for the idle timeout
	AbsoluteLimit Reason = "absolute"       // the absolute timeout has come
	ProviderLimit Reason = "provider_limit" // the time has come that the provider named at the login
	TokenRefused  Reason = "refused"        // the provider refused the refresh token
	TokenExpired  Reason = "token_expired"  // the access token ran out and there is no refresh token
	AccessDenied  Reason = "access_denied"  // the provider's policy refused the user
	NotSameUser   Reason = "not_same_user"  // a refreshed ID token named somebody else
	Replaced      Reason = "replaced"       // the browser logged in again
	OutcomeLost   Reason = "outcome_lost"   // refused after an answer that never arrived
	ByUser        Reason = "device"         // its user ended it, from this device or another
	ByOperator    Reason = "operator"       // an operator ended it
	ByProvider    Reason = "backchannel"    // the provider said so (OpenID Connect Back-Channel Logout 1.0)
	BySignal      Reason = "signal"         // a security event said so (OpenID Shared Signals Framework 1.0)
	FrontChannel  Reason = "frontchannel"   // the provider's page said so (OpenID Connect Front-Channel Logout 1.0)
	TooMany       Reason = "max_per_user"   // its user began a newer one, beyond the limit
)

// EndedError says that a session was there and has ended. Manager.Get still gives what is
// left of it.
type EndedError struct {
	Reason Reason
	ID     ID
}

// Error implements error.
func (e *EndedError) Error() string { return "session: ended: " + string(e.Reason) }

// ThrottledError is ErrThrottled with the time to wait.
type ThrottledError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *ThrottledError) Error() string { return ErrThrottled.Error() }

// Unwrap returns ErrThrottled.
func (e *ThrottledError) Unwrap() error { return ErrThrottled }

// StoreError says that the store could not tell. Nothing is known about the session, so
// nothing may be concluded: the browser keeps its ticket.
type StoreError struct{ Err error }

// Error implements error.
func (e *StoreError) Error() string { return "session: store: " + e.Err.Error() }

// Unwrap returns the store's error.
func (e *StoreError) Unwrap() error { return e.Err }
