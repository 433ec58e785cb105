package devidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Knobs turn the provider's behaviour. The zero Knobs are a strict and healthy provider.
// In JSON (see [Provider.Control]) durations are strings such as "5s".
type Knobs struct {
	// Preset names the provider whose manners these are, empty for nobody's. In JSON it
	// takes them all, and the other members then turn what they name; see [Manners].
	Preset string `json:"preset"`

	// AutoLogin signs this user in without a page; empty shows the page.
	AutoLogin string `json:"auto_login"`
	// AuthorizeError is answered to each authorization request, for example
	// "access_denied" or "consent_required"; empty for none.
	AuthorizeError string `json:"authorize_error"`
	// IgnoreStepUp lets a session pass whatever prompt, max_age and acr_values ask.
	IgnoreStepUp bool `json:"ignore_step_up"`
	// Push is whether authorization requests are taken ahead of the browser; zero: they are
	// not.
	Push Offer `json:"push"`
	// RequestObjects is whether authorization requests are taken signed, under the client's
	// keys; zero: they are not.
	RequestObjects Offer `json:"request_objects"`
	// IssInCallback spoils the iss parameter of the callback (RFC 9207).
	IssInCallback IssFault `json:"iss_in_callback"`
	// StateInCallback spoils the state parameter of the callback.
	StateInCallback StateFault `json:"state_in_callback"`
	// CodeTTL is how long a code can be redeemed; zero means 30 seconds.
	CodeTTL time.Duration `json:"code_ttl"`

	// AccessTokenTTL is the lifetime of access tokens; zero means 5 minutes.
	AccessTokenTTL time.Duration `json:"at_ttl"`
	// AccessTokenFormat is how access tokens look; zero means JWTs (RFC 9068).
	AccessTokenFormat TokenFormat `json:"at_format"`
	// AccessTokenSize is the least length of an access token in bytes; zero: as it comes.
	AccessTokenSize int `json:"at_size"`
	// OpaqueWithoutAudience makes access tokens opaque where no audience was asked for.
	OpaqueWithoutAudience bool `json:"opaque_at_without_audience"`
	// ExpiresIn is sent as expires_in whatever the truth; nil sends the truth, in seconds.
	ExpiresIn json.RawMessage `json:"expires_in,omitempty"`
	// OmitExpiresIn leaves expires_in out.
	OmitExpiresIn bool `json:"omit_expires_in"`
	// TokenType is the token_type of answers; empty means Bearer.
	TokenType string `json:"token_type"`
	// IssuedTokenType is the issued_token_type of token exchanges; empty tells the truth.
	IssuedTokenType string `json:"issued_token_type"`
	// OmitAccessToken leaves access_token out.
	OmitAccessToken bool `json:"omit_access_token"`

	// RefreshTokenMode is what an exchange does to refresh tokens; zero means rotating.
	RefreshTokenMode RefreshTokenMode `json:"rt_mode"`
	// ReuseLeeway is how long after its use a refresh token may come again. When rotating
	// this forks the family, and zero means not at all; when idempotent it returns the
	// current token, and zero means for ever.
	ReuseLeeway time.Duration `json:"reuse_leeway"`
	// ReuseSparesFamily refuses a used refresh token and leaves its grant alone.
	ReuseSparesFamily bool `json:"reuse_spares_family"`
	// ReuseSparesAccessTokens leaves the access tokens of a killed grant alive.
	ReuseSparesAccessTokens bool `json:"reuse_spares_access_tokens"`
	// RefreshKillsOldAccessTokens ends the grant's access tokens at each refresh.
	RefreshKillsOldAccessTokens bool `json:"refresh_kills_old_at"`
	// RefreshTokenAbsoluteTTL ends a family so long after its login; zero means never.
	RefreshTokenAbsoluteTTL time.Duration `json:"rt_abs_ttl"`
	// RefreshTokenIdleTTL ends a refresh token not used for so long; zero means never.
	RefreshTokenIdleTTL time.Duration `json:"rt_idle_ttl"`
	// RefreshTokenHint names the member that tells the refresh token's remaining seconds,
	// refresh_expires_in or refresh_token_expires_in; empty for none.
	RefreshTokenHint string `json:"rt_hint"`
	// RefreshTokenSize is the length of refresh tokens in bytes; zero means 43.
	RefreshTokenSize int `json:"rt_size"`
	// RefreshTokenAlphabet is what they are made of; empty means base64url.
	RefreshTokenAlphabet string `json:"rt_alphabet"`
	// RefreshTokenLimit drops the oldest grant of a user and client above so many; zero
	// means no limit.
	RefreshTokenLimit int `json:"rt_limit"`
	// NoRefreshToken issues none: at logins the grant has none, at refreshes the old one
	// stays.
	NoRefreshToken bool `json:"no_refresh_token"`
	// RefreshTokenFor is how a login asks for a refresh token; zero means by the scope
	// offline_access.
	RefreshTokenFor OfflineBy `json:"rt_for"`
	// RefreshRefusals are the answers to refresh tokens that are dead, by why they are;
	// what is missing is 400 invalid_grant.
	RefreshRefusals map[Death]Refusal `json:"rt_refusals,omitempty"`
	// RevocationReach is what a revocation kills; zero means the token's grant.
	RevocationReach Reach `json:"revocation_reach"`

	// Scopes are the known ones; a login that asks for another gets invalid_scope. Nil
	// means that every one is.
	Scopes []string `json:"scopes"`
	// RefreshScopes are what a refresh has to name if it names scopes at all, or it gets
	// invalid_scope.
	RefreshScopes []string `json:"refresh_scopes"`
	// IgnoreRefreshScope makes nothing of the scopes that a refresh names.
	IgnoreRefreshScope bool `json:"ignore_refresh_scope"`
	// AskAgain leaves out of refresh answers what the refresh names no scope for: the ID
	// token without openid, the next refresh token without offline_access.
	AskAgain AskAgain `json:"ask_again"`

	// OmitScope leaves scope out of token answers.
	OmitScope bool `json:"omit_scope"`
	// GrantScope narrows what is granted to these, space separated; empty grants all.
	GrantScope string `json:"grant_scope"`
	// Audiences are the known ones; nil means that every one is.
	Audiences []string `json:"audiences"`
	// DefaultAudience is the aud where none was asked for; empty means the issuer.
	DefaultAudience string `json:"default_audience"`
	// OmitAudience leaves aud out of access tokens, which have client_id all the same.
	OmitAudience bool `json:"omit_aud"`
	// AudienceFallback answers an unknown audience with the default one's token instead
	// of invalid_target.
	AudienceFallback bool `json:"audience_fallback"`

	// ResourcesByLogin refuses refreshes for resources that the login did not name.
	ResourcesByLogin bool `json:"resources_by_login"`
	// DetailTypes are the types of authorization details (RFC 9396) that are granted; nil means
	// that nobody heeds the parameter.
	DetailTypes []string `json:"detail_types"`
	// OmitDetails leaves authorization_details out of token answers.
	OmitDetails bool `json:"omit_details"`

	// TokenAuth is the only client authentication that is taken; zero takes each
	// registered client's basic or post, and nothing from public ones.
	TokenAuth ClientAuth `json:"token_auth"`
	// AssertionAudience is the only aud of assertions that is taken; zero means the issuer.
	AssertionAudience AssertionAudience `json:"assertion_audience"`
	// BoundTokens binds access tokens to the certificate of the connection on which they were
	// asked for (RFC 8705 §3), and gives none without one.
	BoundTokens bool `json:"bound_tokens"`
	// DPoPRequired refuses token requests without a proof of possession (RFC 9449). Where there
	// is one, the tokens are bound to its key in any case.
	DPoPRequired bool `json:"dpop_required"`
	// DPoPNonce is which nonces proofs must have; zero means none.
	DPoPNonce NonceRule `json:"dpop_nonce"`

	// IDTokenTTL is the lifetime of ID tokens; zero means 5 minutes.
	IDTokenTTL time.Duration `json:"idt_ttl"`
	// IDTokenAlg is RS256 or ES256; empty means RS256.
	IDTokenAlg string `json:"idt_alg"`
	// IDTokenFault spoils ID tokens; zero for none.
	IDTokenFault Fault `json:"id_token_fault"`
	// IDTokenFaultAt is when: zero means at logins and at refreshes.
	IDTokenFaultAt Occasion `json:"id_token_fault_at"`
	// NoIDTokenOnRefresh leaves the ID token out of refresh answers.
	NoIDTokenOnRefresh bool `json:"no_id_token_on_refresh"`
	// NonceOnRefresh repeats the nonce in refreshed ID tokens; they need none.
	NonceOnRefresh bool `json:"nonce_on_refresh"`
	// BareIDToken keeps the user's claims for the userinfo endpoint.
	BareIDToken bool `json:"bare_id_token"`
	// SessionExpiry sets the claim session_expiry so long after the login; negative lies
	// in the past, zero leaves the claim out.
	SessionExpiry time.Duration `json:"session_expiry"`
	// SessionExpiryMillis writes session_expiry in milliseconds instead of seconds.
	SessionExpiryMillis bool `json:"session_expiry_millis"`

	// ClaimsScript runs at each token request that is good, before anything is redeemed;
	// nil for none. It stands for rules, Actions and hooks.
	ClaimsScript ClaimsScript `json:"-"`
	// MFARequired refuses refreshes with mfa_required and an mfa_token.
	MFARequired bool `json:"mfa_required"`
	// ErrorNext are answers that take the place of real ones, used up in order.
	ErrorNext []CannedAnswer `json:"error_next"`
	// Timing delays or breaks answers; zero answers at once.
	Timing Timing `json:"timing"`
	// Flap is how many of the next token requests fail; it counts down.
	Flap int `json:"flap"`
	// FlapStatus is how they fail; zero means 503.
	FlapStatus int `json:"flap_status"`
	// ClockOffset is how far the provider's clock is ahead; negative for behind.
	ClockOffset time.Duration `json:"clock_offset"`

	// Down answers 503 everywhere.
	Down bool `json:"down"`
	// DiscoveryDown answers 503 instead of metadata.
	DiscoveryDown bool `json:"discovery_down"`
	// DiscoveryIssuer is a wrong issuer for the metadata; empty tells the right one.
	DiscoveryIssuer string `json:"discovery_issuer"`
	// The Discovery… switches leave things out of the metadata.
	DiscoveryWithoutEndSession bool `json:"discovery_without_end_session"`
	DiscoveryWithoutRevocation bool `json:"discovery_without_revocation"`
	DiscoveryWithoutUserInfo   bool `json:"discovery_without_userinfo"`
	DiscoveryWithoutPKCE       bool `json:"discovery_without_pkce"`
	DiscoveryWithoutIss        bool `json:"discovery_without_iss"` // RFC 9207 support
	// DiscoveryPlainPKCE names plain as the only PKCE method.
	DiscoveryPlainPKCE bool `json:"discovery_plain_pkce"`
	// TokenIssuer is the iss of ID tokens where it is not the metadata's issuer.
	TokenIssuer string `json:"token_issuer"`
	// Tenant makes this a provider of many tenants. In place of the issuer's first path
	// segment the metadata have {tenantid} and ID tokens this tenant, which is their claim
	// tid, too.
	Tenant string `json:"tenant"`
	// Logout is how a browser is signed out; zero means by the end-session endpoint.
	Logout LogoutStyle `json:"logout"`
	// StateAfterLogout spoils the state parameter on the way back from a logout.
	StateAfterLogout StateFault `json:"state_after_logout"`
	// LogoutTokenType is the typ of logout tokens; empty means logout+jwt.
	LogoutTokenType string `json:"logout_token_type"`
	// LogoutTokenFault spoils the logout tokens that are sent when a browser signs out.
	LogoutTokenFault LogoutFault `json:"logout_token_fault"`
	// LogoutNeedsHint refuses a logout without id_token_hint instead of asking the user.
	LogoutNeedsHint bool `json:"logout_needs_hint"`
	// IssuerStyle adds the issuer's final slash or takes it away; zero: as configured.
	IssuerStyle IssuerStyle `json:"issuer_style"`
	// JWKSName moves the keys to a place of this name below the usual one.
	JWKSName string `json:"jwks_name"`
	// JWKSDown answers 503 instead of keys.
	JWKSDown bool `json:"jwks_down"`
	// NastyKeys makes a key set that is hard to read: two RSA, two P-256, one secp256k1
	// and one Ed25519 key for signatures, two for encryption. It takes effect at the start
	// and at the next RotateKeys.
	NastyKeys bool `json:"nasty_keys"`
	// OmitKid leaves kid out of token headers.
	OmitKid bool `json:"omit_kid"`
	// SignedUserInfo makes userinfo answers JWTs.
	SignedUserInfo bool `json:"signed_userinfo"`
	// UserInfoFault spoils userinfo answers; zero for none.
	UserInfoFault UserInfoFault `json:"userinfo_fault"`

	// Remember bounds the requests and tokens that are kept for tests, newest first; zero
	// means 100,000 of each.
	Remember int `json:"remember"`
}

