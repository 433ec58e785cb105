package migrate

import "slices"

// duendeOptions is what the settings of a Duende BFF can say, by the names of the keys
// wherever they stand; names are the same in any case.
func duendeOptions() []option {
	return slices.Concat(duendeSignIn(), duendeSession(), duendeHost(), duendeForwarding())
}

const (
	inCode = "is read by the host's own code"
	scheme = "names a part of ASP.NET, and there is one way to sign in here"
	ownTLS = "belongs to Kestrel: listen and tls say where the gateway listens"
)

func duendeSignIn() []option {
	return []option{
		{name: "Authority", kind: Carried, to: "provider.issuer", why: "to the letter, as the discovery document has it"},
		{name: "MetadataAddress", kind: Carried, to: "provider.discovery_url"},
		{name: "ClientId", kind: Carried, to: "provider.client_id"},
		{name: "ClientSecret", kind: Carried, to: "provider.client_secret", why: "as ${env:…}, and posted as ASP.NET does it: client_auth: client_secret_post"},
		{name: "Scope", kind: Carried, to: "provider.scopes"},
		{name: "Scopes", kind: Carried, to: "provider.scopes"},
		{name: "Resource", kind: Carried, to: "provider.resource"},
		{name: "Prompt", kind: Carried, to: "provider.authorize_params"},
		{name: "MaxAge", kind: Changed, to: "provider.authorize_params", why: "is a time in ASP.NET: of a login as max_age in seconds, of a cookie from session.absolute_timeout"},
		{name: "AdditionalAuthorizationParameters", kind: Carried, to: "provider.authorize_params"},
		{name: "GetClaimsFromUserInfoEndpoint", kind: Carried, to: "provider.userinfo"},
		{name: "BackchannelTimeout", kind: Carried, to: "provider.timeout"},
		{name: "CallbackPath", kind: Changed, to: "base_path", why: "the callback is at /bff/callback: register it at the provider"},
		{name: "SignedOutCallbackPath", kind: Changed, to: "post_logout_url", why: "a logout comes back to post_logout_url: register that address at the provider"},
		{name: "SignedOutRedirectUri", kind: Carried, to: "post_logout_url"},
		{name: "RemoteSignOutPath", kind: Changed, why: "front-channel logout is at /bff/frontchannel-logout: register it at the provider"},
		{name: "AccessDeniedPath", kind: Needless, why: "who refuses a login gets a page that says so"},
		{name: "ResponseType", kind: Lost, idle: "code", why: "is always code with PKCE"},
		{name: "ResponseMode", kind: Lost, idle: "query", why: "the answer comes in the query: a form post carries no cookie of this kind"},
		{name: "UsePkce", kind: Needless, why: "PKCE is always used"},
		{name: "MapInboundClaims", kind: Needless, why: "claims have the provider's names; MapInboundClaims: true gave some of them long ones"},
		{name: "SaveTokens", kind: Needless, why: "tokens are always kept, on the server"},
		{name: "RequireHttpsMetadata", kind: Needless, why: "https is always required, but on loopback"},
		{name: "UseTokenLifetime", kind: Lost, why: "the ID token's lifetime bounds no session: write session.absolute_timeout"},
		{name: "TokenValidationParameters", kind: Lost, why: "ID tokens are checked by OpenID Connect Core §3.1.3.7; claims have the names of the provider"},
		{name: "PushedAuthorizationBehavior", kind: Lost, idle: "Disable", why: "pushed authorization requests are not made"},
		{name: "AuthenticationMethod", kind: Needless, why: "the authorization request is a redirect"},
		{name: "ClaimActions", kind: Lost, why: "all claims of the ID token are at hand: name those that an API gets in headers.set"},
		{name: "DisableTelemetry", kind: Needless, why: "there is none"},
		{name: "SkipUnrecognizedRequests", kind: Needless, why: "a callback that is not ours is refused"},
		{name: "RefreshInterval", kind: Needless, why: "metadata and keys are read again when they have to be"},
		{name: "AutomaticRefreshInterval", kind: Needless, why: "metadata and keys are read again when they have to be"},
		{name: "SignInScheme", kind: Needless, why: scheme},
		{name: "SignOutScheme", kind: Needless, why: scheme},
		{name: "DefaultScheme", kind: Needless, why: scheme},
		{name: "DefaultChallengeScheme", kind: Needless, why: scheme},
		{name: "DefaultSignOutScheme", kind: Needless, why: scheme},
		{name: "DefaultAuthenticateScheme", kind: Needless, why: scheme},
	}
}

