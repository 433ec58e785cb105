// Package preset is what is known of particular providers, as data: one table, and no code
// that acts on it.
//
//	provider.preset: auth0 ──▶ Find ──▶ Preset ──┬─▶ internal/config: the defaults of keys
//	                                             └─▶ internal/app: the rest, for the client
//
// A preset gives keys of the configuration other defaults than they have without it, so
// that whatever an operator writes wins, and `cloakroom config print` shows what is in
// force. What has no key (an error code that means something else, a way to log out where
// the metadata name none) goes to the provider client as it is.
//
//	p, ok := preset.Find("google")
//	p.Scopes          // openid profile email: Google refuses offline_access
//	p.AuthorizeParams // access_type=offline, prompt=consent: its own way to ask for one
package preset

import (
	"slices"
	"time"
)

// Preset is what one provider does differently. The zero value of each field says that
// there is nothing to know.
type Preset struct {
	Name string // as provider.preset has it

	// Issuer is the only issuer that the provider has, "" where each customer has one.
	Issuer string
	// AnySlash says that operators write the issuer with and without its final slash,
	// and that both lead to the same provider.
	AnySlash bool
	// Issuers are other spellings of the issuer in ID tokens.
	Issuers []string
	// IssuerTemplate is the issuer of all tenants, with {tenantid} in the tenant's place.
	// It counts once tenants are allowed.
	IssuerTemplate string

	// Scopes are what a login asks for in the place of the usual scopes.
	Scopes []string
	// AuthorizeParams are further parameters of the authorization request.
	AuthorizeParams map[string]string
	// LoginParams are what /bff/login passes on beside the usual parameters.
	LoginParams []string
	// Unheard are keys that the provider makes nothing of, with what to do instead.
	Unheard map[string]string

	// SendScope says that a refresh has to name the scopes of the login, since the answer
	// lacks something otherwise.
	SendScope bool
	// RefreshScopes are named by every refresh that names scopes for a route.
	RefreshScopes []string
	// DeadTokenErrors are error codes that say of a refresh token what invalid_grant says
	// elsewhere.
	DeadTokenErrors []string
	// ClaimsChallenges says that its APIs ask for another login by a 401 insufficient_claims,
	// with the claims that the login has to ask for.
	ClaimsChallenges bool
	// Rotation is what an exchange does to the refresh token that was presented.
	Rotation Rotation
	// RefreshLife is how long a refresh token lives unused unless the provider is told
	// otherwise, where that is less than a working day; OnlineLife is that of one without
	// offline_access.
	RefreshLife, OnlineLife time.Duration

	// AssertionAudience is who client assertions are for, where that is not the issuer:
	// token_endpoint, or endpoint for the one that is asked.
	AssertionAudience string

	// Logout is the strategy in the place of auto.
	Logout string
	// LogoutFallback is the strategy of auto where the metadata name no end-session
	// endpoint, or are not to be had.
	LogoutFallback string
	// LogoutHint is the claim that tells the provider whom to sign out.
	LogoutHint string
	// NeedsIDTokenHint says that a logout without the ID token fails.
	NeedsIDTokenHint bool
	// Advice is what to look at in the provider's own console, since no request can tell.
	Advice []string
	// RevokesAllDevices says that revoking one refresh token ends the user's sessions of
	// this client everywhere, so that a logout had better not.
	RevokesAllDevices bool
}

// Rotation is a provider's habit with refresh tokens.
type Rotation string

// The habits. What a provider lets its operators choose stands here as its default, or as
// the strictest choice where a wrong guess would cost sessions.
const (
	Unknown     Rotation = ""            // nothing is known, so it is taken for strict
	Strict      Rotation = "strict"      // each works once
	Grace       Rotation = "grace"       // the one before works for a while
	Idempotent  Rotation = "idempotent"  // the one before returns the current one for a while
	Overlapping Rotation = "overlapping" // a new one each time, and the old ones stay good
	Static      Rotation = "static"      // one for the life of the grant
)

// RetryAtOnce reports whether a refresh token whose answer was lost may be presented again
// while the access token still holds. Where reuse ends more than the refresh token, that
// waits until nothing else is left.
func (r Rotation) RetryAtOnce() bool {
	switch r {
	case Grace, Idempotent, Overlapping, Static:
		return true
	}
	return false
}

// Find returns the preset with a name.
func Find(name string) (Preset, bool) {
	all := All()
	i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == name })
	if i < 0 || name == "" {
		return Preset{}, false
	}
	return all[i], true
}

// Names lists the presets' names, in the order of the documentation.
func Names() []string {
	all := All()
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.Name
	}
	return names
}
