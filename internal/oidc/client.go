// Package oidc is the provider client: discovery, the authorization request, the code
// exchange, refresh, revocation and logout, with every answer of the token endpoint
// classified in one place.
//
//	discovery ─▶ metadata ──┬─▶ AuthorizationURL ─▶ (the browser) ─▶ CheckIssuer
//	                        │                                            │
//	                        ├─▶ one POST ─▶ answer ─▶ outcome ◀── Exchange, Refresh
//	                        │                                            │
//	             keys ─▶ ID-token checks ◀───────────────────── Exchange, Verify
//	                        │
//	                        ├─▶ ClientToken, ExchangeToken: tokens without a refresh token
//	                        └─▶ Revoke, LogoutURL
//
// A [Client] implements session.Refresher and session.TokenIssuer. What a provider does
// differently is data (a preset), not code:
//
//	c, err := oidc.New(oidc.Config{
//		Issuer:       "https://id.example.com",
//		ClientID:     "gateway",
//		ClientSecret: secret.New("…"),
//		RedirectURL:  "https://app.example.com/bff/callback",
//		Scopes:       []string{"openid", "offline_access"},
//	})
//	…
//	go c.Run(ctx) // learns where the provider's endpoints are
//
// Credentials (a code, a refresh token, the client's secret) go to the endpoints that the
// configuration or the issuer's own metadata name, never after a redirect, and each
// refresh token goes out once for each call of Refresh. An access token is opaque; its
// exp and aud are hints at most.
//
// Nothing here logs a token, a code, a verifier or a secret, and errors are cleaned of
// them.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Config configures a [Client].
type Config struct {
	Issuer       string // required, as the ID token has it
	Issuers      Issuers
	DiscoveryURL string // where the discovery document is; empty means below Issuer
	ClientID     string // required
	ClientSecret secret.Text
	ClientAuth   AuthMethod // empty means client_secret_basic

	// ClientKeys are the client's own: the first signs the assertions of private_key_jwt, and
	// the first certificate is presented where mutual TLS is asked for. Nil: it has none.
	ClientKeys *clientkey.Set
	// Assertion shapes the assertions of private_key_jwt and client_secret_jwt.
	Assertion Assertion

	RedirectURL       string   // required: the callback
	PostLogoutURL     string   // absolute, registered at the provider
	Scopes            []string // empty means openid; else openid is among them
	Audience          string
	Resource          []string // RFC 8707
	SenderConstrained SenderConstraint
	AuthorizeParams   map[string]string

	// Profile is what the configuration and the provider are held to. Empty means nothing.
	Profile Profile

	// RouteResources are those that targets will name. A login names them beside Resource, since
	// its refresh token is good for what it has named (RFC 8707 §2). A resource in AuthorizeParams
	// goes before both, for providers that take one.
	RouteResources []string
	// AuthorizationDetails are the objects that targets will name, each as JSON, which a login
	// asks for together (RFC 9396 §2).
	AuthorizationDetails []string

	PAR Usage // of pushed authorization requests, RFC 9126
	JAR Usage // of signed request objects, RFC 9101; the first of ClientKeys signs

	// ResponseMode is how the provider answers an authorization request. Empty means query.
	ResponseMode ResponseMode

	// Logout is the strategy: "auto" and "oidc" send the browser to the provider's
	// end_session_endpoint, "auth0_v2" to Auth0's /v2/logout, "cognito" to Cognito's
	// /logout, "local" nowhere. What holds "://" is a template: a URL with {return_url},
	// {client_id}, {id_token} or {sid} in its query. Empty means auto.
	Logout string
	// LogoutFallback is the strategy of auto while no end_session_endpoint is known.
	// Empty means local.
	LogoutFallback string
	// LogoutHint is the claim of the ID token that goes along as logout_hint. Empty means
	// sid, and only where the ID token itself is too long to go along.
	LogoutHint string
	// NoIDTokenHint keeps the ID token out of the logout request.
	NoIDTokenHint bool
	// ExpiryClaim is the claim of a login's ID token that says when the session has to be
	// over. Empty means session_expiry.
	ExpiryClaim string
	// UserInfo merges the userinfo endpoint's claims at login and refresh.
	UserInfo bool

	// ScopeOnRefresh names Scopes at a refresh that names no others.
	ScopeOnRefresh bool
	// RefreshScopes are added to the scopes of a refresh that names some.
	RefreshScopes []string
	// IdleTimeout is how long sessions live without use. It is compared with what the
	// provider tells of its refresh tokens, for a warning; zero is not compared.
	IdleTimeout time.Duration
	// RefreshErrors are error codes that mean something else at this provider when they
	// answer a refresh; a preset fills it in. Dex, for one, says invalid_request of a
	// refresh token that is dead. Nil means the standard's codes alone.
	RefreshErrors map[string]session.Class

	Endpoints Endpoints     // overrides of what discovery says
	Timeout   time.Duration // of one call; zero means 10 seconds
	ClockSkew time.Duration // allowed in ID-token checks; zero means 60 seconds

	// Transport carries every call. Nil means a clone of http.DefaultTransport. A clone
	// is also made of an *http.Transport, and bound to HTTP/1.1: of that it is known
	// that nothing is sent twice (see the comment at send).
	Transport http.RoundTripper

	Log     *slog.Logger     // nil: nowhere
	Now     func() time.Time // nil: time.Now
	Observe func(Call)       // told of every call to the provider; must not block
	Tracer  session.Tracer   // follows calls to the provider; nil: nobody does
}