// TokenFormat is how access tokens look.
type TokenFormat string

// The formats of access tokens.
const (
	JWT    TokenFormat = "jwt"
	Opaque TokenFormat = "opaque"
	JWE    TokenFormat = "jwe" // a JWT, encrypted for nobody here
)

// RefreshTokenMode is what an exchange does to refresh tokens.
type RefreshTokenMode string

// The habits of providers.
const (
	Rotating         RefreshTokenMode = "rotating"          // a new one each time, the old one is used up
	RotatingOptional RefreshTokenMode = "rotating_optional" // a new one at every second exchange
	Static           RefreshTokenMode = "static"            // one for ever, not repeated in answers
	StaticEcho       RefreshTokenMode = "static_echo"       // one for ever, repeated in answers
	Overlapping      RefreshTokenMode = "overlapping"       // a new one each time, all stay good
	Idempotent       RefreshTokenMode = "idempotent"        // as rotating, but a used one returns the current one
)

// Death is why a refresh token is no good.
type Death string

// The deaths of refresh tokens.
const (
	UnknownToken Death = "unknown" // never issued, or another client's
	UsedToken    Death = "used"    // exchanged before
	RevokedToken Death = "revoked" // its grant has ended
	ExpiredToken Death = "expired"
)

// OfflineBy is how a login asks for a refresh token.
type OfflineBy string

