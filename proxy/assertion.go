package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Assertion is a short-lived JWT that tells a route's upstream who asks, signed by the
// gateway, for APIs that want more than the word of a header. Its keys are published at
// /bff/jwks.json; iss is the public URL, and it lives for a minute.
type Assertion struct {
	// Header is the name of the header that it is sent in; empty: it is not sent.
	Header string
	// Audience is its aud; empty: the scheme and host of Upstream.
	Audience string
	// Claims are those of the session that go along, beside sub. A claim that the session
	// does not have is left out.
	Claims []string
}

// registered are the claims that the gateway itself writes (RFC 7519 §4.1).
var registered = [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// check finds contradictions.
func (a *Assertion) check(r *Route) error {
	switch name := http.CanonicalHeaderKey(a.Header); {
	case a.Header == "" && a.Audience == "" && len(a.Claims) == 0:
		return nil
	case a.Header == "":
		return errors.New("an assertion needs a header to be sent in")
	case !headerToken(name) || reservedHeader(name):
		return fmt.Errorf("an assertion cannot be sent in header %q", a.Header)
	case r.Upstream == nil:
		return errors.New("an assertion is for an upstream, and files have none")
	case r.Access == Public:
		return errors.New("an assertion is about a session's user, and access public asks for none")
	}
	for name := range r.SetHeaders {
		if canonicalTwin(name) == canonicalTwin(a.Header) {
			return fmt.Errorf("header %s is set twice: by its template and by the assertion", name)
		}
	}
	for _, name := range a.Claims {
		if name == "" || slices.Contains(registered[:], name) {
			return fmt.Errorf("claim %q of an assertion is the gateway's own", name)
		}
	}
	return nil
}

// Times of an assertion. An upstream gets it with half its life left, or more.
const (
	assertionLife = time.Minute
	assertionTurn = assertionLife / 4
)

// assertions are those of one route. One is signed for a session's state, and serves for all
// of its requests until it has grown old or the state changes: a signature costs more than
// the rest of a request.
type assertions struct {
	header, audience string
	claims           []string

	mu     sync.Mutex
	signed *signingKeys                           // guarded by mu: who signed those that follow
	turned time.Time                              // guarded by mu: when young became old
	young  map[weak.Pointer[session.State]]string // guarded by mu
	old    map[weak.Pointer[session.State]]string // guarded by mu
}

// newAssertions returns those of a route, nil if it has none.
func newAssertions(r *Route) *assertions {
	if r.Assertion.Header == "" {
		return nil
	}
	a := &assertions{header: http.CanonicalHeaderKey(r.Assertion.Header), audience: r.Assertion.Audience, claims: r.Assertion.Claims}
	if a.audience == "" {
		a.audience = strings.Replace(originOf(r.Upstream.String()), "h2c:", "http:", 1)
	}
	return a
}

// assert writes the assertion of the exchange's session. Without a session there is none.
func (g *Gateway) assert(x *exchange, rt *route) error {
	if x.state == nil {
		return nil
	}
	keys, err := g.signer.keys(g.cfg.Sessions.Keys())
	if err != nil {
		return err
	}
	now, state := g.cfg.Now(), weak.Make(x.state)
	if x.proof = rt.assertions.find(now, keys, state); x.proof != "" {
		return nil
	}
	if x.proof, err = keys.sign(rt.assertions.claimsOf(&x.state.Grant, g.origin, now)); err != nil {
		return err
	}
	rt.assertions.keep(keys, state, x.proof)
	return nil
}

// claimsOf are the claims of an assertion about a session's user.
func (a *assertions) claimsOf(grant *session.Grant, issuer string, now time.Time) map[string]any {
	claims := make(map[string]any, len(a.claims)+5)
	for _, name := range a.claims {
		if value := grant.Claims[name]; value != nil {
			claims[name] = value
		}
	}
	claims["iss"], claims["sub"], claims["aud"] = issuer, grant.Subject, a.audience
	claims["iat"], claims["exp"] = now.Unix(), now.Add(assertionLife).Unix()
	return claims
}

// find returns an assertion that was signed a moment ago, or "".
func (a *assertions) find(now time.Time, keys *signingKeys, state weak.Pointer[session.State]) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch age := now.Sub(a.turned); {
	case a.signed != keys || age < 0 || age >= 2*assertionTurn:
		a.signed, a.turned, a.young, a.old = keys, now, map[weak.Pointer[session.State]]string{}, nil
	case age >= assertionTurn:
		a.turned, a.young, a.old = a.turned.Add(assertionTurn), map[weak.Pointer[session.State]]string{}, a.young
	}
	if proof := a.young[state]; proof != "" {
		return proof
	}
	return a.old[state]
}

// keep notes an assertion for those who ask next.
func (a *assertions) keep(keys *signingKeys, state weak.Pointer[session.State], proof string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.signed == keys {
		a.young[state] = proof
	}
}
