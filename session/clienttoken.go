package session

import (
	"context"
	"sync"
	"time"
)

// clientTokens are the gateway's own tokens, one for each target, for all sessions.
type clientTokens struct {
	mu    sync.RWMutex
	kinds map[Target]*supply // guarded by mu
}

// farFuture is the deadline of a token that no session bounds.
const farFuture = 100 * 365 * 24 * time.Hour

// ClientToken returns a token of the gateway's own for t (client credentials, RFC 6749
// §4.4). It is shared by all sessions and refreshed before its end, in the background. The
// errors are *RefreshError and that of ctx.
func (m *Manager) ClientToken(ctx context.Context, t Target) (AccessToken, error) {
	if m.terms().Issuer == nil {
		return AccessToken{}, errNoIssuer
	}
	return m.clientSupply(t).token(ctx)
}

// RenewClientToken returns another token for t than the one that an API refused. Like
// Session.Renew it may be asked for three times a minute.
func (m *Manager) RenewClientToken(ctx context.Context, t Target, refused Token) (AccessToken, error) {
	if m.terms().Issuer == nil {
		return AccessToken{}, errNoIssuer
	}
	return m.clientSupply(t).renew(ctx, refused)
}

// clientSupply returns the one supply for t. Targets are those of routes, so there are few.
func (m *Manager) clientSupply(t Target) *supply {
	c := &m.clients
	c.mu.RLock()
	p := c.kinds[t]
	c.mu.RUnlock()
	if p != nil {
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p = c.kinds[t]; p != nil {
		return p
	}
	p = &supply{m: m, ask: func(ctx context.Context, urgent bool) (AccessToken, error) {
		return m.issue(ctx, "", urgent, m.now().Add(farFuture), func(ctx context.Context) (AccessToken, error) {
			at, err := m.terms().Issuer.ClientToken(ctx, t)
			return at, ofNobody(err)
		})
	}}
	if c.kinds == nil {
		c.kinds = make(map[Target]*supply)
	}
	c.kinds[t] = p
	return p
}

// ofNobody gives a refusal of the gateway's own token the class that it has where no user
// is concerned: the gateway is set up wrongly.
func ofNobody(err error) error {
	failed := failureOf(err)
	if failed == nil {
		return nil
	}
	switch failed.Class {
	case Interaction, Denied, Refused:
		out := *failed
		out.Class, out.Demand = Operator, nil
		return &out
	}
	return failed
}
