// Package devidp is a development OpenID provider: stricter than any real one, and
// misbehaving on request. It is the demo's and the tests' other half, and listens on
// loopback only. Its keys and everything it knows live in memory and die with it.
//
//	client                                  devidp
//	  │  GET  /.well-known/openid-configuration, /jwks        discovery.go, keys.go
//	  │  POST /par                                            push.go
//	  │  GET  /authorize → page → POST /sign-in → callback    authorize.go, signin.go
//	  │  POST /token   code, then refresh tokens              token.go, grant.go
//	  │                client credentials, token exchange     clientgrant.go, tokenexchange.go
//	  │  POST /revoke  GET /userinfo  GET /end_session
//	  ▼
//	test or demo: Adjust (knobs), Hold, Revoke…, Stats, Requests, Tokens, or Control over HTTP
//
// Left alone it demands everything that a standard allows it to demand: PKCE with S256,
// state and nonce, exact redirect URIs, one way of client authentication with nothing sent
// empty or twice. Codes work once; a second use kills what came of the first. Refresh
// tokens rotate at each use, and a second use of one kills its grant.
//
//	idp, err := devidp.Listen(devidp.Config{Clients: []devidp.Client{{
//		ID: "app", Secret: "s", RedirectURIs: []string{"http://localhost:8080/bff/callback"},
//	}}})
//	defer idp.Close()
//	idp.Adjust(func(k *devidp.Knobs) { k.AccessTokenTTL = 5 * time.Second })
//	held := idp.Hold(devidp.TokenEndpoint) // the next answer is worked out, and waits
//	…
//	held.Release()
//	idp.Stats().Reuses // how often a used refresh token came again
package devidp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Config configures a [Provider].
type Config struct {
	// Issuer is the provider's own address, for example http://127.0.0.1:5001. It may
	// have a path, and end in a slash. [Listen] wants no address here, but takes a path.
	Issuer  string
	Clients []Client
	Users   []User // nil means alice and bob
	Knobs   Knobs
	Keys    *Keys            // nil means fresh ones, which the knob NastyKeys makes anyway unless these are nasty
	Now     func() time.Time // nil means time.Now

	// MutualTLS opens a second listener in [Listen], under TLS, that asks for certificates; the
	// metadata name it in mtls_endpoint_aliases.
	MutualTLS bool
}

// Client is a registered client.
type Client struct {
	ID, Secret             string // an empty secret makes a public client
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	// Auth is the only way in which the client may authenticate; zero takes its secret, basic
	// or post, and nothing from public ones.
	Auth ClientAuth
	// JWKS are its public keys, a JWK set, and JWKSURI is where it publishes them, on loopback.
	// Certificates of self_signed_tls_client_auth stand there as x5c.
	JWKS    json.RawMessage
	JWKSURI string
	// SubjectDN is the subject that its certificate has for tls_client_auth (RFC 2253).
	SubjectDN string
	// BackchannelLogoutURI, if set, gets a logout token with sub and sid when a session at
	// the provider ends out of which the client has had tokens, before the browser that
	// ends it has its answer. It must be on loopback.
	BackchannelLogoutURI string
	// FrontchannelLogoutURI, if set, is loaded in a frame, with iss and sid, by the page that
	// the browser gets when it ends such a session.
	FrontchannelLogoutURI string

	bound binding // of the request's access token
}

// User is somebody who can sign in.
type User struct {
	Login  string         // also the subject, unless Claims has sub
	Claims map[string]any // name, email, roles …
}

// subject returns the user's sub claim.
func (u User) subject() string {
	if sub, ok := u.Claims["sub"].(string); ok {
		return sub
	}
	return u.Login
}

func defaultUsers() []User {
	return []User{
		{"alice", map[string]any{"name": "Alice Archer", "email": "alice@example.com", "email_verified": true, "roles": []string{"admin", "reader"}}},
		{"bob", map[string]any{"name": "Bob Baker", "email": "bob@example.com", "email_verified": true, "roles": []string{"reader"}}},
	}
}

