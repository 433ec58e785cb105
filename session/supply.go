package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// TokenIssuer asks the provider for access tokens that no refresh token stands behind. Its
// methods are safe for concurrent use and bound their own time. A failure is a
// *RefreshError.
type TokenIssuer interface {
	// ClientToken asks for a token of the gateway's own for t (client credentials,
	// RFC 6749 §4.4).
	ClientToken(ctx context.Context, t Target) (AccessToken, error)

	// ExchangeToken trades a session's access token, the subject token, for one for t
	// (RFC 8693 §2), which is bound to the same key. actor is the gateway's own token if t wants
	// it to be named as who acts, else zero. The class Refused says that one of the two is not
	// taken.
	ExchangeToken(ctx context.Context, subject, actor AccessToken, t Target) (AccessToken, error)
}

// supply keeps one access token that is asked for anew when it is due. However many want
// it, one order is under way at a time. The order belongs to the manager, as a flight
// does: a caller may leave and never cancel it.
//
// Unlike a flight it presents nothing that is used up by it, so that a lost answer costs
// nothing, and nothing has to be written down.
type supply struct {
	m   *Manager
	ask func(ctx context.Context, urgent bool) (AccessToken, error)

	at atomic.Pointer[AccessToken] // the newest one; nil if there was none

	mu        sync.Mutex
	order     *order        // guarded by mu: the one under way, nil if none
	failed    *RefreshError // guarded by mu: how the last order ended; nil if well
	failures  int           // guarded by mu: in a row
	notBefore time.Time     // guarded by mu: when the next order may go after a failure
	hurry     time.Time     // guarded by mu: when the next order may go that nobody waits for
	renewals  renewals      // guarded by mu
}

// order is one request for a token that all who wait for it share.
type order struct {
	part Part          // of the traces of those who wait
	done chan struct{} // closed when at and err are set
	at   AccessToken
	err  error
}

// refusedFor is the time before a target is asked for again that the provider refused.
func (c Class) refusedFor() time.Duration {
	if c.provider() {
		return 0 // the back-off decides
	}
	return blockedFor
}

// token returns the token if it holds; when it is due, an order goes out beside. Only
// without one that holds does the caller wait.
func (p *supply) token(ctx context.Context) (AccessToken, error) {
	at, now := p.at.Load(), p.m.now()
	if at == nil || !at.Holds(now) {
		return p.await(ctx, now, "")
	}
	if at.Due(now, p.m.terms().BeforeExpiry) {
		p.prepare(ctx, now)
	}
	return *at, nil
}

// prepare lets an order go out that nobody waits for: the token at hand is still good.
func (p *supply) prepare(ctx context.Context, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.at.Load(); !now.Before(p.hurry) && at != nil && at.Due(now, p.m.terms().BeforeExpiry) {
		_, _ = p.join(ctx, now, false)
	}
}

// renew returns another token than the one that an API refused.
func (p *supply) renew(ctx context.Context, refused Token) (AccessToken, error) {
	now := p.m.now()
	if at, ok := p.held(now, refused); ok {
		return at, nil
	}
	p.mu.Lock()
	if _, ok := p.held(now, refused); !ok && p.order == nil && !p.renewals.allow(now) {
		p.mu.Unlock()
		return AccessToken{}, errRefusedAgain
	}
	p.mu.Unlock()
	return p.await(ctx, now, refused)
}

// held returns the token at hand, if it holds and is another one than was refused.
func (p *supply) held(now time.Time, refused Token) (AccessToken, bool) {
	at := p.at.Load()
	if at == nil || at.Token == refused || !at.Holds(now) {
		return AccessToken{}, false
	}
	return *at, true
}

// await waits for the order under way, or for one of its own. One that has just ended may
// have brought what is wanted.
func (p *supply) await(ctx context.Context, now time.Time, refused Token) (AccessToken, error) {
	late := time.NewTimer(p.m.terms().Wait)
	defer late.Stop()
	for {
		p.mu.Lock()
		if at, ok := p.held(now, refused); ok {
			p.mu.Unlock()
			return at, nil
		}
		o, err := p.join(ctx, now, true)
		p.mu.Unlock()
		if err != nil {
			return AccessToken{}, err
		}
		at, err := p.wait(ctx, o, late.C)
		if !errors.Is(err, errNotNow) { // else it stood back for the likes of us
			return at, err
		}
	}
}

