package session

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// A session is outdated from the moment in which somebody who knows says that its token or
// its claims are no longer right, until a refresh that began after that has succeeded. Its
// access tokens count as run out, so nothing goes to an API with one of them. No clock is
// asked: of a refresh that is under way nobody knows what the provider had heard by then, so
// that another one has to follow.

// Values of State.Outdated.
const (
	upToDate     = iota
	outdated     // until the next refresh
	outdatedOnce // the refresh that is under way does not count
)

// Outdated makes the sessions that a word names refresh before they are used again. It costs
// no session: while the provider is away they wait for it. One that has no refresh token ends
// with its next use. It returns how many sessions it found; they may be repeated, which makes
// them refresh again. The error is a *StoreError: some of them may not have heard of it.
func (m *Manager) Outdated(ctx context.Context, of Word) (n int, err error) {
	found, err := m.named(ctx, of)
	if err != nil {
		return 0, err
	}
	var failed, done atomic.Int64
	var first atomic.Pointer[error]
	sideBySide(abreast, found, func(s *Session) {
		switch did, err := s.outdate(ctx); {
		case err != nil:
			first.CompareAndSwap(nil, &err)
			failed.Add(1)
		case did:
			done.Add(1)
		}
	})
	if e := first.Load(); e != nil {
		err = &StoreError{fmt.Errorf("%d of %d sessions could not be told to refresh: %w", failed.Load(), len(found), *e)}
	}
	return int(done.Load()), err
}

// outdate reports whether the session, which may have ended meanwhile, is outdated now.
func (s *Session) outdate(ctx context.Context) (bool, error) {
	_, err := s.change(ctx, func(st *State) error {
		if st.Ended != "" {
			return errUnchanged
		}
		st.Outdated = outdated
		if st.Attempt != nil {
			st.Outdated = outdatedOnce
		}
		st.expire(s.m.now())
		return nil
	})
	switch {
	case errors.Is(err, errUnchanged), errors.Is(err, ErrNoSession):
		return false, nil
	case err != nil:
		return false, err
	}
	s.tell(ctx, Event{Kind: WentStale})
	return true, nil
}

// UpToDate waits, if the session is outdated, for the refresh that makes an end of that. The
// errors are those of Token.
func (s *Session) UpToDate(ctx context.Context) error {
	for s.State().Outdated != upToDate {
		if _, err := s.await(ctx, Target{}); err != nil {
			return err
		}
	}
	return nil
}

// refreshed notes that a refresh brought at, and returns what of it may be used.
func (st *State) refreshed(at AccessToken) AccessToken {
	if st.Outdated == outdatedOnce {
		st.Outdated = outdated
		at.Expiry = at.Issued
		return at
	}
	st.Outdated = upToDate
	return at
}