// Assertion shapes the client's assertions. The zero value is what rfc7523bis asks for, but
// for the type.
type Assertion struct {
	Audience AssertionAudience
	// Typed says client-authentication+jwt in typ, in the place of JWT, which is what older
	// providers take.
	Typed bool
}

// AssertionAudience is who the client's assertions are for.
type AssertionAudience string

// The audiences of assertions.
const (
	ForIssuer        AssertionAudience = ""
	ForTokenEndpoint AssertionAudience = "token_endpoint" // at every endpoint (RFC 7523 §3)
	ForEndpoint      AssertionAudience = "endpoint"       // the one that is asked
)

// Endpoints are the provider's addresses. Empty ones come from discovery.
type Endpoints struct {
	Authorization, Token, JWKS, Revocation, EndSession, UserInfo, PushedAuthorizationRequest string
}

// Call is one request to the provider, for metrics.
type Call struct {
	Endpoint string // "discovery", "jwks", "par", "token", "revocation", "userinfo"
	Outcome  string // "ok", or a session.Class
	Took     time.Duration
}

// Client is a relying party of one provider. It is safe for concurrent use.
type Client struct {
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	closed *http.Client // follows no redirect: for calls that carry credentials
	open   *http.Client // follows a few, never out of TLS: discovery and keys
	keys   *keySet
	warned onces
	proofs proofs

	flight singleflight.Group // of discovery

	mu      sync.Mutex // guards what follows
	meta    *metadata  // nil while unknown
	problem error      // why meta is unknown
	tried   time.Time  // when problem came up
}

// New returns a Client, or an error that says what is wrong with the configuration. It
// makes no call: Run does.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: cfg.Log, now: cfg.Now}
	transport := transportOf(cfg.Transport)
	cfg.Profile.harden(transport)
	c.closed = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	if cfg.presents() {
		presenting, err := cfg.presenting(transport)
		if err != nil {
			return nil, err
		}
		c.closed.Transport = presenting
	}
	c.open = &http.Client{Transport: transport, CheckRedirect: safeRedirect}
	c.keys = &keySet{fetch: c.fetchKeys, now: cfg.Now}
	if m := fromConfig(cfg); m.complete(cfg) {
		c.meta = m
	} else {
		c.problem = fmt.Errorf("%w: it has not been asked", ErrNotReady)
	}
	var err error
	if c.proofs.own, err = c.NewProofKey(); err != nil {
		return nil, err
	}
	return c, nil
}

