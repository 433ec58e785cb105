package session

import (
	"fmt"
	"log/slog"
	"time"
)

// Token is the text of a refresh, access or ID token. It does not print: formatting,
// logging and encoding give a mask. Reveal is the one way out.
type Token string

const tokenMask = "[token]"

// Reveal returns the text, for the wire and for sealing.
func (t Token) Reveal() string { return string(t) }

// String returns a mask.
func (t Token) String() string { return tokenMask }

// Format writes a mask for every verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(tokenMask)) }

// MarshalText returns a mask.
func (t Token) MarshalText() ([]byte, error) { return []byte(tokenMask), nil }

// LogValue returns a mask.
func (t Token) LogValue() slog.Value { return slog.StringValue(tokenMask) }

// AccessToken is an access token and what the provider said of it. It is opaque: nothing
// here reads its text.
type AccessToken struct {
	Token Token
	Type  string // as the provider wrote it; "Bearer" or "DPoP" in any case
	Scope string // granted; as asked where the provider said nothing

	// Issued is the moment before the request for it was sent, Expiry its end by this
	// gateway's clock. A zero Expiry means that no end is known: nothing is planned.
	Issued time.Time
	Expiry time.Time

	// Key is the private key that a DPoP token is bound to, as Grant.ProofKey; empty: it is
	// a bearer token.
	Key Token
}

// margin is the part at the end of a token's life in which it is not used any more: two
// seconds, at most a tenth of the lifetime. APIs commonly allow no skew at all.
func (t AccessToken) margin() time.Duration {
	return min(2*time.Second, t.Expiry.Sub(t.Issued)/10)
}

// Holds reports whether the token can be put on a request at now.
func (t AccessToken) Holds(now time.Time) bool {
	if t.Token == "" {
		return false
	}
	return t.Expiry.IsZero() || now.Before(t.Expiry.Add(-t.margin()))
}

// Due reports whether the token should be refreshed at now: less than early is left of
// it, where early is capped at a fifth of its lifetime.
func (t AccessToken) Due(now time.Time, early time.Duration) bool {
	if t.Token == "" {
		return true
	}
	if t.Expiry.IsZero() {
		return false
	}
	return !now.Before(t.Expiry.Add(-min(early, t.Expiry.Sub(t.Issued)/5)))
}

// plausible corrects what a provider says of a token's lifetime. An end that is not in the
// future (its clock is wrong) leaves a dozen seconds, so that whoever waited can use the
// token and no loop begins; an end beyond the session's is the session's.
func (t AccessToken) plausible(deadline time.Time) AccessToken {
	t.Issued, t.Expiry = t.Issued.Round(0), t.Expiry.Round(0) // wall clock
	switch {
	case t.Expiry.IsZero():
	case !t.Expiry.After(t.Issued):
		t.Expiry = t.Issued.Add(13 * time.Second)
	case t.Expiry.After(deadline):
		t.Expiry = deadline
	}
	return t
}
