package devidp

import (
	"net/http"
	"time"
)

// Manners returns the knobs that make this provider behave like a known one: what its
// metadata leave out, what a login must ask for, how refresh tokens rotate, what reuse
// kills, and the words in which a dead one is refused. ok is false for a provider that
// nobody here knows.
//
//	k, _ := devidp.Manners("dex")
//	idp, err := devidp.Listen(devidp.Config{Knobs: k, …})
//
// Manners are the strictest that the provider can be set to, where it can be set. They are
// what its documentation or source says, or what such a provider may do; whether it does is
// for docs/providers.md to say. What the provider is asked further (an outage, a lost
// answer, a shorter lifetime) goes on top.
func Manners(preset string) (k Knobs, ok bool) {
	how := mannersOf(preset)
	if how == nil {
		return Knobs{}, false
	}
	how(&k)
	k.Preset = preset
	return k, true
}

// Presets lists whose manners are known.
func Presets() []string {
	return []string{
		"auth0", "keycloak", "entra", "okta", "google", "cognito", "zitadel", "authentik",
		"authelia", "dex", "hydra", "gitlab", "ping", "adfs",
	}
}

func mannersOf(preset string) func(*Knobs) {
	return map[string]func(*Knobs){
		"auth0": likeAuth0, "keycloak": likeKeycloak, "entra": likeEntra, "okta": likeOkta, "google": likeGoogle,
		"cognito": likeCognito, "zitadel": likeZitadel, "authentik": likeAuthentik, "authelia": likeAuthelia,
		"dex": likeDex, "hydra": likeHydra, "gitlab": likeGitLab, "ping": likePing, "adfs": likeADFS,
	}[preset]
}

const day = 24 * time.Hour

// refusals gives every dead refresh token the same answer.
func refusals(r Refusal) map[Death]Refusal {
	return map[Death]Refusal{UnknownToken: r, UsedToken: r, RevokedToken: r, ExpiredToken: r}
}

func likeAuth0(k *Knobs) {
	k.IssuerStyle = IssuerWithSlash
	k.AccessTokenTTL, k.OpaqueWithoutAudience = day, true
	k.RefreshTokenAbsoluteTTL, k.RefreshTokenIdleTTL, k.RefreshTokenLimit = 30*day, 30*day, 200
	k.ReuseSparesAccessTokens = true // they are JWTs, and nobody asks
	k.RevocationReach = RefreshTokenOnly
	k.RefreshRefusals = refusals(Refusal{Status: http.StatusForbidden, Code: "invalid_grant", Description: "Unknown or invalid refresh token."})
	k.AudienceFallback = true
	k.Logout, k.DiscoveryWithoutEndSession = LogoutAuth0, true // the tenant's switch is off
}

func likeKeycloak(k *Knobs) { // with Revoke Refresh Token
	k.RefreshTokenHint, k.RefreshTokenIdleTTL = "refresh_expires_in", 30*day
	k.RefreshTokenSize = 1200
	k.NonceOnRefresh = true
	k.RefreshRefusals = map[Death]Refusal{
		UnknownToken: {Code: "invalid_grant", Description: "Invalid refresh token"},
		UsedToken:    {Code: "invalid_grant", Description: "Maximum allowed refresh token reuse exceeded"},
		RevokedToken: {Code: "invalid_grant", Description: "Session doesn't have required client"},
		ExpiredToken: {Code: "invalid_grant", Description: "Token is not active"},
	}
}

func likeEntra(k *Knobs) {
	k.RefreshTokenMode, k.RefreshTokenAbsoluteTTL = Overlapping, 90*day
	k.RefreshTokenSize = 1500
	k.AskAgain = ForAllTokens
	k.AccessTokenFormat = Opaque // to everybody but the API that it is for
	k.DiscoveryWithoutRevocation, k.DiscoveryWithoutPKCE, k.DiscoveryWithoutIss, k.IssInCallback = true, true, true, IssMissing
	k.RefreshRefusals = refusals(Refusal{
		Code: "invalid_grant", Description: "AADSTS700082: The refresh token has expired due to inactivity.",
		More: map[string]any{
			"error_codes": []int{700082}, "trace_id": "11111111-2222-3333-4444-555555555555",
			"correlation_id": "66666666-7777-8888-9999-000000000000",
		},
	})
}

func likeOkta(k *Knobs) {
	k.ReuseLeeway, k.RefreshTokenIdleTTL = 30*time.Second, 7*day
	k.AskAgain = ForIDToken
	k.LogoutNeedsHint = true
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "The refresh token is invalid or expired."})
}

