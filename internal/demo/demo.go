// Package demo is what `cloakroom demo` puts behind the gateway: a page to look at, an API
// to call and a desk with buttons. One [Backend] serves all three as an upstream on
// loopback.
//
//	browser ──ticket──▶ gateway ──────────────▶ Backend   /       the page, public
//	                       │    ──token───────▶           /api/   the API, checks the token
//	                       │    ──who it is───▶           /demo/  the desk: what is held, what to break
//	                       └──refresh──▶ provider ◀──keys, outage──┘
//
// The page shows side by side what the browser holds (one cookie) and what the gateway
// holds (ages and limits of tokens, never a value). The gateway tells the Backend about
// that through the [Gateway] interface and [Backend.Observe]; everything else reaches the
// Backend as requests, as it would reach any API.
//
//	backend, err := demo.New(demo.Config{Issuer: idp.URL, Outage: demo.Outage(idp.Provider), Gateway: held})
//	front := demo.Door("cloakroom", gateway) // what the browser meets
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Where the parts live. The gateway needs a route for each: PagePath with public access,
// APIPath with the user's token, DeskPath for signed-in users, without token, as
// background traffic (it is polled) and with the headers SubjectHeader and SessionHeader.
const (
	PagePath = "/"
	APIPath  = "/api/"
	DeskPath = "/demo/"
)

// The headers by which the gateway tells the desk whose browser asks: the ID token's sub
// and sid claims.
const (
	SubjectHeader = "X-Demo-Subject"
	SessionHeader = "X-Demo-Session"
)

// Config configures a [Backend].
type Config struct {
	// Issuer is the provider's address; the API checks tokens against its published
	// keys. Required.
	Issuer string
	// Outage takes the provider down, or up again, as the function Outage does. It is
	// called from one goroutine at a time. Required.
	Outage func(down bool)
	// Gateway is asked what it holds. Required.
	Gateway Gateway

	Log *slog.Logger     // nil: nowhere
	Now func() time.Time // nil: time.Now
}

// Gateway is what the desk asks of the gateway in front of it. Its methods are called
// concurrently, and must answer from memory or from a local store.
type Gateway interface {
	// Holding tells what the gateway holds for a browser. False if that browser has no
	// live session, which is no error.
	Holding(ctx context.Context, b Browser) (Holding, bool, error)
	// Expire makes the access tokens of that browser's session run out now.
	Expire(ctx context.Context, b Browser) error
}

// Browser names a signed-in browser in the provider's words.
type Browser struct {
	Subject string // sub
	Session string // sid; empty means every session of the subject
}

// Holding is what the gateway holds for one browser: everything but the values.
type Holding struct {
	AccessIssued  time.Time // when the access token was asked for
	AccessExpires time.Time // zero if no end is known
	RefreshToken  bool      // there is one
	IDToken       bool      // there is one
	Refreshes     uint64    // good ones since the sign-in
	Created       time.Time // when the session began
}

// Backend is the demo's upstream, an http.Handler for a loopback listener. It is safe for
// concurrent use.
type Backend struct {
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	keys   *keySet
	api    api
	outage outage
	ledger ledger
	mux    http.Handler
}

// New returns a Backend. Close it to mend the provider.
func New(cfg Config) (*Backend, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("demo: the issuer %q is no address: give the provider's, for example http://127.0.0.1:5001", cfg.Issuer)
	}
	if cfg.Outage == nil || cfg.Gateway == nil {
		return nil, errors.New("demo: Config needs an Outage and a Gateway")
	}
	b := &Backend{cfg: cfg, log: cfg.Log, now: cfg.Now, keys: newKeySet(cfg.Issuer)}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.outage.down, b.outage.now = cfg.Outage, b.now
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+APIPath+"hello", b.hello)
	mux.HandleFunc(APIPath, noSuchPath)
	mux.HandleFunc("GET "+DeskPath+"state", b.signedIn(b.state))
	mux.HandleFunc("POST "+DeskPath+"expire", b.signedIn(b.expire))
	mux.HandleFunc("POST "+DeskPath+"break", b.signedIn(b.breakProvider))
	mux.HandleFunc(DeskPath, noSuchPath)
	mux.Handle(PagePath, newPage())
	// The listener is on loopback, where any web page can send a form: believe the desk's
	// own page only. Through the gateway the browser's Sec-Fetch-Site arrives as it was.
	b.mux = http.NewCrossOriginProtection().Handler(mux)
	return b, nil
}

// ServeHTTP implements http.Handler.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }

// Close mends the provider if the desk has broken it.
func (b *Backend) Close() { b.outage.end() }
