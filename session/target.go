package session

import "strings"

// Target says for whom and for what an access token is, as a route asks for it. The zero
// Target is the token of the login.
type Target struct {
	Audience string // Auth0's audience parameter
	Resource string // RFC 8707
	Scope    string // space separated, as asked for

	// Details are the authorization details (RFC 9396 §2), a JSON array in one spelling; empty:
	// none are asked for.
	Details string `json:"-"`

	// Actor says that the token names the gateway as who acts for the user (RFC 8693 §1.1). It
	// is of tokens that were traded.
	Actor bool `json:"-"`
}

// wire puts the details behind the scopes, where no scope can be: a release that does not
// know them must not take this token for one without.
func (t Target) wire() Target {
	if t.Details != "" {
		t.Scope += "\n" + t.Details
	}
	return t
}

// read is the reverse of wire.
func (t Target) read() Target {
	t.Scope, t.Details, _ = strings.Cut(t.Scope, "\n")
	return t
}
