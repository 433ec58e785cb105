package session

import (
	"strings"
	"time"
)

// wireFormat is the version of a record's plain text: the newest that this release reads,
// and the one that it writes. Releases run side by side on one store, and an operator may
// go back to the one before, so what may change is bound.
//
// Within a version, a field may be added to the session or to its grant. A release that
// does not know it leaves it as it is and writes it back, until the session ends: then only
// what is known is kept, so that no token outlives its session unnoticed. So a new field
// must do no harm where nobody heeds it. No field is taken out, gets another name, type or
// meaning; and what is added inside one of the smaller objects (device, attempt, trouble,
// access, outbox) may be lost with the next write.
//
// Anything else is a new version, and comes in two releases: the first reads both and
// writes the old one, the second writes the new one. A release that meets a version beyond
// its own refuses the record, which costs a 503 and no session.
const wireFormat = 1

// wireState is State as it is encoded. Here, and only here, tokens are plain strings:
// what is made of it is sealed at once.
type wireState struct {
	Format   int         `json:"v"`
	Grant    wireGrant   `json:"grant"`
	Device   Device      `json:"device,omitzero"`
	Proof    string      `json:"proof,omitempty"`
	Created  time.Time   `json:"created"`
	Seen     time.Time   `json:"seen"`
	Deadline time.Time   `json:"deadline"`
	Attempt  *Attempt    `json:"attempt,omitempty"`
	Trouble  *Trouble    `json:"trouble,omitempty"`
	Ended    Reason      `json:"ended,omitempty"`
	EndedAt  time.Time   `json:"ended_at,omitzero"`
	Next     []byte      `json:"successor,omitempty"`
	Outbox   *wireOutbox `json:"outbox,omitempty"`
	Unproven bool        `json:"unproven,omitempty"`
	Outdated int         `json:"outdated,omitempty"`
}

type wireGrant struct {
	Issuer          string         `json:"iss"`
	ClientID        string         `json:"client"`
	Subject         string         `json:"sub"`
	ProviderSession string         `json:"sid,omitempty"`
	SessionState    string         `json:"session_state,omitempty"`
	Nonce           string         `json:"nonce,omitempty"`
	RefreshToken    string         `json:"rt,omitempty"`
	IDToken         string         `json:"idt,omitempty"`
	ProofKey        string         `json:"proof_key,omitempty"`
	IssuedAt        time.Time      `json:"iat,omitzero"`
	Claims          map[string]any `json:"claims,omitempty"`
	AuthTime        time.Time      `json:"auth_time,omitzero"`
	ACR             string         `json:"acr,omitempty"`
	Ceiling         time.Time      `json:"ceiling,omitzero"`
	Access          []wireAccess   `json:"access,omitempty"`
	Generation      uint64         `json:"generation,omitempty"`
}

type wireAccess struct {
	Target Target    `json:"target,omitzero"`
	Token  string    `json:"at"`
	Type   string    `json:"type,omitempty"`
	Scope  string    `json:"scope,omitempty"`
	Issued time.Time `json:"issued"`
	Expiry time.Time `json:"expiry,omitzero"`
}

type wireOutbox struct {
	Revoke    []wireRevocation `json:"revoke"`
	Tries     int              `json:"tries,omitempty"`
	NotBefore time.Time        `json:"not_before"`
}

type wireRevocation struct {
	Issuer   string `json:"iss"`
	ClientID string `json:"client"`
	Token    string `json:"rt"`
}

func (st *State) wire() wireState {
	g := st.Grant
	w := wireState{
		Format: wireFormat, Device: st.Device, Proof: st.Proof,
		Created: st.Created, Seen: st.Seen, Deadline: st.Deadline,
		Attempt: st.Attempt, Trouble: st.Trouble, Ended: st.Ended, EndedAt: st.EndedAt, Unproven: st.Unproven, Outdated: st.Outdated,
		Grant: wireGrant{
			Issuer: g.Issuer, ClientID: g.ClientID, Subject: g.Subject, ProviderSession: g.ProviderSession,
			SessionState: g.SessionState, Nonce: g.Nonce, RefreshToken: g.RefreshToken.Reveal(), IDToken: g.IDToken.Reveal(), ProofKey: g.ProofKey.Reveal(),
			IssuedAt: g.IssuedAt, Claims: g.Claims, AuthTime: g.AuthTime, ACR: g.ACR, Ceiling: g.Ceiling, Generation: g.Generation,
		},
	}
	if !st.Successor.IsZero() {
		w.Next = st.Successor[:]
	}
	for target, a := range g.Access {
		w.Grant.Access = append(w.Grant.Access, wireAccess{target.wire(), a.Token.Reveal(), a.Type, a.Scope, a.Issued, a.Expiry})
	}
	if st.Outbox != nil {
		w.Outbox = &wireOutbox{Tries: st.Outbox.Tries, NotBefore: st.Outbox.NotBefore}
		for _, r := range st.Outbox.Revoke {
			w.Outbox.Revoke = append(w.Outbox.Revoke, wireRevocation{r.Issuer, r.ClientID, r.Token.Reveal()})
		}
	}
	return w
}

func (w *wireState) state() *State {
	g := w.Grant
	st := &State{
		Device: w.Device, Proof: w.Proof, Created: w.Created, Seen: w.Seen, Deadline: w.Deadline,
		Attempt: w.Attempt, Trouble: w.Trouble, Ended: w.Ended, EndedAt: w.EndedAt, Unproven: w.Unproven, Outdated: w.Outdated,
		Grant: Grant{
			Issuer: g.Issuer, ClientID: g.ClientID, Subject: g.Subject, ProviderSession: g.ProviderSession,
			SessionState: g.SessionState, Nonce: g.Nonce, RefreshToken: Token(g.RefreshToken), IDToken: Token(g.IDToken), ProofKey: Token(g.ProofKey),
			IssuedAt: g.IssuedAt, Claims: g.Claims, AuthTime: g.AuthTime, ACR: g.ACR, Ceiling: g.Ceiling, Generation: g.Generation,
		},
	}
	copy(st.Successor[:], w.Next)
	if g.Access != nil {
		st.Grant.Access = make(map[Target]AccessToken, len(g.Access))
	}
	for _, a := range g.Access {
		at := AccessToken{Token: Token(a.Token), Type: a.Type, Scope: a.Scope, Issued: a.Issued, Expiry: a.Expiry}
		if strings.EqualFold(a.Type, "DPoP") {
			at.Key = st.Grant.ProofKey
		}
		st.Grant.Access[a.Target.read()] = at
	}
	if w.Outbox != nil {
		st.Outbox = &Outbox{Tries: w.Outbox.Tries, NotBefore: w.Outbox.NotBefore}
		for _, r := range w.Outbox.Revoke {
			st.Outbox.Revoke = append(st.Outbox.Revoke, Revocation{r.Issuer, r.ClientID, Token(r.Token)})
		}
	}
	return st
}
