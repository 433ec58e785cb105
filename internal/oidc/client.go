// Package oidc is the provider client: discovery, the authorization request, the code
// exchange, refresh, revocation and logout, with every answer of the token endpoint
// classified in one place.
//
// It implements session.Refresher. What a provider does differently is data (a preset),
// not code.
package oidc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

// AuthMethod is how the client authenticates at the token and revocation endpoints.
type AuthMethod string

// The methods of client authentication.
const (
	SecretBasic AuthMethod = "client_secret_basic" // RFC 6749 §2.3.1, id and secret form-urlencoded first
	SecretPost  AuthMethod = "client_secret_post"
	NoSecret    AuthMethod = "none"
)

// Config configures a [Client].
type Config struct {
	Issuer       string // required, as the ID token has it
	ClientID     string // required
	ClientSecret secret.Text
	ClientAuth   AuthMethod // empty means client_secret_basic

	RedirectURL     string // required: the callback
	PostLogoutURL   string // absolute, registered at the provider
	Scopes          []string
	Audience        string
	Resource        []string // RFC 8707
	AuthorizeParams map[string]string

	// Logout is a strategy or a URL template: "auto", "oidc", "local".
	Logout string
	// NoIDTokenHint keeps the ID token out of the logout request.
	NoIDTokenHint bool
	// UserInfo merges the userinfo endpoint's claims at login and refresh.
	UserInfo bool

	Endpoints Endpoints     // overrides of what discovery says
	Timeout   time.Duration // of one call; zero means 10 seconds
	ClockSkew time.Duration // allowed in ID-token checks; zero means 60 seconds

	Transport http.RoundTripper // nil means a clone of http.DefaultTransport
	Log       *slog.Logger      // nil: nowhere
	Now       func() time.Time  // nil: time.Now
	Observe   func(Call)        // told of every call to the provider; must not block
}

// Endpoints are the provider's addresses. Empty ones come from discovery.
type Endpoints struct {
	Authorization, Token, JWKS, Revocation, EndSession, UserInfo string
}

// Call is one request to the provider, for metrics.
type Call struct {
	Endpoint string // "discovery", "jwks", "token", "revocation", "userinfo"
	Outcome  string // "ok", or a session.Class
	Took     time.Duration
}

// Client is a relying party of one provider. It is safe for concurrent use.
type Client struct{ cfg Config }

// New returns a Client. It makes no call: Run does.
func New(cfg Config) (*Client, error) { return &Client{cfg: cfg}, nil }

// Run fetches the provider's metadata and retries until it has them, with a growing
// pause. It returns when it has, or when ctx ends.
func (c *Client) Run(ctx context.Context) error { panic("stub") }

// Ready is nil once the provider's metadata is known; else it says why not, for an
// operator. Calls that need the metadata fetch it themselves if Run has not yet.
func (c *Client) Ready() error { panic("stub") }

// Issuer and ClientID name the grant's owner.
func (c *Client) Issuer() string   { return c.cfg.Issuer }
func (c *Client) ClientID() string { return c.cfg.ClientID }

// AuthRequest is one login attempt as the provider sees it.
type AuthRequest struct {
	State    string
	Nonce    string
	Verifier string     // PKCE, RFC 7636 §4.1
	Params   url.Values // allow-listed parameters of /bff/login; nil for none
}

// ErrNotReady says that the provider's metadata is not known yet. It comes wrapped.
var ErrNotReady = errors.New("oidc: provider is not known yet")

// LoginError is a login that the provider, or a check of ours, refused.
type LoginError struct {
	Code string // the provider's error code, "" where a check of ours failed
	Err  error  // detail for the log; never for the browser
}

// Error implements error.
func (e *LoginError) Error() string { return "oidc: login refused: " + e.Err.Error() }

// Unwrap returns the detail.
func (e *LoginError) Unwrap() error { return e.Err }

// AuthorizationURL is where a login navigates to (RFC 6749 §4.1.1, RFC 7636, OpenID
// Connect Core §3.1.2.1). It waits for the metadata as long as ctx allows; without it the
// error wraps ErrNotReady.
func (c *Client) AuthorizationURL(ctx context.Context, a AuthRequest) (string, error) {
	panic("stub")
}

// CheckIssuer judges the iss parameter of an authorization response, good or bad
// (RFC 9207 §2.4). present says whether there was one. The error is a *LoginError.
func (c *Client) CheckIssuer(ctx context.Context, iss string, present bool) error { panic("stub") }

// Exchange redeems a code and verifies the ID token. The error is a *LoginError if the
// login is refused, a *session.RefreshError if the provider could not answer.
func (c *Client) Exchange(ctx context.Context, code string, a AuthRequest) (*session.Grant, error) {
	panic("stub")
}

// Refresh implements session.Refresher.
func (c *Client) Refresh(ctx context.Context, g *session.Grant, t session.Target) (*session.Renewal, error) {
	panic("stub")
}

// Verify implements session.Refresher (OpenID Connect Core §12.2).
func (c *Client) Verify(ctx context.Context, g *session.Grant, idToken session.Token) (*session.Identity, error) {
	panic("stub")
}

// Revoke implements session.Refresher (RFC 7009).
func (c *Client) Revoke(ctx context.Context, r session.Revocation) error { panic("stub") }

// LogoutURL is where a logout navigates to at the provider (OpenID Connect RP-Initiated
// Logout 1.0 §2). It makes no call. It is empty if the provider is not to be asked: the
// strategy is local, or the metadata is unknown or has no end_session_endpoint.
func (c *Client) LogoutURL(g *session.Grant, state string) string { panic("stub") }

var _ session.Refresher = (*Client)(nil)