// Issuer is the provider that grants of this client belong to. Where it has many tenants,
// each of them has its own name, which a grant's Issuer tells; see Owns.
func (c *Client) Issuer() string { return c.cfg.name() }

// ClientID is the client that they were given to.
func (c *Client) ClientID() string { return c.cfg.ClientID }

// ErrNotReady says that the provider's metadata is not known yet. It comes wrapped.
var ErrNotReady = errors.New("oidc: provider is not known yet")

// ErrForeign says that a token belongs to another issuer or client than this one. It was
// not sent anywhere. It comes wrapped.
var ErrForeign = errors.New("oidc: token of another issuer or client")

// LoginError is a login that the provider, or a check of ours, refused.
type LoginError struct {
	// Code is the provider's error code. Where a check of ours failed it is "", but
	// [DemandUnmet] where the ID token does not bring what the login asked for.
	Code string
	Err  error // detail for the log; never for the browser
}

// Error implements error.
func (e *LoginError) Error() string { return "oidc: login refused: " + e.Err.Error() }

// Unwrap returns the detail.
func (e *LoginError) Unwrap() error { return e.Err }

// AuthRequest is one login attempt as the provider sees it.
type AuthRequest struct {
	State    string
	Nonce    string
	Verifier string     // PKCE, RFC 7636 §4.1
	Params   url.Values // allow-listed parameters of /bff/login; nil for none

	// ProofKey is what the login's tokens are to be bound to, as [Client.NewProofKey] made it
	// for this attempt. It is as secret as Verifier. Empty: Exchange makes one if one is wanted.
	ProofKey session.Token

	// Demand is what a route, an API or the provider wants this login to bring, as [Demand]
	// returns it; nil for nothing. It must not come from a browser.
	Demand map[string]string

	// Admit, if there is one, is asked before the request is pushed to the provider: anybody
	// can have a login begun. Its error ends the request.
	Admit func(ctx context.Context) error
}

// Owns reports whether a grant is of this client's issuer, or one of its tenants, and of
// this client. The tokens of others are not presented here.
func (c *Client) Owns(g *session.Grant) bool {
	return c.owns(g.Issuer, g.ClientID)
}

func (c *Client) owns(issuer, clientID string) bool {
	return clientID == c.cfg.ClientID && (issuer == c.cfg.name() || c.cfg.isTenant(issuer))
}

// call is a call to the provider that is under way.
type call struct {
	client   *Client
	endpoint string
	began    time.Time
	part     session.Part // nil: it is in no trace
}

// begin begins a call to an endpoint.
func (c *Client) begin(ctx context.Context, endpoint string) (context.Context, *call) {
	now := &call{client: c, endpoint: endpoint, began: c.now()}
	if c.cfg.Tracer != nil {
		ctx, now.part = c.cfg.Tracer.Call(ctx, "provider "+endpoint)
	}
	return ctx, now
}

// end tells how the call ended. err decides the outcome.
func (l *call) end(err error) {
	if l.part != nil {
		l.part.End(err)
	}
	if l.client.cfg.Observe == nil {
		return
	}
	outcome := "ok"
	if err != nil {
		outcome = session.Transient.String()
		if failed, ok := errors.AsType[*session.RefreshError](err); ok {
			outcome = failed.Class.String()
		}
	}
	l.client.cfg.Observe(Call{Endpoint: l.endpoint, Outcome: outcome, Took: l.client.now().Sub(l.began)})
}

// onces remembers what was said already, within bounds: a provider must not be able to
// make it grow.
type onces struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (o *onces) first(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 64
	if o.seen[key] || len(o.seen) >= most {
		return false
	}
	if o.seen == nil {
		o.seen = make(map[string]bool)
	}
	o.seen[key] = true
	return true
}

var _ session.Refresher = (*Client)(nil)