// The ways to a refresh token.
const (
	ByAccessType OfflineBy = "access_type" // access_type=offline, and consent
	Unasked      OfflineBy = "unasked"     // every login gets one
)

// AskAgain is what a refresh has to name to get it.
type AskAgain string

// What the scopes of a refresh decide.
const (
	ForIDToken   AskAgain = "id_token" // openid
	ForAllTokens AskAgain = "all"      // openid, and offline_access for the refresh token
)

// Reach is what a revocation kills.
type Reach string

// The reaches of a revocation.
const (
	RefreshTokenOnly Reach = "refresh_token" // its access tokens live on
	WholeUser        Reach = "user"          // every grant that the user gave the client
)

// LogoutStyle is how a browser is signed out.
type LogoutStyle string

// The styles of logouts.
const (
	LogoutAuth0   LogoutStyle = "auth0_v2" // also at /v2/logout, with returnTo
	LogoutCognito LogoutStyle = "cognito"  // only at /logout, with logout_uri
	NoLogout      LogoutStyle = "none"
)

// ClientAuth is a method of client authentication.
type ClientAuth string

// The methods that a provider may insist on.
const (
	BasicAuth ClientAuth = "basic"
	PostAuth  ClientAuth = "post"
	NoAuth    ClientAuth = "none" // a client_id and no secret, also from confidential clients

	PrivateKeyJWT ClientAuth = "private_key_jwt"
	SecretJWT     ClientAuth = "client_secret_jwt"
	MutualTLS     ClientAuth = "tls_client_auth"
	SelfSignedTLS ClientAuth = "self_signed_tls_client_auth"
)

