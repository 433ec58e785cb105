package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Refresher speaks to the provider for a [Manager]. All methods are safe for concurrent
// use and bound their own time.
type Refresher interface {
	// Refresh presents the grant's refresh token once and asks for a token for t.
	// A failure is a *RefreshError. A Renewal that is not nil beside an error holds a
	// refresh token that the provider has already put in the old one's place: it is
	// stored all the same.
	Refresh(ctx context.Context, g *Grant, t Target) (*Renewal, error)

	// Verify checks the ID token of a renewal against the grant (OpenID Connect Core
	// §12.2). ErrIdentity means that it belongs to somebody else or is forged; any other
	// error that it cannot be used, and that the old claims stay.
	Verify(ctx context.Context, g *Grant, idToken Token) (*Identity, error)

	// Revoke revokes a refresh token (RFC 7009). nil: it is dead, or the provider has no
	// revocation endpoint. Any error: it may live, try again.
	Revoke(ctx context.Context, r Revocation) error
}

// Revocation is a refresh token that has to die, with the issuer and client it belongs to.
type Revocation struct {
	Issuer   string
	ClientID string
	Token    Token
}

// ErrIdentity says that a refreshed ID token names another issuer, subject or audience,
// or that its signature is false under a known key.
var ErrIdentity = errors.New("session: refreshed ID token is not this session's")

// Class says what to do about a failed refresh.
type Class int

// The classes of a failed refresh.
const (
	// Transient: nothing is wrong with the session; try again after a while.
	Transient Class = iota
	// Unknown: the request was sent and no whole answer came. The provider may have
	// rotated.
	Unknown
	// Operator: the gateway is set up wrongly (invalid_client and its kin). No session
	// is at fault.
	Operator
	// Interaction: the provider wants the user. The session stays and a login mends it.
	Interaction
	// Denied: the provider's policy refuses this user. The session ends.
	Denied
	// Refused: the refresh token is dead. The session ends, after a re-read.
	Refused
	// BadScope: the scopes that a route asks for are not to be had. The session stays.
	BadScope
	// BadTarget: the audience or resource that a route asks for is not to be had.
	BadTarget
)

var classNames = [...]string{"transient", "unknown", "operator", "interaction", "denied", "refused", "bad_scope", "bad_target"}

// String returns the name that metrics and logs use.
func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return fmt.Sprintf("class_%d", int(c))
	}
	return classNames[c]
}

// RefreshError is a refresh that gave no access token.
type RefreshError struct {
	Class Class

	// RetryAfter is how long the provider asked to be left alone; zero if it did not.
	RetryAfter time.Duration

	// Code is the provider's error code, for logs; empty if there was none.
	Code string

	// Demand holds parameters for the login that mends an Interaction: acr_values,
	// max_age, claims. It may be nil.
	Demand map[string]string

	// Err is the detail, cleaned of tokens. It never goes to a browser.
	Err error
}

// Error implements error.
func (e *RefreshError) Error() string {
	s := "session: refresh " + e.Class.String()
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the detail.
func (e *RefreshError) Unwrap() error { return e.Err }