func duendeSession() []option {
	return []option{
		{name: "ManagementBasePath", kind: Carried, to: "base_path"},
		{name: "RequireLogoutSessionId", kind: Needless, idle: "true", why: "a logout by navigation always needs the sid, and one by POST the CSRF proof"},
		{name: "RevokeRefreshTokenOnLogout", kind: Carried, to: "provider.revoke_on_logout"},
		{name: "BackchannelLogoutAllUserSessions", kind: Needless, why: "a logout token with a sid ends that session, one with a sub alone ends all of the user's"},
		{name: "AnonymousSessionResponse", kind: Lost, idle: "Response401", why: "/bff/user answers 401 without a session; /bff/session always answers 200"},
		{name: "AntiForgeryHeaderName", kind: Lost, idle: "X-CSRF", why: "the header is X-CSRF, and browsers of today need none"},
		{name: "AntiForgeryHeaderValue", kind: Lost, idle: "1", why: "the value is 1"},
		{name: "RemoveSessionAfterRefreshTokenExpiration", kind: Needless, why: "a refresh token that the provider refuses ends its session"},
		{name: "EnableSessionCleanup", kind: Needless, why: "sessions that are over go by themselves"},
		{name: "SessionCleanupInterval", kind: Needless, why: "sessions that are over go by themselves"},
		{name: "EnforceBffMiddleware", kind: Needless, why: "there is no middleware to forget"},
		{name: "AutomaticallyRegisterBffMiddleware", kind: Needless, why: "there is no middleware to forget"},
		{name: "EnforceBffMiddlewareOnManagementEndpoints", kind: Needless, why: "there is no middleware to forget"},
		{name: "LicenseKey", kind: Needless, why: "is Duende's"},
		{name: "DiagnosticsEnvironments", kind: Needless, why: "there is no diagnostics endpoint that shows tokens; the operator's explain shows what happens"},
		{name: "Diagnostics", kind: Needless, why: "is about Duende's own log"},
		{name: "DPoPJsonWebKey", kind: Lost, why: "each session has a key of its own: write provider.sender_constrained: dpop"},
		{name: "AllowedSilentLoginReferers", kind: Lost, why: "the silent login's answer is for pages of its own origin"},
		{name: "StaticAssetsClientName", kind: Needless, why: inCode},
		{name: "IndexHtmlDefaultCacheDuration", kind: Needless, why: "index.html is revalidated each time"},
		{name: "Cookie", kind: Carried, to: "session.cookie"},
		{name: "HttpOnly", kind: Needless, why: "is always on"},
		{name: "SameSite", kind: Carried, to: "session.cookie.same_site"},
		{name: "SecurePolicy", kind: Needless, why: "follows from public_url"},
		{name: "Name", kind: Needless, why: "the ticket has a name of its own, whose prefix keeps other hosts from planting it"},
		{name: "Path", kind: Lost, idle: "/", why: "the ticket is for the whole host"},
		{name: "Domain", kind: Lost, why: "the ticket is for one host"},
		{name: "IsEssential", kind: Needless, why: "the ticket is set at a login and at no other time"},
		{name: "ExpireTimeSpan", kind: Changed, to: "session.idle_timeout", why: "is the time without activity; session.absolute_timeout bounds the whole"},
		{name: "SlidingExpiration", kind: Needless, why: "activity always extends a session, up to session.absolute_timeout"},
	}
}

func duendeHost() []option {
	return []option{
		{name: "Logging", kind: Carried, to: "log.level"},
		{name: "Serilog", kind: Needless, why: "log.level and log.format shape the gateway's log"},
		{name: "ApplicationInsights", kind: Needless, why: "metrics are at /metrics of the admin listener, and traces go where telemetry.otlp_endpoint says"},
		{name: "OpenTelemetry", kind: Needless, why: "traces go where telemetry.otlp_endpoint says"},
		{name: "AllowedHosts", kind: Needless, why: "public_url and the hosts of routes say which hosts are answered"},
		{name: "Urls", kind: Carried, to: "listen"},
		{name: "Kestrel", kind: Lost, why: ownTLS},
		{name: "ConnectionStrings", kind: Needless, why: "sessions live in session.store: a file, or Redis"},
		{name: "Duende", kind: Needless, why: "holds Duende's licence"},
		{name: "$schema", kind: Needless, why: "is for editors"},
		{name: "defaultOidcSettings", kind: Carried, to: "provider"},
		{name: "defaultCookieSettings", kind: Carried, to: "session.cookie"},
		{name: "frontends", kind: Carried, to: "routes", why: "one of them: a gateway has one client at the provider"},
		{name: "matchingPath", kind: Carried, to: "base_path, routes.path"},
		{name: "matchingHostHeader", kind: Carried, to: "public_url"},
		{name: "cdnIndexHtmlUrl", kind: Lost, why: "a single page of another host is not served: write files with a directory, or an upstream with access: public"},
		{name: "indexHtmlUrl", kind: Lost, why: "a single page of another host is not served: write files with a directory, or an upstream with access: public"},
		{name: "staticAssetsUrl", kind: Carried, to: "routes.upstream"},
	}
}