func authMethods() []ClientAuth {
	return []ClientAuth{BasicAuth, PostAuth, NoAuth, PrivateKeyJWT, SecretJWT, MutualTLS, SelfSignedTLS}
}

// AssertionAudience is who a client's assertions are for.
type AssertionAudience string

// How it was before rfc7523bis.
const (
	ForTokenEndpoint AssertionAudience = "token_endpoint"
	ForEndpoint      AssertionAudience = "endpoint" // the one that is asked
)

// Occasion is when tokens are issued.
type Occasion string

// The occasions.
const (
	AtLogin   Occasion = "login"
	AtRefresh Occasion = "refresh"
)

// IssFault is what is wrong with iss in the callback.
type IssFault string

// The faults of iss.
const (
	IssMissing IssFault = "missing"
	IssWrong   IssFault = "wrong"
)

// StateFault is what is wrong with a state that comes back.
type StateFault string

// The faults of state.
const (
	StateMissing StateFault = "missing"
	StateOther   StateFault = "other"
)

// IssuerStyle is how the issuer ends.
type IssuerStyle string

// The styles of issuers.
const (
	IssuerWithSlash    IssuerStyle = "slash"
	IssuerWithoutSlash IssuerStyle = "no_slash"
)

// UserInfoFault is what is wrong with userinfo answers.
type UserInfoFault string

