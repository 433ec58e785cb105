package session

import (
	"context"
	"errors"
)

// ExchangedToken returns a token for t that the session's access token was traded for
// (RFC 8693). It is kept in memory with the session, for as long as both live, and traded
// anew when it is due: a refresh of the session's own token does not touch it. The errors
// are those of Token.
func (s *Session) ExchangedToken(ctx context.Context, t Target) (AccessToken, error) {
	return s.exchanged(ctx, func(p *supply) (AccessToken, error) { return p.token(ctx) }, t)
}

// RenewExchangedToken returns another token for t than the one that an API refused. Like
// Renew it may be asked for three times a minute.
func (s *Session) RenewExchangedToken(ctx context.Context, t Target, refused Token) (AccessToken, error) {
	return s.exchanged(ctx, func(p *supply) (AccessToken, error) { return p.renew(ctx, refused) }, t)
}

func (s *Session) exchanged(ctx context.Context, get func(*supply) (AccessToken, error), t Target) (AccessToken, error) {
	if s.m.terms().Issuer == nil {
		return AccessToken{}, errNoIssuer
	}
	if err := s.alive(ctx, s.m.now()); err != nil {
		return AccessToken{}, err
	}
	at, err := get(s.exchangeFor(t))
	if err != nil {
		return AccessToken{}, err
	}
	// The session may have ended while the exchange was under way.
	if err := s.alive(ctx, s.m.now()); err != nil {
		return AccessToken{}, err
	}
	return at, nil
}

// exchangeFor returns the session's supply of tokens for t.
func (s *Session) exchangeFor(t Target) *supply {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.exchanges[t]
	if p == nil {
		p = &supply{m: s.m, ask: func(ctx context.Context, urgent bool) (AccessToken, error) { return s.exchange(ctx, t, urgent) }}
		if s.exchanges == nil {
			s.exchanges = make(map[Target]*supply)
		}
		s.exchanges[t] = p
	}
	return p
}

// exchange trades the session's access token for one for t. What the provider does not take,
// though it holds, has been ended there: it is renewed, once.
func (s *Session) exchange(ctx context.Context, t Target, urgent bool) (AccessToken, error) {
	subject, err := s.Token(ctx, Target{})
	if err != nil {
		return AccessToken{}, err
	}
	actor, err := s.m.actor(ctx, t)
	if err != nil {
		return AccessToken{}, err
	}
	at, err := s.trade(ctx, subject, actor, t, urgent)
	if failed, ok := errors.AsType[*issueError](err); !ok || failed.Class != Refused {
		return at, err
	}
	subject, renewErr := s.Renew(ctx, Target{}, subject.Token)
	if dead := s.alive(ctx, s.m.now()); dead != nil {
		return AccessToken{}, dead
	}
	if renewErr == nil && t.Actor {
		actor, renewErr = s.m.RenewClientToken(ctx, Target{}, actor.Token)
	}
	if renewErr == nil {
		at, err = s.trade(ctx, subject, actor, t, urgent)
	}
	if failed, ok := errors.AsType[*issueError](err); ok && failed.Class == Refused {
		// Fresh ones are not taken either: the session is not at fault.
		out := *failed.RefreshError
		out.Class = Operator
		err = &issueError{&out}
	}
	return at, err
}

// actor is the token of who acts, zero if t wants nobody to be named.
func (m *Manager) actor(ctx context.Context, t Target) (AccessToken, error) {
	if !t.Actor {
		return AccessToken{}, nil
	}
	return m.ClientToken(ctx, Target{})
}

func (s *Session) trade(ctx context.Context, subject, actor AccessToken, t Target, urgent bool) (AccessToken, error) {
	st := s.State()
	return s.m.issue(ctx, st.Grant.Subject, urgent, st.bound(), func(ctx context.Context) (AccessToken, error) {
		at, err := s.m.terms().Issuer.ExchangeToken(ctx, subject, actor, t)
		if at.Expiry.IsZero() {
			at.Expiry = subject.Expiry // what is not said to live longer does not
		}
		return at, err
	})
}

// dropExchanges forgets the exchanged tokens. The caller does not hold mu.
func (s *Session) dropExchanges() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.exchanges {
		p.drop()
	}
	s.exchanges = nil
}
