package session

import (
	"fmt"
	"slices"
	"time"
)

// Device is what is kept of the browser that a session lives in. Never a token.
type Device struct {
	Browser string `json:"browser,omitempty"` // family: "Firefox", "Chrome"
	System  string `json:"system,omitempty"`  // family: "Windows", "Android"
	Address string `json:"address,omitempty"` // prefix of the client's address
}

// State is one version of a session, as it stands in the store. It is never changed: a
// write makes a new one.
type State struct {
	Grant  Grant
	Device Device

	// Proof is the session's own value for a logout by navigation. It is not the
	// provider's sid, and no ticket.
	Proof string

	Created  time.Time // when this session, or the one that it continues, began
	Seen     time.Time // last activity that was written down
	Deadline time.Time // absolute limit; nothing moves it

	// Attempt is the lease and the write-ahead note: who presents the refresh token
	// since when. Nil while nobody does.
	Attempt *Attempt

	// Trouble is why the last refresh failed; nil after a good one.
	Trouble *Trouble

	// Ended is why the session is over, and EndedAt when that was; empty while it lives.
	Ended   Reason
	EndedAt time.Time

	// Successor is the session that goes on with this one after a new login of the same
	// user; zero if none does. Its streams are then not closed.
	Successor ID

	// Outbox holds what still has to be revoked after the end; nil when that is done.
	Outbox *Outbox

	// Unproven says that the session comes out of a backup, and may have ended since that
	// was taken. Nothing is served under it before the provider has taken its refresh token.
	Unproven bool

	// Outdated is zero unless the session must refresh before it is used again.
	Outdated int

	version uint64  // of the record that this was read from or written as
	sealed  keyMark // by which key that record was sealed
	size    int     // of that record's data, in bytes
	rest    *unread // what another release keeps in the record
}

// Attempt is a presentation of the refresh token that is under way, or was when its
// process died.
type Attempt struct {
	Holder string    `json:"holder"` // the process that presents
	Began  time.Time `json:"began"`
	Until  time.Time `json:"until"` // when another process may take over
}

// Outbox is what has to be revoked after the end of a session.
type Outbox struct {
	Revoke    []Revocation
	Tries     int
	NotBefore time.Time
}

// Times of a tombstone.
const (
	tombstoneFor = 24 * time.Hour      // so long does a browser hear that its session has ended
	hintFor      = 5 * time.Minute     // so long is the ID token kept for the logout at the provider
	revokeFor    = 30 * 24 * time.Hour // so long is a revocation tried
)

// bound is when the session ends whatever happens: at its absolute limit, or at the
// provider's if that comes first.
func (st *State) bound() time.Time {
	if c := st.Grant.Ceiling; !c.IsZero() && c.Before(st.Deadline) {
		return c
	}
	return st.Deadline
}

// idleAt is when the session ends if its last activity was at seen.
func (st *State) idleAt(seen time.Time, idle time.Duration) time.Time {
	if at := seen.Add(idle); at.Before(st.bound()) {
		return at
	}
	return st.bound()
}

// limit returns which limit has been reached at now, if any.
func (st *State) limit(now, seen time.Time, idle time.Duration) Reason {
	switch {
	case !now.Before(st.bound()) && st.bound().Before(st.Deadline):
		return ProviderLimit
	case !now.Before(st.bound()):
		return AbsoluteLimit
	case !now.Before(seen.Add(idle)):
		return IdleLimit
	}
	return ""
}

// over reports whether nothing goes on: the session has ended, and no other continues it.
func (st *State) over() bool { return st.Ended != "" && st.Successor.IsZero() }