// Provider is an http.Handler. It is safe for concurrent use.
type Provider struct {
	base  string // the issuer without a final slash
	path  string // of base: "" or "/tenant"
	slash bool   // the configured issuer ends in one
	now   func() time.Time
	users []User
	mux   http.Handler
	books ledger

	mu       sync.Mutex
	knobs    Knobs                    // guarded by mu
	clients  map[string]Client        // guarded by mu: by id
	keys     *keySet                  // guarded by mu: the pointer; a set does not change
	retired  []*keySet                // guarded by mu: earlier sets, which may verify hints
	foreign  *keySet                  // guarded by mu: keys that are nobody's, made when a fault needs them
	pending  map[string]*authRequest  // guarded by mu: sign-in pages on display
	pushes   map[string]*pushed       // guarded by mu: by reference
	browsers map[string]*browser      // guarded by mu: who is signed in, by cookie
	codes    map[string]*code         // guarded by mu
	grants   map[string]*grant        // guarded by mu: by id
	refresh  map[string]*refreshToken // guarded by mu: by text
	access   map[string]*accessToken  // guarded by mu: by text
	holds    map[Endpoint][]*Hold     // guarded by mu: waiting for a request, oldest first
	held     map[*Hold]struct{}       // guarded by mu: not released yet
	proofs   map[string]time.Time     // guarded by mu: those that were used, until they are too old anyway
	nonces   map[string]bool          // guarded by mu: those that proofs may have
	nonce    string                   // guarded by mu: the newest of them

	clientKeys map[string]jose.JSONWebKeySet // guarded by mu: by client
	assertions map[string]time.Time          // guarded by mu: those that came, until when they hold
	mutual     string                        // the base address under mutual TLS; "" for none
}

// New returns a provider. The issuer's host must be a loopback address:
// a provider that lets everybody in has no business on a network.
func New(cfg Config) (*Provider, error) {
	issuer, err := loopback(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("devidp: issuer %w", err)
	}
	if err := cfg.Knobs.check(); err != nil {
		return nil, err
	}
	keys, err := cfg.firstKeys()
	if err != nil {
		return nil, err
	}
	p := &Provider{
		base:  strings.TrimSuffix(cfg.Issuer, "/"),
		path:  strings.TrimSuffix(issuer.Path, "/"),
		slash: strings.HasSuffix(cfg.Issuer, "/"),
		now:   cfg.Now, users: slices.Clone(cfg.Users), keys: keys, knobs: cfg.Knobs,
		clients: make(map[string]Client), pending: make(map[string]*authRequest), pushes: make(map[string]*pushed),
		browsers: make(map[string]*browser), codes: make(map[string]*code),
		grants: make(map[string]*grant), refresh: make(map[string]*refreshToken),
		access: make(map[string]*accessToken), holds: make(map[Endpoint][]*Hold),
		held: make(map[*Hold]struct{}), proofs: make(map[string]time.Time), nonces: make(map[string]bool), clientKeys: make(map[string]jose.JSONWebKeySet), assertions: make(map[string]time.Time),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if cfg.Users == nil {
		p.users = defaultUsers()
	}
	for _, c := range cfg.Clients {
		if c.ID == "" {
			return nil, errors.New("devidp: a client needs an ID")
		}
		if c.BackchannelLogoutURI != "" {
			if _, err := loopback(c.BackchannelLogoutURI); err != nil {
				return nil, fmt.Errorf("devidp: back-channel address %w", err)
			}
		}
		if p.clientKeys[c.ID], err = c.checkKeys(); err != nil {
			return nil, err
		}
		if _, ok := p.clients[c.ID]; ok {
			return nil, fmt.Errorf("devidp: two clients have the ID %q", c.ID)
		}
		p.clients[c.ID] = c
	}
	p.mux = p.routes()
	return p, nil
}

func (cfg Config) firstKeys() (*keySet, error) {
	if cfg.Keys != nil && (cfg.Keys.set.nasty || !cfg.Knobs.NastyKeys) {
		return cfg.Keys.set, nil
	}
	return newKeySet(cfg.Knobs.NastyKeys)
}

// loopback reads an address without a query whose host is this machine.
func loopback(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q: write an address such as http://127.0.0.1:5001", address)
	}
	if !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%q is not on loopback: this provider lets everybody in, so use 127.0.0.1", address)
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (p *Provider) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, e Endpoint, h http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+p.path+path, p.endpoint(e, h))
	}
	handle("GET /.well-known/openid-configuration", DiscoveryEndpoint, p.serveDiscovery)
	handle("GET /jwks", JWKSEndpoint, p.serveKeys)
	handle("GET /jwks/{name}", JWKSEndpoint, p.serveKeys)
	handle("GET /authorize", AuthorizeEndpoint, p.serveAuthorize)
	handle("POST /authorize", AuthorizeEndpoint, p.serveAuthorize)
	handle("POST /par", PushEndpoint, p.servePush)
	handle("POST /sign-in", SignInEndpoint, p.serveSignIn)
	handle("POST /token", TokenEndpoint, p.serveToken)
	handle("POST /revoke", RevocationEndpoint, p.serveRevocation)
	handle("GET /userinfo", UserInfoEndpoint, p.serveUserInfo)
	handle("POST /userinfo", UserInfoEndpoint, p.serveUserInfo)
	handle("GET /end_session", EndSessionEndpoint, p.serveEndSession)
	handle("POST /end_session", EndSessionEndpoint, p.serveEndSession)
	handle("POST /sign-out", EndSessionEndpoint, p.serveSignOut)
	handle("GET /v2/logout", EndSessionEndpoint, p.serveOwnLogout(LogoutAuth0, "returnTo"))
	// Cognito's login pages are on another host than its issuer, at that one's root.
	mux.Handle("GET /logout", p.endpoint(EndSessionEndpoint, p.serveOwnLogout(LogoutCognito, "logout_uri")))
	return mux
}

