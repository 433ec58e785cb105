package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// provider is a provider of which a test says what it answers. By default it rotates.
type provider struct {
	mu         sync.Mutex
	lifetime   time.Duration
	delay      time.Duration
	answer     func(n int, g *session.Grant) (*session.Renewal, error)
	byTarget   func(n int, t session.Target) (*session.Renewal, error)
	verify     func(session.Token) (*session.Identity, error)
	revokeFail error
	revokeHang chan struct{} // a revocation waits for it

	presented []session.Token  // in order
	targeted  []session.Target // likewise
	active    int              // refreshes under way
	most      int              // ever at once
	revoked   []session.Token
}

func (p *provider) set(f func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *provider) Refresh(ctx context.Context, g *session.Grant, t session.Target) (*session.Renewal, error) {
	p.mu.Lock()
	p.presented, p.targeted = append(p.presented, g.RefreshToken), append(p.targeted, t)
	n, delay, answer, byTarget := len(p.presented), p.delay, p.answer, p.byTarget
	p.active++
	p.most = max(p.most, p.active)
	p.mu.Unlock()
	defer p.set(func(p *provider) { p.active-- })
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, &session.RefreshError{Class: session.Unknown, Err: ctx.Err()}
		}
	}
	switch {
	case answer != nil:
		return answer(n, g)
	case byTarget != nil:
		return byTarget(n, t)
	}
	return p.good(n), nil
}

func (p *provider) good(n int) *session.Renewal {
	now := time.Now()
	return &session.Renewal{
		Access:       session.AccessToken{Token: session.Token(fmt.Sprintf("at-%d", n)), Type: "Bearer", Issued: now, Expiry: now.Add(p.lifetime)},
		RefreshToken: session.Token(fmt.Sprintf("rt-%d", n)),
	}
}

func (p *provider) Verify(_ context.Context, _ *session.Grant, t session.Token) (*session.Identity, error) {
	if p.verify == nil {
		return nil, errors.New("no ID token was expected")
	}
	return p.verify(t)
}

func (p *provider) Revoke(ctx context.Context, r session.Revocation) error {
	p.mu.Lock()
	hang := p.revokeHang
	p.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.revokeFail != nil {
		return p.revokeFail
	}
	p.revoked = append(p.revoked, r.Token)
	return nil
}

func (p *provider) counts() (presented, most int, revoked []session.Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.presented), p.most, slices.Clone(p.revoked)
}

// asked lists the targets that were asked for.
func (p *provider) asked() []session.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.targeted)
}

// room is a manager with its surroundings. Make it inside a synctest bubble.
type room struct {
	*session.Manager
	t        *testing.T
	store    *memory
	provider *provider
	config   session.Config
	stop     context.CancelFunc
	stopped  chan struct{}
}

func open(t *testing.T, change func(*session.Config)) *room {
	t.Helper()
	r := &room{t: t, store: newMemory(), provider: &provider{lifetime: time.Minute}}
	r.config = session.Config{Store: r.store, Keys: ring(t, 1), Refresher: r.provider, SoleOwner: true, CacheBytes: 8 << 20}
	if change != nil {
		change(&r.config)
	}
	r.start()
	return r
}

// start makes a new manager on the same store, as a new process would.
func (r *room) start() {
	r.t.Helper()
	m, err := session.New(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Manager = m
	ctx, stop := context.WithCancel(r.t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := m.Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	r.stop, r.stopped = stop, stopped
	r.t.Cleanup(func() { stop(); <-stopped })
}

// other makes another process on the same store. Nothing runs in its background.
func (r *room) other() *session.Manager {
	r.t.Helper()
	m, err := session.New(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// read returns what a process that starts at this very moment finds for a ticket.
func (r *room) read(ticket string) *session.State {
	r.t.Helper()
	s, err := r.other().Open(r.t.Context(), ticket)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.State()
}

func (r *room) halt() { r.stop(); <-r.stopped }

// grant is what a login gives.
func (r *room) grant() session.Grant {
	now := time.Now()
	return session.Grant{
		Issuer: "https://idp.example", ClientID: "bff", Subject: "alice", ProviderSession: "sid-1",
		RefreshToken: "rt-0", IDToken: "idt-0", Claims: map[string]any{"sub": "alice", "role": "reader"},
		Access: map[session.Target]session.AccessToken{{}: {Token: "at-0", Type: "Bearer", Issued: now, Expiry: now.Add(r.provider.lifetime)}},
	}
}

// signIn begins a session for alice.
func (r *room) signIn() (*session.Session, string) {
	r.t.Helper()
	s, ticket, err := r.Begin(r.t.Context(), session.Start{Grant: r.grant()})
	if err != nil {
		r.t.Fatal(err)
	}
	return s, ticket
}

// ring makes a keyring of n keys; the same n gives the same keys.
func ring(t testing.TB, n ...byte) *session.Keyring {
	t.Helper()
	var keys [][]byte
	for _, b := range n {
		keys = append(keys, slices.Repeat([]byte{b}, session.KeySize))
	}
	ring, err := session.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// class returns the class of a failed refresh.
func class(t *testing.T, err error) session.Class {
	t.Helper()
	var failed *session.RefreshError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want a RefreshError", err)
	}
	return failed.Class
}

// wantStoreError fails the test unless err says that the store could not tell.
func wantStoreError(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*session.StoreError](err); !ok {
		t.Fatalf("got %v, want a StoreError", err)
	}
}

// reason returns why a session ended.
func reason(t *testing.T, err error) session.Reason {
	t.Helper()
	var ended *session.EndedError
	if !errors.As(err, &ended) {
		t.Fatalf("got %v, want an EndedError", err)
	}
	return ended.Reason
}
