package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/cloakroom-bff/cloakroom/session"
)

// ReceiverConfig says whose security events are taken.
type ReceiverConfig struct {
	Issuer   string   // required: the transmitter, as its events name it
	Audience []string // one of these has to be in an event's aud; empty means the client's id
	JWKS     string   // where the transmitter's keys are; empty: its own metadata say so
}

// Receiver checks the security events that a transmitter pushes (OpenID Shared Signals
// Framework 1.0, RFC 8417), and finds out whom of the provider's users they are about. It
// fetches the transmitter's metadata and keys when the first event comes. It is safe for
// concurrent use.
type Receiver struct {
	cfg      ReceiverConfig
	provider *Client // whose users they are, and by whose connections the keys are fetched
	keys     *keySet
	flight   singleflight.Group // of the metadata

	mu      sync.Mutex // guards what follows
	jwks    string     // empty while unknown
	problem error      // why it is
	tried   time.Time  // when problem came up
}

// NewReceiver returns a Receiver of events about the users of a provider, or an error that
// says what is wrong with the configuration. It makes no call.
func NewReceiver(cfg ReceiverConfig, provider *Client) (*Receiver, error) {
	if err := checkEndpoint("Issuer of the transmitter", cfg.Issuer); err != nil {
		return nil, err
	}
	if cfg.JWKS != "" {
		if err := checkEndpoint("JWKS of the transmitter", cfg.JWKS); err != nil {
			return nil, err
		}
	}
	if len(cfg.Audience) == 0 {
		cfg.Audience = []string{provider.cfg.ClientID}
	}
	r := &Receiver{cfg: cfg, provider: provider, jwks: cfg.JWKS}
	r.keys = &keySet{now: provider.now, fetch: func(ctx context.Context, address string) ([]byte, error) {
		return provider.get(ctx, "signals_jwks", address)
	}}
	return r, nil
}

// EventError is a security event that is refused. Code is the one that the transmitter is
// told (RFC 8935 §2.4); Err holds nothing secret.
type EventError struct {
	Code string
	Err  error
}

// The codes of events that are refused.
const (
	InvalidRequest  = "invalid_request"
	InvalidKey      = "invalid_key"
	InvalidIssuer   = "invalid_issuer"
	InvalidAudience = "invalid_audience"
)

// Error implements error.
func (e *EventError) Error() string { return "oidc: bad security event: " + e.Err.Error() }

// Unwrap returns the detail.
func (e *EventError) Unwrap() error { return e.Err }

// Verify checks a security event token that anybody may have sent. Whether it came before is
// left to the caller. The error is an *EventError if the token is no good, and a
// *session.RefreshError if the transmitter's metadata or keys are not to be had, so that
// nobody can tell.
func (r *Receiver) Verify(ctx context.Context, raw string) (*EventToken, error) {
	if alg, readable := algorithmOf(raw); readable && !slices.Contains(algorithms(), alg) {
		return nil, &EventError{InvalidKey, fmt.Errorf("it is signed with %q, and only signatures by key pairs count", short(alg))}
	}
	address, err := r.keysAt(ctx)
	if err != nil {
		return nil, &session.RefreshError{Class: session.Transient, Err: fmt.Errorf("security event: %w", err)}
	}
	signed := &signature{keys: r.keys, address: address, from: fromAnybody, algs: algorithms()}
	payload, err := signed.VerifySignature(ctx, raw)
	switch {
	case errors.Is(err, errNoKeys):
		return nil, &session.RefreshError{Class: session.Transient, Err: fmt.Errorf("security event: %w", err)}
	case errors.Is(err, errForged), errors.Is(err, errUnknownKey):
		return nil, &EventError{InvalidKey, err}
	case err != nil:
		return nil, &EventError{InvalidRequest, errors.New(maskTokens(err.Error()))}
	}
	return r.read(signed.typ, payload)
}

// algorithmOf reads what a token says of its signature; readable is false if it is none.
func algorithmOf(raw string) (alg string, readable bool) {
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || strings.Count(raw, ".") != 2 {
		return "", false
	}
	var h struct{ Alg string }
	if json.Unmarshal(text, &h) != nil {
		return "", false
	}
	return h.Alg, true
}

// keysAt returns where the transmitter's keys are. If that is unknown it asks, unless that
// failed a moment ago.
func (r *Receiver) keysAt(ctx context.Context) (string, error) {
	r.mu.Lock()
	jwks, problem, fresh := r.jwks, r.problem, r.provider.now().Sub(r.tried) < shortestPause
	r.mu.Unlock()
	switch {
	case jwks != "":
		return jwks, nil
	case fresh && problem != nil:
		return "", problem
	}
	done := r.flight.DoChan("", func() (any, error) {
		jwks, err := r.discover(context.WithoutCancel(ctx))
		r.mu.Lock()
		defer r.mu.Unlock()
		r.jwks, r.problem, r.tried = jwks, err, r.provider.now()
		return jwks, err
	})
	select {
	case got := <-done:
		jwks, _ := got.Val.(string)
		return jwks, got.Err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// discover asks the transmitter (Shared Signals Framework 1.0 §7.2). A provider that sends
// events without being one by the book signs them with the keys of its ID tokens.
func (r *Receiver) discover(ctx context.Context) (string, error) {
	doc, err := r.provider.get(ctx, "signals_discovery", r.cfg.MetadataAddress())
	if e, ok := errors.AsType[*statusError](err); ok && (e.status == http.StatusNotFound || e.status == http.StatusGone) && r.provider.cfg.AnnouncedAs(r.cfg.Issuer) {
		m, err := r.provider.provider(ctx)
		if err != nil {
			return "", err
		}
		return m.JWKSURI, nil
	}
	if err != nil {
		return "", fmt.Errorf("metadata of the transmitter: %w", err)
	}
	return readTransmitter(doc, r.cfg.Issuer)
}

// MetadataAddress is where the transmitter's metadata are: the well-known part goes between
// host and path.
func (c *ReceiverConfig) MetadataAddress() string {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return c.Issuer
	}
	u.Path = "/.well-known/ssf-configuration" + strings.TrimSuffix(u.Path, "/")
	return u.String()
}

// readTransmitter judges the metadata. Those of another issuer would put its keys in the
// place of ours.
func readTransmitter(doc []byte, issuer string) (jwks string, err error) {
	var m struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(doc, &m); err != nil {
		return "", fmt.Errorf("the metadata of the transmitter %s are no valid JSON: %w", issuer, err)
	}
	switch {
	case m.Issuer != issuer:
		return "", fmt.Errorf("the transmitter is configured as %q, but calls itself %q: use its spelling if that is the right one", issuer, short(m.Issuer))
	case m.JWKS == "":
		return "", fmt.Errorf("the metadata of the transmitter %s have no jwks_uri: set signals.jwks_url", issuer)
	}
	return m.JWKS, checkEndpoint("jwks_uri of the transmitter", m.JWKS)
}