// ServeHTTP implements http.Handler. A request that is made to wait ends when its
// context does.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mux.ServeHTTP(w, r)
}

// Adjust changes the knobs while the provider runs. turn must not call the provider.
func (p *Provider) Adjust(turn func(*Knobs)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn(&p.knobs)
}

// Issuer returns the issuer as ID tokens and discovery name it now.
func (p *Provider) Issuer() string {
	return p.issuer(p.turned())
}

func (p *Provider) issuer(k Knobs) string {
	if k.IssuerStyle == IssuerWithSlash || k.IssuerStyle == "" && p.slash {
		return p.base + "/"
	}
	return p.base
}

// tokenIssuer is the iss of ID tokens.
func (p *Provider) tokenIssuer(k Knobs) string {
	switch {
	case k.TokenIssuer != "":
		return k.TokenIssuer
	case k.Tenant != "":
		return p.issuerOf(k, k.Tenant)
	}
	return p.issuer(k)
}

// issuerOf puts a tenant in the place of the first segment of the issuer's path.
func (p *Provider) issuerOf(k Knobs, tenant string) string {
	issuer := p.issuer(k)
	first, rest, _ := strings.Cut(strings.TrimPrefix(p.path, "/"), "/")
	if rest != "" {
		rest = "/" + rest
	}
	return strings.Replace(issuer, "/"+first+rest, "/"+tenant+rest, 1)
}

// turned returns the knobs as they stand.
func (p *Provider) turned() Knobs {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.knobs
}

// clock is the provider's own idea of the time.
func (p *Provider) clock(k Knobs) time.Time { return p.now().Add(k.ClockOffset) }

// user finds a user by login.
func (p *Provider) user(login string) (User, bool) {
	for _, u := range p.users {
		if u.Login == login {
			return User{u.Login, maps.Clone(u.Claims)}, true
		}
	}
	return User{}, false
}
