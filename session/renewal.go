package session

import (
	"context"
	"errors"
	"maps"
	"time"
)

// store writes the new tokens, before anything else that may fail, and returns the grant
// that they make. The provider has forgotten the old ones, so this is repeated until the
// store takes them. Good says that the access token may be used.
func (s *Session) store(ctx context.Context, f *flight, g *Grant, r *Renewal, at AccessToken, good bool) (*Grant, error) {
	var stored *State
	err := s.insist(ctx, f, func() error {
		st, err := s.change(ctx, func(st *State) error {
			if st.Ended != "" {
				return s.handIn(st, r)
			}
			if st.Grant.Generation != g.Generation {
				if r.isIn(&st.Grant, f.target, at) { // a write of ours that seemed to fail
					stored = st
					return errUnchanged
				}
				return errOvertaken
			}
			st.renew(f, r, at, good)
			return nil
		})
		if err == nil {
			stored = st
		}
		return err
	})
	switch {
	case err != nil && !errors.Is(err, errUnchanged):
		return nil, err
	case stored.Ended != "":
		s.m.outbox.wake()
		return nil, s.ended(s.m.now(), stored)
	}
	return &stored.Grant, nil
}

// handIn deals with a renewal that finds the session ended: what came home is revoked
// like the rest.
func (s *Session) handIn(st *State, r *Renewal) error {
	if r.RefreshToken == "" || !s.m.revokes(st.Ended) {
		return s.ended(s.m.now(), st)
	}
	st.outbox(s.m.now(), r.RefreshToken)
	return nil
}

// renew puts a renewal into the grant.
func (st *State) renew(f *flight, r *Renewal, at AccessToken, good bool) {
	st.Attempt = nil
	st.Grant.Generation++
	if r.RefreshToken != "" {
		st.Grant.RefreshToken = r.RefreshToken
		st.Trouble = st.Trouble.found()
	}
	if r.ProofKey != "" {
		st.Grant.ProofKey = r.ProofKey
	}
	if !good {
		return
	}
	st.Trouble, st.Unproven = nil, false
	access := make(map[Target]AccessToken, len(st.Grant.Access)+1)
	if !f.forced { // else they know nothing of the new roles that were asked for
		maps.Copy(access, st.Grant.Access)
	}
	access[f.target] = st.refreshed(at)
	st.Grant.Access = access
}

// isIn reports whether g holds this very renewal.
func (r *Renewal) isIn(g *Grant, t Target, at AccessToken) bool {
	if r.RefreshToken != "" {
		return g.RefreshToken == r.RefreshToken
	}
	return g.Access[t].Token == at.Token
}

// identify puts the claims of a refreshed ID token in the place of the old ones, or ends
// the session if they are somebody else's. Without an ID token all stays.
func (s *Session) identify(ctx context.Context, f *flight, g *Grant, idToken Token) error {
	if idToken == "" {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, s.m.terms().Exchange)
	defer cancel()
	who, err := s.m.terms().Refresher.Verify(call, g, idToken)
	if errors.Is(err, ErrIdentity) {
		s.m.log.ErrorContext(ctx, "security: a refresh brought another identity; the session ends", "session", s.id.String(), "err", err)
		if err := s.insist(ctx, f, func() error { return s.End(ctx, NotSameUser) }); err != nil {
			return err
		}
		return s.ended(s.m.now(), s.State())
	}
	if err != nil {
		s.m.log.WarnContext(ctx, "a refreshed ID token cannot be used; the old claims stay", "session", s.id.String(), "err", err)
		return nil
	}
	_, err = s.change(ctx, func(st *State) error {
		if st.Ended != "" {
			return s.ended(s.m.now(), st)
		}
		if st.Grant.Generation != g.Generation {
			return errUnchanged // somebody has newer ones
		}
		st.Grant.identify(who)
		return nil
	})
	if _, away := errors.AsType[*StoreError](err); away {
		s.m.log.WarnContext(ctx, "new claims could not be stored; the old ones stay", "session", s.id.String(), "err", err)
		return nil
	}
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// identify takes over what a verified ID token says.
func (g *Grant) identify(who *Identity) {
	g.IDToken, g.Claims = who.IDToken, who.Claims
	g.AuthTime, g.ACR = who.AuthTime, who.ACR
	if who.ProviderSession != "" {
		g.ProviderSession = who.ProviderSession
	}
}

// insist repeats a write that must not be lost for as long as the store is away, until
// the shutdown gives up. Meanwhile everybody waits or is told 503.
func (s *Session) insist(ctx context.Context, f *flight, write func() error) error {
	for try := 1; ; try++ {
		err := write()
		away, ok := errors.AsType[*StoreError](err)
		if !ok {
			return err
		}
		f.away.Store(away)
		s.m.log.ErrorContext(ctx, "the outcome of a refresh could not be stored; trying again", "session", s.id.String(), "try", try, "err", err)
		if gone := s.m.flights.pause(ctx, min(time.Duration(try)*100*time.Millisecond, time.Second)); gone != nil {
			return err
		}
	}
}
