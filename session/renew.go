package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errRefusedAgain says that tokens of this target are refused by an API as soon as they
// are made. More of them would not help.
var errRefusedAgain = errors.New("session: an API keeps refusing fresh tokens")

// renewals bounds how often a token is replaced since an API refused it. An API that
// refuses every token would else cause a refresh with every request.
type renewals struct {
	since time.Time // the first of those counted
	count int
}

// So many tokens are replaced in so long.
const (
	renewalsAtMost = 3
	renewalsWithin = time.Minute
)

// allow counts one more, or says that there were enough.
func (r *renewals) allow(now time.Time) bool {
	if gone := now.Sub(r.since); gone < 0 || gone >= renewalsWithin {
		*r = renewals{since: now}
	}
	r.count++
	return r.count <= renewalsAtMost
}

// Renew returns another token for t than the one that an API refused (RFC 6750 §3.1,
// invalid_token), by a refresh if no other request has caused one meanwhile. It may do so
// three times a minute for each target; beyond that it fails. The other errors are those
// of Token.
func (s *Session) Renew(ctx context.Context, t Target, refused Token) (AccessToken, error) {
	if err := s.alive(ctx, s.m.now()); err != nil {
		return AccessToken{}, err
	}
	late := time.NewTimer(s.m.terms().Wait)
	defer late.Stop()
	for {
		now, st := s.m.now(), s.State()
		if at := st.Grant.Access[t]; at.Token != refused && at.Holds(now) {
			return at, nil
		}
		f, err := s.replace(ctx, t, refused, now, st)
		if err != nil {
			return AccessToken{}, err
		}
		at, err := s.wait(ctx, f, late.C)
		switch {
		case f.refused == refused && f.target == t:
			return at, err
		case err != nil && !errors.Is(err, errNotNow) && !f.elsewhere(t, err):
			return AccessToken{}, err
		}
	}
}

// replace joins the flight under way, or starts one that brings another token for t.
func (s *Session) replace(ctx context.Context, t Target, refused Token, now time.Time, st *State) (*flight, error) {
	if st.Ended != "" {
		return nil, s.ended(now, st)
	}
	if st.Grant.RefreshToken == "" {
		return nil, fmt.Errorf("session: %w", errNoRefreshToken)
	}
	if err := s.obstacle(st, now, t, false); err != nil {
		return nil, err
	}
	if !s.mayRenew(t, now) {
		return nil, errRefusedAgain
	}
	return s.launch(ctx, &flight{target: t, refused: refused})
}

// mayRenew counts one more renewal of t, unless a flight is under way that would be joined.
func (s *Session) mayRenew(t Target, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return true
	}
	r := s.renewals[t]
	if r == nil {
		if s.renewals == nil {
			s.renewals = make(map[Target]*renewals)
		}
		r = &renewals{}
		s.renewals[t] = r
	}
	return r.allow(now)
}
