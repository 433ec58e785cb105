package migrate

import "strings"

const (
	noCache    = "sessions live in session.store: a file, or Redis"
	noMachines = "the gateway checks nobody's tokens but its own sessions'. Where the API checks them itself, allow_bearer: true lets requests with a token of their own pass"
	noManyOPs  = "a gateway has one provider: run another one for each, or put one in front of them"
	noJWE      = "encrypted tokens are not read: let the provider sign them only"
	noHide     = "cookies of the application pass, and the gateway's own never do"
	tokenForm  = "tokens are asked for in one way, by RFC 6749"
)

// modAuthOptions is what mod_auth_openidc 2.4 can be told, and what of Apache's own is
// read beside it. Names are the same in any case.
func modAuthOptions() []option {
	all := []option{
		{name: "OIDCProviderMetadataURL", kind: Carried, to: "provider.issuer", why: "without /.well-known/openid-configuration; to the letter, as the document names it"},
		{name: "OIDCProviderIssuer", kind: Carried, to: "provider.issuer"},
		{name: "OIDCClientID", kind: Carried, to: "provider.client_id"},
		{name: "OIDCClientSecret", kind: Carried, to: "provider.client_secret", why: "as ${env:…}"},
		{name: "OIDCProviderTokenEndpointAuth", kind: Carried, to: "provider.client_auth"},
		{name: "OIDCProviderAuthorizationEndpoint", kind: Carried, to: "provider.endpoints.authorization"},
		{name: "OIDCProviderTokenEndpoint", kind: Carried, to: "provider.endpoints.token"},
		{name: "OIDCProviderJwksUri", kind: Carried, to: "provider.endpoints.jwks"},
		{name: "OIDCProviderUserInfoEndpoint", kind: Carried, to: "provider.endpoints.userinfo", why: "with userinfo: true"},
		{name: "OIDCProviderEndSessionEndpoint", kind: Carried, to: "provider.endpoints.end_session"},
		{name: "OIDCProviderRevocationEndpoint", kind: Carried, to: "provider.endpoints.revocation"},
		{name: "OIDCScope", kind: Carried, to: "provider.scopes"},
		{name: "OIDCAuthRequestParams", kind: Carried, to: "provider.authorize_params"},
		{name: "OIDCPathAuthRequestParams", kind: Lost, why: "logins ask for the same everywhere; require.acr and require.max_age of a route lead to a login that asks for more"},
		{name: "OIDCPathScope", kind: Lost, why: "logins ask for the same scopes everywhere; scopes of a route ask for a token with others"},
		{name: "OIDCRedirectURI", kind: Carried, to: "public_url, base_path"},
		{name: "OIDCCryptoPassphrase", kind: Needless, why: "seals the module's own state: session.keys has new keys, and users sign in once more"},
		{name: "OIDCSSLValidateServer", kind: Lost, idle: "On", why: noCheckOff + ": write provider.ca_file"},
		{name: "OIDCValidateIssuer", kind: Lost, idle: "On", why: noCheckOff + ": write provider.issuers, or issuer_template with allowed_tenants"},
		{name: "OIDCCABundlePath", kind: Carried, to: "provider.ca_file", why: "beside the system's roots"},
		{name: "OIDCHTTPTimeoutLong", kind: Carried, to: "provider.timeout"},
		{name: "OIDCHTTPTimeoutShort", kind: Needless, why: "one time-out holds for all calls to the provider"},
		{name: "OIDCOutgoingProxy", kind: Todo, why: "put the proxy into the environment variable HTTPS_PROXY"},
		{name: "OIDCIDTokenIatSlack", kind: Carried, to: "provider.clock_skew"},
		{name: "OIDCIDTokenAudValues", kind: Lost, why: "an ID token has to be for this client"},
		{name: "OIDCResponseType", kind: Lost, idle: "code", why: "is always code with PKCE"},
		{name: "OIDCResponseMode", kind: Todo, idle: "query", why: "write provider.response_mode: form_post, or jwt and form_post.jwt for signed answers"},
		{name: "OIDCPKCEMethod", kind: Needless, why: "is always S256"},
		{name: "OIDCProfile", kind: Todo, idle: "OIDC10", why: "write provider.profile: fapi2, with a key in provider.client_key_file"},
		{name: "OIDCProviderAuthRequestMethod", kind: Todo, idle: "GET", why: "requests are pushed where the provider offers that; provider.par: always insists. They are not posted by the browser"},
		{name: "OIDCProviderPushedAuthorizationRequestEndpoint", kind: Todo, why: "the discovery document names it; if not, write provider.endpoints.pushed_authorization_request"},
		{name: "OIDCRequestObject", kind: Todo, why: "write provider.jar: always for signed ones; encrypted ones are not made"},
		{name: "OIDCDPoPMode", kind: Lost, why: "write provider.sender_constrained: dpop, if the upstreams check the proofs"},
		{name: "OIDCCertBoundAccessTokens", kind: Todo, why: "write provider.sender_constrained: mtls, with the certificate in provider.client_key_file"},
		{name: "OIDCClientTokenEndpointCert", kind: Todo, why: "write certificate and key into one file, provider.client_key_file, with client_auth: tls_client_auth or self_signed_tls_client_auth"},
		{name: "OIDCClientTokenEndpointKey", kind: Todo, why: "goes into provider.client_key_file, beside its certificate"},
		{name: "OIDCClientTokenEndpointKeyPassword", kind: Lost, why: "the key of provider.client_key_file is not encrypted: write it out with openssl pkey"},
		{name: "OIDCPrivateKeyFiles", kind: Todo, why: "write provider.client_auth: private_key_jwt, and the keys into one file, provider.client_key_file"},
		{name: "OIDCPublicKeyFiles", kind: Needless, why: "publishes keys for what is not carried"},
		{name: "OIDCProviderSignedJwksUri", kind: Lost, why: "keys come from the provider's JWKS over TLS: write provider.endpoints.jwks"},
		{name: "OIDCProviderVerifyCertFiles", kind: Lost, why: "keys come from the provider's JWKS: write provider.endpoints.jwks"},
		{name: "OIDCProviderTokenEndpointParams", kind: Lost, why: tokenForm},
		{name: "OIDCIDTokenSignedResponseAlg", kind: Needless, why: "algorithms are those that the discovery document names, none and HMAC excluded"},
		{name: "OIDCUserInfoSignedResponseAlg", kind: Lost, why: "signed answers of the userinfo endpoint are not read"},
		{name: "OIDCUserInfoTokenMethod", kind: Lost, idle: "authz_header", why: "the token goes in the header"},
		{name: "OIDCUserInfoRefreshInterval", kind: Needless, why: "with userinfo: true claims are fetched at each refresh"},
		{name: "OIDCUserInfoClaimsExpr", kind: Lost, why: "claims are not computed: let the provider send what is needed"},
		{name: "OIDCFilterClaimsExpr", kind: Lost, why: "claims are not computed: let the provider send what is needed"},
		{name: "OIDCRemoteUserClaim", kind: Carried, to: "routes.headers.set, routes.require.claims", why: "REMOTE_USER is a variable of Apache: an application behind the gateway gets a header"},
		{name: "OIDCAuthNHeader", kind: Carried, to: "routes.headers.set"},
		{name: "OIDCPassClaimsAs", kind: Changed, to: "routes.headers.set", why: "claims come as headers, those that are named"},
		{name: "OIDCClaimPrefix", kind: Carried, to: "routes.headers.set"},
		{name: "OIDCClaimDelimiter", kind: Lost, idle: ",", why: "elements of a list are divided by commas"},
		{name: "OIDCWhiteListedClaims", kind: Carried, to: "routes.headers.set"},
		{name: "OIDCBlackListedClaims", kind: Carried, to: "routes.headers.set", why: "claims go on by name only"},
		{name: "OIDCPassIDTokenAs", kind: Lost, idle: "claims", why: "the ID token goes on to nobody: assertion sends a signed word about the user"},
		{name: "OIDCPassUserInfoAs", kind: Lost, idle: "claims", why: "claims come as headers, or in an assertion"},
		{name: "OIDCPassAccessToken", kind: Changed, to: "routes.token", why: "the access token comes as Authorization: Bearer, not as OIDC_access_token"},
		{name: "OIDCPassRefreshToken", kind: Lost, why: "a refresh token leaves the gateway for nobody but the provider"},
		{name: "OIDCSessionInactivityTimeout", kind: Carried, to: "session.idle_timeout"},
		{name: "OIDCSessionMaxDuration", kind: Carried, to: "session.absolute_timeout"},
		{name: "OIDCSessionType", kind: Changed, to: "session.store, session.cookie.persistent", why: "sessions are on the server always"},
		{name: "OIDCRefreshAccessTokenBeforeExpiry", kind: Carried, to: "session.refresh.before_expiry", why: "a refusal by the provider ends the session, and its outage does not"},
		{name: "OIDCCookie", kind: Needless, why: "the ticket has a name of its own, whose prefix keeps other hosts from planting it"},
		{name: "OIDCCookieDomain", kind: Lost, why: "the ticket is for one host; run a gateway for each host: its sign-in at the provider is shared"},
		{name: "OIDCCookiePath", kind: Lost, idle: "/", why: "the ticket is for the whole host"},
		{name: "OIDCCookieHTTPOnly", kind: Needless, why: "is always on"},
		{name: "OIDCCookieSameSite", kind: Carried, to: "session.cookie.same_site", why: "strict, unless it was lax"},
		{name: "OIDCDefaultURL", kind: Needless, why: "a login without returnUrl leads to /"},
		{name: "OIDCDefaultLoggedOutURL", kind: Carried, to: "post_logout_url"},
		{name: "OIDCRedirectURLsAllowed", kind: Lost, why: "a login returns to a path of its own host only, and a logout to post_logout_url"},
		{name: "OIDCLogoutRequestParams", kind: Lost, why: "write provider.logout as a URL with the parameters"},
		{name: "OIDCLogoutXFrameOptions", kind: Needless, why: "front-channel logout is at /bff/frontchannel-logout"},
		{name: "OIDCProviderCheckSessionIFrame", kind: Needless, why: "browsers block what it needs; register back-channel logout"},
		{name: "OIDCProviderBackChannelLogoutSupported", kind: Todo, why: "register /bff/backchannel-logout at the provider"},
		{name: "OIDCUnAuthAction", kind: Carried, to: "routes.unauthenticated, routes.access"},
		{name: "OIDCUnAutzAction", kind: Lost, idle: "403", why: "who may not gets a 403; require.acr and require.max_age lead to a login"},
		{name: "OIDCXForwardedHeaders", kind: Changed, to: "trusted_proxies", why: "what a proxy says is believed from the networks in trusted_proxies only"},
		{name: "OIDCInfoHook", kind: Changed, why: "/bff/session and /bff/user say who is there, and never a token"},
		{name: "OIDCPreservePost", kind: Lost, why: "a form that meets no session is not kept: its sender signs in first"},
		{name: "OIDCPreservePostTemplates", kind: Lost, why: "a form that meets no session is not kept: its sender signs in first"},
		{name: "OIDCMetadataDir", kind: Lost, why: noManyOPs},
		{name: "OIDCDiscoverURL", kind: Lost, why: noManyOPs},
		{name: "OIDCDiscoverIssuersAllowed", kind: Lost, why: noManyOPs},
		{name: "OIDCCacheType", kind: Carried, to: "session.store", why: "redis; the others become a file"},
		{name: "OIDCRedisCacheServer", kind: Carried, to: "session.store"},
		{name: "OIDCRedisCachePassword", kind: Carried, to: "session.store", why: "as ${env:…}, percent-encoded"},
		{name: "OIDCRedisCacheUsername", kind: Carried, to: "session.store"},
		{name: "OIDCRedisCacheDatabase", kind: Carried, to: "session.store"},
		{name: "ServerName", kind: Carried, to: "public_url", why: "where no redirect URI has the host"},
		{name: "ServerAlias", kind: Lost, why: "the ticket is for one host: run a gateway for each, or list hosts in routes"},
		{name: "ProxyPass", kind: Carried, to: "routes.upstream"},
		{name: "ProxyPassReverse", kind: Needless, why: "rewrite_answers does it where paths move"},
		{name: "ProxyPreserveHost", kind: Changed, why: "Host is the upstream's own, and X-Forwarded-Host the browser's"},
		{name: "AuthType", kind: Carried, to: "routes.access"},
		{name: "Require", kind: Carried, to: "routes.access, routes.require.claims"},
		{name: "SSLCertificateFile", kind: Carried, to: "tls.cert_file"},
		{name: "SSLCertificateKeyFile", kind: Carried, to: "tls.key_file"},
	}
	rows := func(kind Kind, why, names string) {
		for name := range strings.FieldsSeq(names) {
			all = append(all, option{name: name, kind: kind, why: why})
		}
	}
	rows(Needless, noCache, "OIDCCacheEncrypt OIDCCacheShmMax OIDCCacheShmEntrySizeMax OIDCCacheDir OIDCCacheFileCleanInterval OIDCMemCacheServers "+
		"OIDCMemCacheConnectionsMin OIDCMemCacheConnectionsSMax OIDCMemCacheConnectionsHMax OIDCMemCacheConnectionsTTL OIDCRedisCacheConnectTimeout OIDCRedisCacheTimeout "+
		"OIDCSessionCacheFallbackToCookie OIDCSessionCookieChunkSize")
	rows(Needless, "each login has a short-lived, sealed cookie of its own, five at most", "OIDCStateTimeout OIDCStateMaxNumberOfCookies OIDCStateCookiePrefix OIDCStateInputHeaders")
	rows(Needless, "metadata and keys are read again when they have to be", "OIDCProviderMetadataRefreshInterval OIDCJWKSRefreshInterval")
	rows(Needless, "clients are registered at the provider by hand", "OIDCClientName OIDCClientContact OIDCClientJwksUri OIDCProviderRegistrationEndpointJson")
	rows(Needless, "metrics are at /metrics of the admin listener", "OIDCMetricsData OIDCMetricsPublish")
	rows(Needless, "traces follow the W3C context, and logs hold no secrets", "OIDCTraceParent OIDCDebugMaskSecrets")
	rows(Lost, "is a guard by rules of Apache that require does not have: nobody gets in until you write it", "Allow Deny Order Satisfy AuthMerging")
	rows(Lost, "names other files: give cloakroom migrate those, too, or put their lines in its place", "Include IncludeOptional")
	rows(Lost, noJWE, "OIDCIDTokenEncryptedResponseAlg OIDCIDTokenEncryptedResponseEnc OIDCUserInfoEncryptedResponseAlg OIDCUserInfoEncryptedResponseEnc")
	rows(Lost, noHide, "OIDCPassCookies OIDCStripCookies")
	rows(Lost, noMachines, "OIDCOAuthServerMetadataURL OIDCOAuthClientID OIDCOAuthClientSecret OIDCOAuthIntrospectionClientAuthBearerToken OIDCOAuthIntrospectionEndpoint "+
		"OIDCOAuthIntrospectionEndpointMethod OIDCOAuthIntrospectionEndpointParams OIDCOAuthIntrospectionEndpointAuth OIDCOAuthIntrospectionEndpointCert "+
		"OIDCOAuthIntrospectionEndpointKey OIDCOAuthIntrospectionEndpointKeyPassword OIDCOAuthIntrospectionTokenParamName OIDCOAuthTokenExpiryClaim OIDCOAuthSSLValidateServer "+
		"OIDCOAuthVerifyCertFiles OIDCOAuthVerifySharedKeys OIDCOAuthDecryptSharedKeys OIDCOAuthVerifyJwksUri OIDCOAuthVerifyAudience OIDCOAuthVerifyIssuer "+
		"OIDCOAuthRemoteUserClaim OIDCOAuthAcceptTokenAs OIDCOAuthTokenIntrospectionInterval")
	rows(Needless, "is Apache's own, and about nothing that the gateway does", "AuthName LoadModule Listen ServerAdmin ServerRoot ErrorLog CustomLog LogLevel LogFormat TransferLog SSLEngine "+
		"SSLProtocol SSLCipherSuite SSLHonorCipherOrder SSLProxyEngine ProxyRequests DirectoryIndex Options AllowOverride")
	return all
}
