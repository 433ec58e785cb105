package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Provider is an OpenID provider that only refreshes: who presents "NAME.n" gets an access
// token and "NAME.n+1", and "NAME.n" is used up. It is safe for concurrent use.
type Provider struct {
	URL string

	server *http.Server
	life   time.Duration // of access tokens

	mu     sync.Mutex
	slow   time.Duration  // guarded by mu: how long an answer takes
	rate   int            // guarded by mu: answers in a second, and 429 for the rest; 0: no limit
	second int64          // guarded by mu: that is being counted
	given  int            // guarded by mu: in it
	used   map[string]int // guarded by mu: by NAME, what is to be presented next
	counts Answers        // guarded by mu
}

// Answers is what the provider has answered.
type Answers struct {
	Refreshed int            `json:"refreshed"`
	Refused   int            `json:"too_many"` // with 429
	Reused    int            `json:"reused"`   // refresh tokens that came twice: never, or sessions would be lost
	Most      int            `json:"most"`     // that came in one second
	By        map[string]int `json:"-"`        // refreshes by NAME
}

// NewProvider listens on loopback. Its access tokens hold for so long. The caller closes it.
func NewProvider(ctx context.Context, life time.Duration) (*Provider, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Provider{URL: "http://" + l.Addr().String(), life: life, used: make(map[string]int)}
	p.counts.By = make(map[string]int)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"keys": []any{}})
	})
	mux.HandleFunc("POST /token", p.token)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // the listener was ours
		}
	}() // until Close
	return p, nil
}

// Close ends the listener and all that is under way.
func (p *Provider) Close() { _ = p.server.Close() } // nobody is left to be answered

// Behave makes answers take so long, and lets so many through in a second; zero lets all.
func (p *Provider) Behave(slow time.Duration, rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow, p.rate = slow, rate
}

// Answers returns what was answered so far.
func (p *Provider) Answers() Answers {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.counts
	now.By = maps.Clone(p.counts.By)
	return now
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	presented := r.PostFormValue("refresh_token")
	next, allowed, wait := p.take(presented)
	if wait > 0 {
		late := time.NewTimer(wait)
		defer late.Stop()
		select {
		case <-late.C:
		case <-r.Context().Done():
		}
	}
	switch {
	case !allowed:
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusTooManyRequests, map[string]any{"error": "temporarily_unavailable"})
	case next == "":
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
	default:
		answer(w, http.StatusOK, map[string]any{
			"access_token": "at." + next, "token_type": "Bearer", "expires_in": int(p.life.Seconds()), "refresh_token": next,
		})
	}
}

// take counts a presentation, and returns the refresh token that comes next; none if it was
// used up.
func (p *Provider) take(presented string) (next string, allowed bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now().Unix(); now != p.second {
		p.second, p.given = now, 0
	}
	p.given++
	p.counts.Most = max(p.counts.Most, p.given)
	if p.rate > 0 && p.given > p.rate {
		p.counts.Refused++
		return "", false, 0
	}
	name, number, _ := strings.Cut(presented, ".")
	if number != fmt.Sprint(p.used[name]) {
		p.counts.Reused++
		return "", true, p.slow
	}
	p.used[name]++
	p.counts.Refreshed++
	p.counts.By[name]++
	return fmt.Sprintf("%s.%d", name, p.used[name]), true, p.slow
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the gateway has left
}