// end turns the state into a tombstone. The refresh token moves into the outbox if
// revoke says so; the ID token stays for the hint, for minutes; all else is forgotten.
func (st *State) end(now time.Time, why Reason, revoke bool) {
	g := st.Grant
	st.Ended, st.EndedAt = why, now
	st.Attempt, st.Trouble, st.Unproven, st.Outdated, st.rest = nil, nil, false, upToDate, nil
	st.Grant = Grant{Issuer: g.Issuer, ClientID: g.ClientID, Subject: g.Subject, ProviderSession: g.ProviderSession, IDToken: g.IDToken, Generation: g.Generation}
	if revoke && g.RefreshToken != "" {
		st.outbox(now, g.RefreshToken)
	}
}

// expire makes the access tokens run out at now.
func (st *State) expire(now time.Time) {
	access := make(map[Target]AccessToken, len(st.Grant.Access))
	for target, t := range st.Grant.Access {
		t.Expiry = now
		access[target] = t
	}
	st.Grant.Access = access
}

// outbox adds a refresh token to what has to be revoked.
func (st *State) outbox(now time.Time, t Token) {
	out := &Outbox{NotBefore: now}
	if st.Outbox != nil {
		out.Revoke = slices.Clone(st.Outbox.Revoke)
	}
	r := Revocation{Issuer: st.Grant.Issuer, ClientID: st.Grant.ClientID, Token: t}
	if !slices.Contains(out.Revoke, r) {
		out.Revoke = append(out.Revoke, r)
	}
	st.Outbox = out
}

// due is when the manager has to look at the record again.
func (st *State) due(idle time.Duration) time.Time {
	if st.Ended == "" {
		return st.idleAt(st.Seen, idle)
	}
	var at time.Time
	if st.Grant.IDToken != "" {
		at = st.EndedAt.Add(hintFor)
	}
	if st.Outbox != nil && (at.IsZero() || st.Outbox.NotBefore.Before(at)) {
		at = st.Outbox.NotBefore
	}
	return at
}

// expires is when the store may forget the record. A live session is kept beyond its
// limits, since somebody still has to end it and to revoke its refresh token.
func (st *State) expires() time.Time {
	switch {
	case st.Ended == "":
		return st.bound().Add(tombstoneFor)
	case st.Outbox != nil:
		return st.EndedAt.Add(revokeFor)
	}
	return st.EndedAt.Add(tombstoneFor)
}

// record seals the state for the store. Version is the one that it replaces.
func (st *State) record(ring *Keyring, id ID, idle time.Duration) (Record, error) {
	w := st.wire()
	plain, err := w.encode(st.rest)
	if err != nil {
		return Record{}, fmt.Errorf("session: encoding a record: %w", err)
	}
	sealed, err := ring.seal(id, plain)
	if err != nil {
		return Record{}, err
	}
	st.sealed, st.size = markOf(sealed), len(sealed)
	r := Record{ID: id, Version: st.version, Data: sealed, Due: st.due(idle), Expires: st.expires()}
	if st.Ended == "" {
		r.Index = st.Grant.index(ring.keys[0].index)
	}
	return r, nil
}

// readState opens a record.
func readState(ring *Keyring, r Record) (*State, error) {
	plain, err := ring.open(r.ID, r.Data)
	if err != nil {
		return nil, err
	}
	w, rest, err := decodeState(plain)
	if err != nil {
		return nil, err
	}
	st := w.state()
	st.rest, st.version, st.sealed, st.size = rest, r.Version, markOf(r.Data), len(r.Data)
	return st, nil
}

// index lists the keyed hashes under which a grant's session is found.
func (g *Grant) index(secret []byte) []Key {
	keys := []Key{subjectKey(secret, g.Issuer, g.Subject)}
	if g.ProviderSession != "" {
		keys = append(keys, providerSessionKey(secret, g.Issuer, g.ProviderSession))
	}
	return keys
}

func subjectKey(secret []byte, issuer, subject string) Key {
	return Key(hash(secret, "sub", issuer, subject))
}

func providerSessionKey(secret []byte, issuer, sid string) Key {
	return Key(hash(secret, "sid", issuer, sid))
}
