package session

import (
	"context"
	"errors"
	"time"
)

// errHeld says that another process presents the refresh token just now.
var errHeld = errors.New("session: another process holds the lease")

// errOvertaken says that another process has renewed the grant meanwhile. What it stored
// is newer than anything in our hands.
var errOvertaken = errors.New("session: another process has refreshed")

// lease notes in the record that this process presents the refresh token from now on:
// the write-ahead of the exchange. It returns the grant as it is at that moment.
func (s *Session) lease(ctx context.Context, f *flight) (*Grant, error) {
	clock, err := s.m.leaseNow(ctx)
	if err != nil {
		return nil, err
	}
	orphaned := false
	st, err := s.change(ctx, func(st *State) error {
		now := s.m.now()
		if st.Ended != "" {
			return s.ended(now, st)
		}
		if s.held(st, clock) {
			return errHeld
		}
		if orphaned = st.Attempt != nil; orphaned {
			// Somebody presented this token and never came back to say what happened.
			st.Trouble = st.Trouble.unanswered()
		}
		// What made this flight seem right may have been overtaken by a failure.
		if err := st.hindrance(s.m.terms().LostAnswer, now, f.target, f.forced); err != nil {
			return err
		}
		st.Attempt = s.attempt(clock)
		st.Outdated = min(st.Outdated, outdated) // this one began after what was said
		return nil
	})
	if err != nil {
		return nil, err
	}
	if orphaned {
		s.m.tally.takenOver.Add(1)
	}
	return &st.Grant, nil
}

// held reports whether another process presents the refresh token, by the clock that
// leases run by.
func (s *Session) held(st *State, clock time.Time) bool {
	a := st.Attempt
	return a != nil && a.Holder != s.m.holder && !s.m.terms().SoleOwner && clock.Before(a.Until)
}

// retake renews the lease for one more try after a lost answer, and writes down that the
// answer was lost: if this process dies now, the next one has to know.
func (s *Session) retake(ctx context.Context, g *Grant, failed *RefreshError) (*Grant, error) {
	clock, err := s.m.leaseNow(ctx)
	if err != nil {
		return nil, err
	}
	st, err := s.change(ctx, func(st *State) error {
		now := s.m.now()
		if st.Ended != "" {
			return s.ended(now, st)
		}
		if st.Grant.Generation != g.Generation {
			return errOvertaken
		}
		st.Trouble = st.Trouble.after(now, failed)
		st.Attempt = s.attempt(clock)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &st.Grant, nil
}

// attempt is a lease that begins now. It is longer than two calls may take: nobody may
// take over while a flight lives.
func (s *Session) attempt(now time.Time) *Attempt {
	return &Attempt{Holder: s.m.holder, Began: now, Until: now.Add(2*s.m.terms().Exchange + 10*time.Second)}
}

// noteFailure gives the lease back and writes down what happened, so that nobody, here or
// elsewhere, repeats it before its time.
func (s *Session) noteFailure(ctx context.Context, f *flight, g *Grant, failed *RefreshError) error {
	_, err := s.change(ctx, func(st *State) error {
		now := s.m.now()
		if st.Ended != "" {
			return s.ended(now, st)
		}
		if st.Grant.Generation != g.Generation {
			return errOvertaken
		}
		st.Attempt = nil
		if !failed.Class.ofTarget(f.target) {
			st.Trouble = st.Trouble.after(now, failed)
		}
		return nil
	})
	return err
}
