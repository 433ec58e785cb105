package preset

import "time"

// All is the table, a provider a row. docs/providers.md says where each value comes from,
// and which of them nobody has confirmed.
func All() []Preset {
	return []Preset{
		{
			Name:     "auth0",
			AnySlash: true,
			// Its SDKs pass these on; organization and screen_hint are among the usual ones.
			LoginParams: []string{"connection", "invitation", "session_transfer_token"},
			// Rotation is chosen for each application, and so is the leeway, which is 0 at
			// first; reuse then kills the family and the grant.
			Rotation:       Strict,
			LogoutFallback: "auth0_v2",
			Advice: []string{
				"an API gives refresh tokens only with Allow Offline Access, and drops the scope without an error otherwise",
				"the MFA policy Always refuses every refresh in the background: use Adaptive, or Never",
				"a logout ends the user's refresh tokens on all devices if the tenant has Refresh Token Revocation Deletes Grant",
				"an audience that it does not know gives the default one's token; the gateway notices where tokens are JWTs, and cannot where they are opaque or encrypted",
			},
		},
		{
			Name:        "keycloak",
			LoginParams: []string{"kc_idp_hint"},
			Unheard: map[string]string{
				"audience": "what is in aud comes from client scopes there: give the client scope an audience mapper",
				"resource": "what is in aud comes from client scopes there: give the client scope an audience mapper",
			},
			// Old tokens work at first; with Revoke Refresh Token a race kills the winner's, too.
			Rotation:   Strict,
			OnlineLife: 30 * time.Minute, // SSO Session Idle
			Advice:     []string{"SSO Session Idle and Client Session Idle bound refresh tokens: compare them with session.idle_timeout"},
		},
		{
			Name:           "entra",
			IssuerTemplate: "https://login.microsoftonline.com/{tenantid}/v2.0",
			LoginParams:    []string{"domain_hint"},
			Unheard: map[string]string{
				"audience": "an API is asked for by its scopes there, such as api://orders/read",
				"resource": "an API is asked for by its scopes there, such as api://orders/read",
			},
			SendScope:     true, // or neither refresh token nor ID token come back
			RefreshScopes: []string{"openid", "profile", "offline_access"},
			Rotation:      Overlapping,
			LogoutHint:    "login_hint",

			AssertionAudience: "token_endpoint",

			Advice: []string{"register the redirect URI for the platform Web: one of the platform single-page application gets refresh tokens for 24 hours (AADSTS700084)"},

			ClaimsChallenges: true, // continuous access evaluation
		},
		{
			Name:             "okta",
			LoginParams:      []string{"idp"},
			SendScope:        true, // or no ID token comes back
			RefreshScopes:    []string{"openid", "offline_access"},
			Rotation:         Grace, // 30 seconds at first
			NeedsIDTokenHint: true,

			AssertionAudience: "endpoint", // or invalid_client
		},
		{
			Name:            "google",
			Issuer:          "https://accounts.google.com",
			Issuers:         []string{"accounts.google.com"},
			Scopes:          []string{"openid", "profile", "email"},
			AuthorizeParams: map[string]string{"access_type": "offline", "prompt": "consent"},
			LoginParams:     []string{"hd"},
			Unheard: map[string]string{
				"audience": "access tokens are for Google's own APIs, which are asked for by scopes",
				"resource": "access tokens are for Google's own APIs, which are asked for by scopes",
			},
			Rotation:          Static,
			Logout:            "local",
			RevokesAllDevices: true,
			Advice:            []string{"an application in testing gets refresh tokens for 7 days: publish it"},
		},
		{
			Name:        "cognito",
			Scopes:      []string{"openid", "profile", "email"}, // it always gives a refresh token
			LoginParams: []string{"identity_provider", "idp_identifier"},
			Rotation:    Grace, // or none; up to 60 seconds
			Logout:      "cognito",
		},
		{
			Name:     "zitadel",
			Rotation: Strict,
		},
		{
			Name:          "authentik",
			RefreshScopes: []string{"offline_access"}, // or invalid_scope
			Rotation:      Strict,                     // with threshold 0
		},
		{
			Name:        "authelia",
			Rotation:    Strict,
			RefreshLife: 90 * time.Minute,
			Logout:      "local",
		},
		{
			Name: "dex",
			Unheard: map[string]string{
				"audience": "another client is asked for by the scope audience:server:client_id:ID there",
				"resource": "another client is asked for by the scope audience:server:client_id:ID there",
			},
			DeadTokenErrors: []string{"invalid_request"},
			Rotation:        Idempotent, // within reuseInterval
		},
		{
			Name:     "hydra",
			Rotation: Strict, // no grace at first, and all related tokens die

			AssertionAudience: "token_endpoint",
		},
		{
			Name:     "gitlab",
			Scopes:   []string{"openid", "profile", "email"}, // it always gives a refresh token
			Rotation: Strict,
		},
		{
			Name:     "ping",
			Rotation: Unknown, // rolling is a setting, with an interval
		},
		{
			Name:     "adfs",
			Scopes:   []string{"openid", "profile", "email", "offline_access", "allatclaims"},
			Rotation: Static, // a new one only with "keep me signed in"

			AssertionAudience: "token_endpoint",
		},
	}
}
