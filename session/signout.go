package session

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Word is what the provider, or who speaks for it, has to say of sessions: of all that came
// out of ProviderSession (OpenID Connect Back-Channel Logout 1.0 §2.7), or, if that is empty,
// of all of Subject's, or of all whose user has the address Email. Where several are there,
// it is said of the sessions that have all of them.
type Word struct {
	Issuer          string
	Subject         string
	ProviderSession string
	Email           string // by which sessions are found with Config.ByEmail only

	// At is when it happened, in whole seconds of the provider's clock. It is compared
	// with Grant.IssuedAt, which is of the same clock: a session whose login is of a later
	// second is another one, and stays.
	At time.Time
}

// SignedOut ends the sessions that a sign-out names. A login that is
// under way, with an ID token from before the sign-out, ends as soon as it begins. A
// sign-out that comes again does no more than the first time, so that one may be repeated
// until it succeeds. It is a matter of a few calls to the store, however many sessions
// there are. The error is a *StoreError: some of the sessions may live on.
func (m *Manager) SignedOut(ctx context.Context, out Word, why Reason) (ended int, err error) {
	// The note first: a session that begins between the note and the search is found, and
	// one that begins after the search finds the note.
	if err := m.note(ctx, out, why); err != nil {
		return 0, err
	}
	found, err := m.named(ctx, out)
	if err != nil {
		return 0, err
	}
	ids := make([]ID, len(found))
	for i, s := range found {
		ids[i] = s.ID()
	}
	return m.EndAll(ctx, ids, why)
}

// named returns the live sessions that something is said of. The error is a *StoreError.
func (m *Manager) named(ctx context.Context, w Word) (found []*Session, err error) {
	switch {
	case w.ProviderSession != "":
		found, err = m.OfProviderSession(ctx, w.Issuer, w.ProviderSession)
	case w.Subject != "":
		found, err = m.OfSubject(ctx, w.Issuer, w.Subject)
	default:
		found, err = m.OfEmail(ctx, w.Issuer, w.Email)
	}
	return slices.DeleteFunc(found, func(s *Session) bool { return !w.concerns(&s.State().Grant) }), err
}

// concerns reports whether a session that was found by one of the names is meant.
func (w *Word) concerns(g *Grant) bool {
	return (w.Subject == "" || w.Subject == g.Subject) &&
		(w.Email == "" || strings.EqualFold(w.Email, g.email())) &&
		!g.IssuedAt.After(w.At)
}

// A note is the tombstone of sessions that have not begun yet: it has the issuer, and the
// time of the sign-out as that of its end. No ticket leads to it, and no index.

// note writes the sign-out down for logins that are under way, in other processes, too,
// whose keyrings may differ from ours while keys are rotated.
func (m *Manager) note(ctx context.Context, out Word, why Reason) error {
	ring := m.Keys()
	for _, key := range ring.keys {
		if err := m.noteAs(ctx, ring, out.noteID(key.id), out, why); err != nil {
			return err
		}
	}
	return nil
}

// noteAs writes it under one name. Of two sign-outs the later counts.
func (m *Manager) noteAs(ctx context.Context, ring *Keyring, id ID, out Word, why Reason) error {
	for {
		st, err := m.readNote(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case st == nil:
			st = &State{Grant: Grant{Issuer: out.Issuer}}
		case !out.At.After(st.EndedAt):
			return nil
		}
		st.Ended, st.EndedAt = why, out.At
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
func (w *Word) noteID(secret []byte) ID {
	switch {
	case w.ProviderSession != "":
		return ID(hash(secret, "signed out", "sid", w.Issuer, w.ProviderSession))
	case w.Subject != "":
		return ID(hash(secret, "signed out", "sub", w.Issuer, w.Subject))
	}
	return ID(hash(secret, "signed out", "email", w.Issuer, strings.ToLower(w.Email)))
}

// signedOut returns why the provider has ended, meanwhile, what a login with this grant
// began, "" if it has not. Of a user who is signed out everywhere and signs in again within the same
// second it cannot tell which came first, and lets them in; a session at the provider does
// not come back.
func (m *Manager) signedOut(ctx context.Context, g *Grant) (Reason, error) {
	said := []Word{
		{Issuer: g.Issuer, Subject: g.Subject, At: g.IssuedAt.Add(time.Second)},
		{Issuer: g.Issuer, ProviderSession: g.ProviderSession, At: g.IssuedAt},
	}
	if m.terms().ByEmail {
		said = append(said, Word{Issuer: g.Issuer, Email: g.email(), At: g.IssuedAt.Add(time.Second)})
	}
	for _, out := range said {
		if out.Subject == "" && out.ProviderSession == "" && out.Email == "" {
			continue
		}
		for _, key := range m.Keys().keys {
			st, err := m.readNote(ctx, out.noteID(key.id))
			if err != nil {
				return "", err
			}
			if st != nil && !st.EndedAt.Before(out.At) {
				return st.Ended, nil
			}
		}
	}
	return "", nil
}

// refuse ends the session of a login that the provider has taken back by the time that it
// begins.
func (m *Manager) refuse(ctx context.Context, s *Session) error {
	why, err := m.signedOut(ctx, &s.State().Grant)
	if err == nil && why == "" {
		return nil
	}
	if endErr := s.End(ctx, cmp.Or(why, ByProvider)); endErr != nil {
		// Nobody gets its ticket: its limits end it.
		m.log.WarnContext(ctx, "a session that must not begin could not be ended", "session", s.id.String(), "err", endErr)
	}
	if err != nil {
		return err
	}
	return &EndedError{Reason: why, ID: s.id}
}
