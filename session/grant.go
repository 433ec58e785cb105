package session

import "time"

// Grant is what the provider gave at the login and has renewed since: the refresh token,
// the ID token with its claims, and the access tokens by target. It names the issuer and
// the client that it belongs to; its tokens are never presented under others.
type Grant struct {
	Issuer   string
	ClientID string
	Subject  string

	// ProviderSession is the provider's sid claim, empty where it issues none.
	ProviderSession string

	// SessionState is the session_state parameter of the callback (OpenID Connect
	// Session Management 1.0 §2), empty where there was none.
	SessionState string

	// Nonce is the nonce of the login; a refreshed ID token that has one must repeat it.
	Nonce string

	RefreshToken Token
	IDToken      Token // the last one, whole: a hint for the logout

	// ProofKey is the private key that tokens of this grant are bound to (RFC 9449), as text
	// that the Refresher understands; empty: there is none. It is as secret as a token, and
	// stays with the grant over refreshes, restarts and replicas.
	ProofKey Token

	// IssuedAt is the iat of the login's ID token, in whole seconds of the provider's clock;
	// refreshes leave it. It says whether the login came before or after something else
	// that happened at the provider. Zero means before everything.
	IssuedAt time.Time

	// Claims of the ID token (and of userinfo, where that is merged); numbers are
	// json.Number. Read only: a refresh replaces the map, nobody changes it.
	Claims   map[string]any
	AuthTime time.Time // zero if the provider did not say
	ACR      string

	// Ceiling is when the provider wants the session to be over, whatever happens; zero if
	// it named no such time. It is of the login: no refresh moves it.
	Ceiling time.Time

	// Access holds an access token for each target that was asked for, all from one
	// refresh-token chain. Read only, like Claims.
	Access map[Target]AccessToken

	// Generation counts the refreshes: it grows whenever Access or RefreshToken changes.
	Generation uint64
}

// Renewal is a token endpoint's answer to a refresh.
type Renewal struct {
	Access       AccessToken
	RefreshToken Token // empty: the old one stays
	IDToken      Token // empty: claims and the last ID token stay
	ProofKey     Token // that the refresh has bound the grant to; empty: the old one stays
}

// Identity is what a verified ID token says.
type Identity struct {
	IDToken         Token
	Claims          map[string]any
	ProviderSession string
	AuthTime        time.Time
	ACR             string
}