func likeGoogle(k *Knobs) {
	k.TokenIssuer = "accounts.google.com"
	k.Scopes = []string{"openid", "profile", "email"}
	k.RefreshTokenFor, k.RefreshTokenMode = ByAccessType, Static
	k.AccessTokenFormat, k.AccessTokenTTL = Opaque, 3599*time.Second
	k.RefreshTokenHint, k.RefreshTokenLimit = "refresh_token_expires_in", 100
	k.RevocationReach, k.Logout = WholeUser, NoLogout
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "Token has been expired or revoked."})
}

func likeCognito(k *Knobs) { // with rotation
	k.Scopes = []string{"openid", "profile", "email", "phone", "aws.cognito.signin.user.admin"}
	k.RefreshTokenFor, k.RefreshTokenAbsoluteTTL, k.ReuseLeeway = Unasked, 30*day, time.Minute
	k.IgnoreRefreshScope, k.OmitAudience, k.OmitScope = true, true, true
	k.Logout = LogoutCognito
	k.DiscoveryWithoutPKCE, k.DiscoveryWithoutIss, k.IssInCallback = true, true, IssMissing
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "Refresh Token has been revoked"})
}

func likeZitadel(k *Knobs) {
	k.AccessTokenFormat, k.AccessTokenTTL, k.IDTokenTTL = Opaque, 12*time.Hour, 12*time.Hour
	k.RefreshTokenIdleTTL, k.RefreshTokenAbsoluteTTL = 30*day, 90*day
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "Errors.OIDCSession.RefreshTokenInvalid"})
}

func likeAuthentik(k *Knobs) { // with threshold 0
	k.IssuerStyle = IssuerWithSlash
	k.RefreshTokenAbsoluteTTL, k.ReuseSparesFamily = 30*day, true
	k.RefreshScopes = []string{"offline_access"}
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "The provided authorization grant or refresh token is invalid"})
}

func likeAuthelia(k *Knobs) {
	k.AccessTokenFormat, k.AccessTokenTTL, k.RefreshTokenIdleTTL = Opaque, time.Hour, 90*time.Minute
	k.RefreshKillsOldAccessTokens = true
	k.TokenAuth = BasicAuth
	k.Logout = NoLogout
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "The provided authorization grant is invalid, expired or revoked."})
}

func likeDex(k *Knobs) {
	k.RefreshTokenMode, k.ReuseLeeway = Idempotent, 3*time.Second
	k.ReuseSparesFamily, k.OmitScope, k.RefreshTokenLimit = true, true, 1
	k.Logout, k.DiscoveryWithoutRevocation = NoLogout, true
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = map[Death]Refusal{
		UnknownToken: {Code: "invalid_request", Description: "Refresh token is invalid or has already been claimed by another client."},
		UsedToken:    {Code: "invalid_request", Description: "Refresh token is invalid or has already been claimed by another client."},
		RevokedToken: {Code: "invalid_grant", Description: "The session has ended."},
		ExpiredToken: {Code: "invalid_request", Description: "Refresh token expired."},
	}
}

func likeHydra(k *Knobs) {
	k.AccessTokenFormat, k.IgnoreRefreshScope = Opaque, true
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = refusals(Refusal{
		Code: "invalid_grant", Description: "The provided authorization grant is invalid. Token is inactive because it is malformed, expired or otherwise invalid.",
		More: map[string]any{"error_hint": "The refresh token was already used."},
	})
}

func likeGitLab(k *Knobs) {
	k.Scopes = []string{"openid", "profile", "email", "api", "read_user"}
	k.RefreshTokenFor, k.AccessTokenFormat, k.AccessTokenTTL, k.IDTokenTTL = Unasked, Opaque, 2*time.Hour, 2*time.Minute
	k.RefreshKillsOldAccessTokens, k.ReuseSparesFamily = true, true
	k.Logout = NoLogout
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "The provided authorization grant is invalid, expired or revoked."})
}

func likePing(k *Knobs) {
	k.RefreshTokenMode, k.AccessTokenFormat = RotatingOptional, Opaque
	k.DiscoveryWithoutIss, k.IssInCallback = true, IssMissing
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "unknown, invalid, or expired refresh token"})
}

func likeADFS(k *Knobs) { // without "keep me signed in"
	k.RefreshTokenMode, k.RefreshTokenAbsoluteTTL = Static, 8*time.Hour
	k.RefreshTokenSize, k.AccessTokenSize = 5000, 5000
	k.DiscoveryWithoutPKCE, k.DiscoveryWithoutIss, k.IssInCallback, k.DiscoveryWithoutRevocation = true, true, IssMissing, true
	k.RefreshRefusals = refusals(Refusal{Code: "invalid_grant", Description: "MSIS9615: The refresh token received in 'refresh_token' parameter has expired."})
}
