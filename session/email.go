package session

import (
	"context"
	"strings"
)

// Who speaks for the provider may know its users by their address alone. Where Config.ByEmail
// says so, sessions are found by it, too: by the claim email as it was when the record was
// written last. Letter case plays no part, since no two users' addresses differ in it alone.

// OfEmail returns the live sessions of an issuer whose users have this address, in no order;
// none without Config.ByEmail. The error is a *StoreError.
func (m *Manager) OfEmail(ctx context.Context, issuer, email string) ([]*Session, error) {
	return m.find(ctx, func(secret []byte) Key { return emailKey(secret, issuer, email) })
}

func emailKey(secret []byte, issuer, email string) Key {
	return Key(hash(secret, "email", issuer, strings.ToLower(email)))
}

// email is the user's address, empty if the provider does not tell it.
func (g *Grant) email() string {
	email, _ := g.Claims["email"].(string)
	return email
}

// sealed makes the record of a session.
func (m *Manager) sealed(st *State, id ID) (Record, error) {
	ring, terms := m.Keys(), m.terms()
	r, err := st.record(ring, id, terms.IdleTimeout)
	if err != nil {
		return Record{}, &StoreError{err}
	}
	if email := st.Grant.email(); terms.ByEmail && email != "" && st.Ended == "" {
		r.Index = append(r.Index, emailKey(ring.keys[0].index, st.Grant.Issuer, email))
	}
	return r, nil
}
