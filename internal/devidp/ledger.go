package devidp

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Request is one request as it came.
type Request struct {
	Endpoint Endpoint    `json:"endpoint"`
	Method   string      `json:"method"`
	Path     string      `json:"path"`
	Header   http.Header `json:"header"`
	Form     url.Values  `json:"form"` // of query and body
	Time     time.Time   `json:"time"` // by Config.Now

	Secure     bool   `json:"secure"`     // it came to the listener for mutual TLS
	Thumbprint string `json:"thumbprint"` // of the certificate that it presented; "" for none
}

// Stats are counters since the start.
type Stats struct {
	DiscoveryRequests int `json:"discovery_requests"`
	JWKSRequests      int `json:"jwks_requests"`
	AuthorizeRequests int `json:"authorize_requests"`
	TokenRequests     int `json:"token_requests"`
	UserInfoRequests  int `json:"userinfo_requests"`

	Pushes           int `json:"pushes"`            // authorization requests that were pushed and taken
	SignIns          int `json:"sign_ins"`          // pages filled in, and automatic logins
	Exchanges        int `json:"exchanges"`         // codes redeemed
	Refreshes        int `json:"refreshes"`         // refresh tokens redeemed
	ClientTokens     int `json:"client_tokens"`     // by client credentials
	TokenExchanges   int `json:"token_exchanges"`   // subject tokens traded (RFC 8693)
	Refused          int `json:"refused"`           // token requests answered with an OAuth error
	CodeReuses       int `json:"code_reuses"`       // codes that came again
	ProofReuses      int `json:"proof_reuses"`      // proofs of possession that came again
	Reuses           int `json:"reuses"`            // used refresh tokens that came again and were refused
	Revocations      int `json:"revocations"`       // good revocation requests, of known tokens or not
	Logouts          int `json:"logouts"`           // sessions ended at the end-session endpoint
	LogoutTokens     int `json:"logout_tokens"`     // that a client answered with 200
	MaxPresentations int `json:"max_presentations"` // of any refresh token
	LiveGrants       int `json:"live_grants"`
}

// LogoutAnswer is what a client answered to a logout token.
type LogoutAnswer struct {
	Status int
	Header http.Header
}

// ledger is what happened and what was minted. It is safe for concurrent use.
type ledger struct {
	mu            sync.Mutex
	stats         Stats          // guarded by mu
	requests      []Request      // guarded by mu
	minted        []string       // guarded by mu
	presentations map[string]int // guarded by mu: by refresh token, good or not
	delivered     []LogoutAnswer // guarded by mu
}

func (l *ledger) count(what func(*Stats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	what(&l.stats)
}

func (l *ledger) mint(token string, keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.minted = newest(append(l.minted, token), keep)
}

func (l *ledger) deliver(a LogoutAnswer, keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delivered = newest(append(l.delivered, a), keep)
	if a.Status == http.StatusOK {
		l.stats.LogoutTokens++
	}
}

// newest drops the oldest when there are too many, a tenth at a time.
func newest[T any](s []T, keep int) []T {
	if len(s) <= keep {
		return s
	}
	return slices.Clone(s[len(s)-keep+keep/10:])
}

// keep is the bound that Remember sets.
func (k Knobs) keep() int {
	if k.Remember <= 0 {
		return 100_000
	}
	return k.Remember
}

// note writes a request down, before anything decides about it.
func (p *Provider) note(e Endpoint, r *http.Request) {
	keep := p.turned().keep()
	l := &p.books
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = newest(append(l.requests, Request{
		Endpoint: e, Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(),
		Form: cloneForm(r.Form), Time: p.now(), Secure: r.TLS != nil, Thumbprint: thumbprint(certificateOf(r)),
	}), keep)
	switch e {
	case DiscoveryEndpoint:
		l.stats.DiscoveryRequests++
	case JWKSEndpoint:
		l.stats.JWKSRequests++
	case AuthorizeEndpoint:
		l.stats.AuthorizeRequests++
	case UserInfoEndpoint:
		l.stats.UserInfoRequests++
	case TokenEndpoint:
		l.stats.TokenRequests++
		if rt := r.PostForm.Get("refresh_token"); rt != "" {
			l.present(rt, keep)
		}
	}
}

// present counts a presentation. The caller holds mu.
func (l *ledger) present(rt string, keep int) {
	if l.presentations == nil || len(l.presentations) > keep {
		l.presentations = make(map[string]int)
	}
	l.presentations[rt]++
	l.stats.MaxPresentations = max(l.stats.MaxPresentations, l.presentations[rt])
}

func cloneForm(form url.Values) url.Values {
	c := maps.Clone(form)
	for name, values := range c {
		c[name] = slices.Clone(values)
	}
	return c
}

// Requests returns the requests so far, oldest first, secrets included: it is for tests.
func (p *Provider) Requests() []Request {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	return slices.Clone(p.books.requests)
}

// LogoutAnswers returns what clients answered to logout tokens, oldest first.
func (p *Provider) LogoutAnswers() []LogoutAnswer {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	return slices.Clone(p.books.delivered)
}

// Stats returns the counters.
func (p *Provider) Stats() Stats {
	p.mu.Lock()
	live := 0
	for _, g := range p.grants {
		if !g.dead {
			live++
		}
	}
	p.mu.Unlock()

	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	s := p.books.stats
	s.LiveGrants = live
	return s
}

// Presentations returns how often a refresh token came to the token endpoint, also where
// the answer was an error, was lost, or never came.
func (p *Provider) Presentations(rt string) int {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	return p.books.presentations[rt]
}

// MaxPresentations returns the highest count of [Provider.Presentations]. Above one only
// after an outage or a lost answer: that is the gateway's promise.
func (p *Provider) MaxPresentations() int { return p.Stats().MaxPresentations }

// Tokens returns every secret that was made, oldest first: codes, access, refresh, ID, MFA
// and logout tokens, client secrets after a rotation. It is for leak searches.
func (p *Provider) Tokens() []string {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	return slices.Clone(p.books.minted)
}
