// Package devidp is a development OpenID provider: stricter than any real one, and
// misbehaving on request. It is the demo's and the tests' other half, and listens on
// loopback only.
package devidp

import (
	"net/http"
	"time"
)

// Config configures a [Provider].
type Config struct {
	// Issuer is the provider's own address, for example http://127.0.0.1:5001.
	Issuer  string
	Clients []Client
	Users   []User // nil means alice and bob
	Knobs   Knobs
	Now     func() time.Time // nil means time.Now
}

// Client is a registered client.
type Client struct {
	ID, Secret             string // an empty secret makes a public client
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
}

// User is somebody who can sign in.
type User struct {
	Login  string         // also the subject, unless Claims has sub
	Claims map[string]any // name, email, roles …
}

// Knobs turn the provider's behaviour.
type Knobs struct{}

// Provider is an http.Handler.
type Provider struct{}

// New returns a provider with fresh keys.
func New(cfg Config) (*Provider, error) { panic("stub") }

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Adjust changes the knobs while the provider runs.
func (p *Provider) Adjust(turn func(*Knobs)) {}

// Server is a provider on a loopback listener.
type Server struct {
	*Provider
	URL string // the issuer
}

// Listen starts a provider on a free port of 127.0.0.1; cfg.Issuer is filled in. Close
// stops it.
func Listen(cfg Config) (*Server, error) { panic("stub") }

// Close stops the server.
func (s *Server) Close() {}
