package proxy

import (
	"context"
	"net/url"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Provider is the part of the provider client that the login and logout need.
// internal/oidc's Client is the implementation; it is safe for concurrent use.
type Provider interface {
	// Ready is nil once the provider's metadata is known; else it says why not.
	Ready() error

	// Issuer and ClientID say for whom attempts are made.
	Issuer() string
	ClientID() string

	// AuthorizationURL is where a login navigates to (RFC 6749 §4.1.1, RFC 7636,
	// OpenID Connect Core §3.1.2.1).
	AuthorizationURL(a AuthRequest) (string, error)

	// CheckIssuer judges the iss parameter of an authorization response, good or bad
	// (RFC 9207 §2.4). present says whether there was one.
	CheckIssuer(iss string, present bool) error

	// Exchange redeems the code and verifies the ID token. A failure is a *LoginError
	// (the login is refused) or a *session.RefreshError (the provider could not answer).
	Exchange(ctx context.Context, code string, a AuthRequest) (*session.Grant, error)

	// LogoutURL is where a logout navigates to at the provider (OpenID Connect
	// RP-Initiated Logout 1.0 §2). ok is false if the provider is not to be asked.
	LogoutURL(g *session.Grant, state string) (u string, ok bool)
}

// AuthRequest is one login attempt as the provider sees it.
type AuthRequest struct {
	State    string
	Nonce    string
	Verifier string     // PKCE, RFC 7636 §4.1
	Params   url.Values // allow-listed parameters of /bff/login
}