// The faults of userinfo answers.
const (
	UserInfoWrongSub UserInfoFault = "wrong_sub"
	UserInfoError    UserInfoFault = "500"
	UserInfoArray    UserInfoFault = "array"
)

// The protocols that a [ClaimsScript] hears, in the words of Auth0's rules.
const (
	ProtocolLogin   = "oidc-basic-profile"
	ProtocolRefresh = "oauth2-refresh-token"
)

// ClaimsScript is foreign code in each exchange. It adds and drops claims of the user by
// changing the map, denies by returning a *Refusal, and is slow by waiting; ctx ends when
// the client has left. It is called without locks, also in parallel.
type ClaimsScript func(ctx context.Context, protocol string, claims map[string]any) error

// check refuses values that mean nothing, so that a misspelt knob is not a healthy provider.
func (k Knobs) check() error {
	return errors.Join(
		oneOf("at_format", k.AccessTokenFormat, JWT, Opaque, JWE),
		oneOf("dpop_nonce", k.DPoPNonce, NonceDemanded, NonceOnce, NonceEndless),
		oneOf("rt_mode", k.RefreshTokenMode, Rotating, RotatingOptional, Static, StaticEcho, Overlapping, Idempotent),
		oneOf("token_auth", k.TokenAuth, authMethods()...),
		oneOf("assertion_audience", k.AssertionAudience, ForTokenEndpoint, ForEndpoint),
		oneOf("id_token_fault", k.IDTokenFault, Faults()...),
		oneOf("id_token_fault_at", k.IDTokenFaultAt, AtLogin, AtRefresh),
		oneOf("idt_alg", k.IDTokenAlg, "RS256", "ES256"),
		oneOf("iss_in_callback", k.IssInCallback, IssMissing, IssWrong),
		oneOf("state_in_callback", k.StateInCallback, StateMissing, StateOther),
		oneOf("state_after_logout", k.StateAfterLogout, StateMissing, StateOther),
		oneOf("logout_token_fault", k.LogoutTokenFault, logoutFaults()...),
		oneOf("push", k.Push, Offered, Demanded),
		oneOf("request_objects", k.RequestObjects, Offered, Demanded),
		oneOf("issuer_style", k.IssuerStyle, IssuerWithSlash, IssuerWithoutSlash),
		oneOf("userinfo_fault", k.UserInfoFault, UserInfoWrongSub, UserInfoError, UserInfoArray),
		oneOf("timing.mode", k.Timing.Mode, Instant, Slow, Hang, CommitThenDrop, CommitThenHang),
		k.checkEndpoints(),
		atLeast("rt_size", k.RefreshTokenSize, 20),
		atLeast("rt_alphabet, in letters,", len(k.RefreshTokenAlphabet), 4),
		oneOf("preset", k.Preset, Presets()...),
		oneOf("rt_for", k.RefreshTokenFor, ByAccessType, Unasked),
		oneOf("ask_again", k.AskAgain, ForIDToken, ForAllTokens),
		oneOf("revocation_reach", k.RevocationReach, RefreshTokenOnly, WholeUser),
		oneOf("logout", k.Logout, LogoutAuth0, LogoutCognito, NoLogout),
		k.checkRefusals(),
		oneOf("rt_hint", k.RefreshTokenHint, "refresh_expires_in", "refresh_token_expires_in"),
	)
}

func (k Knobs) checkRefusals() (err error) {
	for why := range k.RefreshRefusals {
		err = errors.Join(err, oneOf("rt_refusals", why, UnknownToken, UsedToken, RevokedToken, ExpiredToken))
	}
	return err
}

func (k Knobs) checkEndpoints() (err error) {
	for _, e := range k.Timing.At {
		err = errors.Join(err, oneOf("timing.at", e, endpoints()...))
	}
	for _, c := range k.ErrorNext {
		err = errors.Join(err, oneOf("error_next.at", c.At, endpoints()...))
	}
	return err
}

func oneOf[T ~string](name string, value T, known ...T) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("devidp: %s is %q: write one of %q, or nothing", name, string(value), known)
}

// atLeast refuses what is too little to tell two tokens apart.
func atLeast(name string, value, least int) error {
	if value == 0 || value >= least {
		return nil
	}
	return fmt.Errorf("devidp: %s is %d: write %d or more, or nothing", name, value, least)
}

// orDuration returns d, or what zero stands for.
func orDuration(d, zero time.Duration) time.Duration {
	if d == 0 {
		return zero
	}
	return d
}