func duendeForwarding() []option {
	return []option{
		{name: "Apis", kind: Carried, to: "routes"},
		{name: "remoteApis", kind: Carried, to: "routes"},
		{name: "pathMatch", kind: Carried, to: "routes.path, routes.strip_prefix"},
		{name: "targetUri", kind: Carried, to: "routes.upstream"},
		{name: "remoteUrl", kind: Carried, to: "routes.upstream"},
		{name: "requiredToken", kind: Carried, to: "routes.access, routes.token"},
		{name: "requiredTokenType", kind: Carried, to: "routes.access, routes.token"},
		{name: "tokenRequirement", kind: Carried, to: "routes.access, routes.token"},
		{name: "tokenRetrieverTypeName", kind: Lost, why: "is code: token: exchange trades the session's token for another (RFC 8693), and audience, resource and scopes ask for one"},
		{name: "userAccessTokenParameters", kind: Carried, to: "routes.resource"},
		{name: "activityTimeout", kind: Changed, to: "routes.timeout", why: "is the time until the answer's header; streams are not cut"},
		{name: "allowResponseBuffering", kind: Needless, why: "answers stream as they come"},
		{name: "ReverseProxy", kind: Carried, to: "routes"},
		{name: "Routes", kind: Carried, to: "routes"},
		{name: "Clusters", kind: Carried, to: "routes.upstream"},
		{name: "Match.Path", kind: Carried, to: "routes.path", why: "literal, or a beginning with {**catch-all}"},
		{name: "Match.Hosts", kind: Carried, to: "routes.host"},
		{name: "Match.Methods", kind: Carried, to: "routes.methods"},
		{name: "Match.Headers", kind: Lost, why: "a route is chosen by host, path and method: the route is left out"},
		{name: "Match.QueryParameters", kind: Lost, why: "a route is chosen by host, path and method: the route is left out"},
		{name: "Order", kind: Changed, why: "the longest path decides"},
		{name: "ClusterId", kind: Carried, to: "routes.upstream"},
		{name: "Timeout", kind: Changed, to: "routes.timeout", why: "is the time until the answer's header; streams are not cut"},
		{name: "TimeoutPolicy", kind: Lost, why: inCode + ": write timeout"},
		{name: "MaxRequestBodySize", kind: Carried, to: "routes.max_body"},
		{name: "AuthorizationPolicy", kind: Carried, to: "routes.access", why: "Anonymous is public, Default a session; a policy of the host's own lets nobody in until you write require"},
		{name: "RateLimiterPolicy", kind: Lost, why: inCode + ", and requests are not limited here"},
		{name: "OutputCachePolicy", kind: Lost, why: inCode + ", and answers are not kept here"},
		{name: "CorsPolicy", kind: Lost, why: inCode + ": list the pages in cors.origins"},
		{name: "Duende.Bff.Yarp.TokenType", kind: Carried, to: "routes.access, routes.token"},
		{name: "Duende.Bff.Yarp.OptionalUserToken", kind: Carried, to: "routes.access"},
		{name: "Duende.Bff.Yarp.AntiforgeryCheck", kind: Changed, to: "routes.csrf", why: "every request with a session is checked, by what browsers say of where it comes from"},
		{name: "Duende.Bff.Yarp.AccessTokenRetriever", kind: Lost, why: "is code: token: exchange trades the session's token for another (RFC 8693)"},
		{name: "Transforms", kind: Carried, to: "routes.strip_prefix, routes.headers", why: "PathRemovePrefix, PathPrefix, RequestHeader with Set and RequestHeaderRemove; a route that changes its path otherwise is left out"},
		{name: "Destinations", kind: Carried, to: "routes.upstream"},
		{name: "LoadBalancingPolicy", kind: Needless, why: "a request goes to the server with the fewest under way"},
		{name: "SessionAffinity", kind: Carried, to: "routes.balance.sticky"},
		{name: "HealthCheck", kind: Carried, to: "routes.balance", why: "the path and the interval of the active one"},
		{name: "HttpClient", kind: Lost, why: "connections are the gateway's own; upstream_tls.ca_file adds roots, and TLS checks cannot be switched off"},
		{name: "HttpRequest", kind: Carried, to: "routes.timeout", why: "its ActivityTimeout; HTTP/2 without TLS is an h2c:// address"},
	}
}