// wait waits for one order.
func (p *supply) wait(ctx context.Context, o *order, late <-chan time.Time) (_ AccessToken, err error) {
	p.m.tally.waiting.Add(1)
	defer p.m.tally.waiting.Add(-1)
	ctx, part := p.m.part(ctx, "token", o.part)
	defer func() { part.End(err) }()
	select {
	case <-o.done:
		return o.at, o.err
	case <-ctx.Done():
		return AccessToken{}, ctx.Err()
	case <-late:
		return AccessToken{}, &RefreshError{Class: Transient, RetryAfter: time.Second, Err: errors.New("the token takes too long; the request for it goes on")}
	}
}

// join joins the order under way, or gives one. The caller holds mu.
func (p *supply) join(ctx context.Context, now time.Time, urgent bool) (*order, error) {
	if p.order != nil {
		return p.order, nil
	}
	if p.failed != nil && now.Before(p.notBefore) {
		again := *p.failed
		again.RetryAfter = max(p.notBefore.Sub(now), time.Second)
		return nil, &again
	}
	if !p.m.flights.begin() {
		return nil, &RefreshError{Class: Transient, RetryAfter: time.Second, Err: errors.New("the gateway is shutting down")}
	}
	own, part := p.m.part(context.WithoutCancel(ctx), "obtain")
	o := &order{part: part, done: make(chan struct{})}
	p.order = o
	go func() {
		defer p.m.flights.end()
		o.at, o.err = p.ask(own, urgent)
		part.End(o.err)
		p.close(o)
	}()
	return o, nil
}

// close takes in what an order brought.
func (p *supply) close(o *order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(o.done)
	p.order = nil
	failed, ok := errors.AsType[*issueError](o.err)
	switch {
	case o.err == nil:
		p.failed, p.failures = nil, 0
		p.at.Store(&o.at)
	case ok:
		p.failures++
		p.failed = failed.RefreshError
		p.notBefore = p.m.now().Add(max(backoff(p.failures), min(failed.RetryAfter, longestWait), failed.Class.refusedFor()))
		o.err = failed.RefreshError
	default:
		p.hurry = p.m.now().Add(standBackFor)
	}
}

// drop forgets the token: its session has ended.
func (p *supply) drop() { p.at.Store(nil) }

// issueError is a failure of the TokenIssuer itself, which is backed off from. Other
// failures (of the session, of the budget) have a back-off of their own.
type issueError struct{ *RefreshError }

// issue asks the TokenIssuer once, if the breaker and the budget let it.
func (m *Manager) issue(ctx context.Context, subject string, urgent bool, deadline time.Time, ask func(context.Context) (AccessToken, error)) (AccessToken, error) {
	if err := m.breaker.allow(); err != nil {
		return AccessToken{}, err
	}
	line, leave := context.WithTimeout(ctx, m.terms().Wait)
	defer leave()
	if err := m.budget.Load().take(line, subject, urgent); err != nil {
		return AccessToken{}, err
	}
	call, cancel := context.WithTimeout(ctx, m.terms().Exchange)
	defer cancel()
	at, err := ask(call)
	failed := failureOf(err)
	if failed == nil && at.Token == "" {
		failed = &RefreshError{Class: Transient, Err: errors.New("no access token and no error")}
	}
	m.hear(failed)
	if failed != nil {
		return AccessToken{}, &issueError{failed}
	}
	return at.plausible(deadline), nil
}

// hear tells the breaker how an order ended. A client that may not use this grant may
// refresh all the same: that is no reason to leave the provider alone.
func (m *Manager) hear(failed *RefreshError) {
	if failed != nil && failed.Class == Operator && failed.Code != "invalid_client" {
		failed = nil
	}
	m.breaker.heard(failed)
}

// errNoIssuer says that the Manager was made without a TokenIssuer.
var errNoIssuer = errors.New("session: Config has no Issuer")
