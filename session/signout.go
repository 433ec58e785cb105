package session

import (
	"context"
	"errors"
	"time"
)

// SignOut is the end of sessions as the provider tells it (OpenID Connect Back-Channel
// Logout 1.0 §2.7): of all that came out of ProviderSession, or, if that is empty, of all
// of Subject's.
type SignOut struct {
	Issuer          string
	Subject         string // empty if ProviderSession is there
	ProviderSession string

	// At is when it happened, in whole seconds of the provider's clock. It is compared
	// with Grant.IssuedAt, which is of the same clock: a session whose login is of a later
	// second is another one, and stays.
	At time.Time
}

// SignedOut ends the sessions that a sign-out concerns, for ByProvider. A login that is
// under way, with an ID token from before the sign-out, ends as soon as it begins. A
// sign-out that comes again does no more than the first time, so that one may be repeated
// until it succeeds. It is a matter of a few calls to the store, however many sessions
// there are. The error is a *StoreError: some of the sessions may live on.
func (m *Manager) SignedOut(ctx context.Context, out SignOut) (ended int, err error) {
	// The note first: a session that begins between the note and the search is found, and
	// one that begins after the search finds the note.
	if err := m.note(ctx, out); err != nil {
		return 0, err
	}
	var found []*Session
	if out.ProviderSession != "" {
		found, err = m.OfProviderSession(ctx, out.Issuer, out.ProviderSession)
	} else {
		found, err = m.OfSubject(ctx, out.Issuer, out.Subject)
	}
	if err != nil {
		return 0, err
	}
	var ids []ID
	for _, s := range found {
		if out.concerns(&s.State().Grant) {
			ids = append(ids, s.ID())
		}
	}
	return m.EndAll(ctx, ids, ByProvider)
}

// concerns reports whether a session that was found by the sign-out's name is one that it
// means.
func (out *SignOut) concerns(g *Grant) bool {
	return (out.Subject == "" || out.Subject == g.Subject) && !g.IssuedAt.After(out.At)
}

// A note is the tombstone of sessions that have not begun yet: it has the issuer, and the
// time of the sign-out as that of its end. No ticket leads to it, and no index.

// note writes the sign-out down for logins that are under way, in other processes, too,
// whose keyrings may differ from ours while keys are rotated.
func (m *Manager) note(ctx context.Context, out SignOut) error {
	ring := m.Keys()
	for _, key := range ring.keys {
		if err := m.noteAs(ctx, ring, out.noteID(key.id), out); err != nil {
			return err
		}
	}
	return nil
}

// noteAs writes it under one name. Of two sign-outs the later counts.
func (m *Manager) noteAs(ctx context.Context, ring *Keyring, id ID, out SignOut) error {
	for {
		st, err := m.readNote(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case st == nil:
			st = &State{Grant: Grant{Issuer: out.Issuer}, Ended: ByProvider}
		case !out.At.After(st.EndedAt):
			return nil
		}
		st.EndedAt = out.At
		r, err := st.record(ring, id, m.terms().IdleTimeout)
		if err != nil {
			return &StoreError{err}
		}
		r.Expires = m.now().Add(noteFor)
		if st.version == 0 {
			err = m.cfg.Store.Create(ctx, r)
		} else {
			err = m.cfg.Store.Replace(ctx, r)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrExists), errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
			// Somebody wrote another one meanwhile, or it has expired.
		default:
			return &StoreError{err}
		}
	}
}

// noteFor is longer than any login takes from its ID token to its session.
const noteFor = 10 * time.Minute

// readNote returns the note with this id, nil if there is none.
func (m *Manager) readNote(ctx context.Context, id ID) (*State, error) {
	r, err := m.load(ctx, id)
	if errors.Is(err, ErrNoSession) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return m.unseal(ctx, r)
}

// noteID names the note of a sign-out.
func (out *SignOut) noteID(secret []byte) ID {
	if out.ProviderSession != "" {
		return ID(hash(secret, "signed out", "sid", out.Issuer, out.ProviderSession))
	}
	return ID(hash(secret, "signed out", "sub", out.Issuer, out.Subject))
}

// signedOut reports whether the provider has ended, meanwhile, what a login with this
// grant began. Of a user who is signed out everywhere and signs in again within the same
// second it cannot tell which came first, and lets them in; a session at the provider does
// not come back.
func (m *Manager) signedOut(ctx context.Context, g *Grant) (bool, error) {
	for _, out := range []SignOut{
		{Issuer: g.Issuer, Subject: g.Subject, At: g.IssuedAt.Add(time.Second)},
		{Issuer: g.Issuer, ProviderSession: g.ProviderSession, At: g.IssuedAt},
	} {
		if out.Subject == "" && out.ProviderSession == "" {
			continue
		}
		for _, key := range m.Keys().keys {
			st, err := m.readNote(ctx, out.noteID(key.id))
			if err != nil {
				return false, err
			}
			if st != nil && !st.EndedAt.Before(out.At) {
				return true, nil
			}
		}
	}
	return false, nil
}

// refuse ends the session of a login that the provider has taken back by the time that it
// begins.
func (m *Manager) refuse(ctx context.Context, s *Session) error {
	out, err := m.signedOut(ctx, &s.State().Grant)
	if err == nil && !out {
		return nil
	}
	if endErr := s.End(ctx, ByProvider); endErr != nil {
		// Nobody gets its ticket: its limits end it.
		m.log.WarnContext(ctx, "a session that must not begin could not be ended", "session", s.id.String(), "err", endErr)
	}
	if err != nil {
		return err
	}
	return &EndedError{Reason: ByProvider, ID: s.id}
}
