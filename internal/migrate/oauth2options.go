package migrate

import (
	"slices"
	"strings"
)

// Why many options of oauth2-proxy have no counterpart.
const (
	noPage     = "there is no sign-in page: a navigation goes straight to the provider"
	ownLog     = "the gateway logs one line a request, as JSON or text, on standard error; log.level and log.format shape it"
	ownAttempt = "each login has a short-lived cookie of its own"
	notOIDC    = "is for a provider that speaks OAuth 2.0 without OpenID Connect: put an OpenID provider that knows it, such as Dex or Keycloak, between"
	asked      = "is asked of the provider's own API, which the gateway does not call: let the provider put it into a claim, and write it into require.claims"
	noCheckOff = "checks cannot be switched off"
	ownClaim   = "is a name in headers.set and require.claims, where this file needs it"
)

// oauth2ProxyOptions is what oauth2-proxy 7 can be told, by the names of its .cfg.
func oauth2ProxyOptions() []option {
	return slices.Concat(oauth2ProviderOptions(), oauth2AccessOptions(), oauth2SessionOptions(), oauth2ServingOptions())
}

func oauth2ProviderOptions() []option {
	return []option{
		{name: "provider", kind: Carried, to: "provider.preset", why: "oidc has none; a provider without OpenID Connect cannot be carried"},
		{name: "provider_display_name", kind: Needless, why: noPage},
		{name: "client_id", kind: Carried, to: "provider.client_id"},
		{name: "client_secret", kind: Carried, to: "provider.client_secret", why: "as ${env:…}; it is sent by HTTP Basic: write client_auth: client_secret_post if the provider takes it otherwise"},
		{name: "client_secret_file", kind: Carried, to: "provider.client_secret", why: "as ${file:…}"},
		{name: "oidc_issuer_url", kind: Carried, to: "provider.issuer", why: "to the letter, down to the slash at the end"},
		{name: "oidc_jwks_url", kind: Carried, to: "provider.endpoints.jwks"},
		{name: "login_url", kind: Carried, to: "provider.endpoints.authorization"},
		{name: "redeem_url", kind: Carried, to: "provider.endpoints.token"},
		{name: "profile_url", kind: Carried, to: "provider.endpoints.userinfo", why: "with userinfo: true"},
		{name: "skip_claims_from_profile_url", kind: Needless, flag: true, why: "the userinfo endpoint is not asked unless provider.userinfo says so"},
		{name: "validate_url", kind: Needless, why: "tokens are refreshed and not asked about"},
		{name: "skip_oidc_discovery", kind: Needless, flag: true, why: "endpoints that are written go before the discovery document, and stand in for one that is not there"},
		{name: "oidc_email_claim", kind: Carried, to: "routes.headers.set, routes.require.claims", why: ownClaim},
		{name: "oidc_groups_claim", kind: Carried, to: "routes.headers.set, routes.require.claims", why: ownClaim},
		{name: "user_id_claim", kind: Carried, to: "routes.headers.set", why: ownClaim},
		{name: "oidc_audience_claims", kind: Lost, list: true, idle: "aud", why: "the audience of an ID token is its aud (OpenID Connect Core §3.1.3.7)"},
		{name: "oidc_extra_audiences", kind: Lost, list: true, why: "an ID token has to be for this client; who brings another's token calls the API itself, or a route with allow_bearer"},
		{name: "oidc_public_key_files", kind: Lost, list: true, why: "keys come from the provider's JWKS: write provider.endpoints.jwks"},
		{name: "oidc_enabled_signing_algs", kind: Needless, list: true, why: "algorithms are those that the discovery document names, none and HMAC excluded"},
		{name: "insecure_oidc_allow_unverified_email", kind: Needless, flag: true, why: "email_verified is not looked at by itself: write it into require.claims, as email_verified: [\"true\"], where an address opens a door"},
		{name: "insecure_oidc_skip_issuer_verification", kind: Lost, flag: true, why: noCheckOff + ": write provider.issuers, or issuer_template with allowed_tenants"},
		{name: "insecure_oidc_skip_nonce", kind: Needless, flag: true, why: "the nonce is always checked"},
		{name: "scope", kind: Carried, to: "provider.scopes"},
		{name: "prompt", kind: Carried, to: "provider.authorize_params"},
		{name: "approval_prompt", kind: Needless, why: "is a parameter of Google's from before OpenID Connect; the preset google sends prompt=consent"},
		{name: "acr_values", kind: Carried, to: "provider.authorize_params", why: "a route that needs it says so in require.acr, too"},
		{name: "resource", kind: Carried, to: "provider.resource"},
		{name: "auth_request_response_mode", kind: Lost, idle: "query", why: "the answer comes in the query: a form post carries no cookie of this kind"},
		{name: "code_challenge_method", kind: Needless, why: "is always S256"},
		{name: "force_code_challenge_method", kind: Needless, why: "is always S256"},
		{name: "provider_ca_files", kind: Carried, to: "provider.ca_file", list: true, why: "one file, beside the system's roots"},
		{name: "use_system_trust_store", kind: Needless, flag: true, why: "the system's roots are always there"},
		{name: "ssl_insecure_skip_verify", kind: Lost, flag: true, why: noCheckOff + ": write provider.ca_file"},
		{name: "jwt_key", kind: Todo, why: "write the key into a file, and provider.client_auth: private_key_jwt with provider.client_key_file"},
		{name: "jwt_key_file", kind: Todo, why: "write provider.client_auth: private_key_jwt, and the file as provider.client_key_file"},
		{name: "pubjwk_url", kind: Todo, why: "the public keys of provider.client_key_file stand at /bff/jwks.json: register that address"},
		{name: "backend_logout_url", kind: Needless, why: "a logout goes to the provider's end-session endpoint, and provider.logout takes a URL of its own"},
		{name: "azure_tenant", kind: Carried, to: "provider.issuer"},
		{name: "azure_graph_group_field", kind: Lost, why: asked},
		{name: "entra_id_allowed_tenants", kind: Carried, to: "provider.allowed_tenants", list: true},
		{name: "entra_id_federated_token_auth", kind: Lost, flag: true, why: "assertions of another issuer are not sent: give the application a certificate (client_auth: private_key_jwt) or a secret"},
		{name: "alpha_config", kind: Todo, why: "names another file: give it to cloakroom migrate, too"},
		{name: "config", kind: Todo, why: "names another file: give it to cloakroom migrate, too"},
		{name: "config_test", kind: Needless, flag: true, why: "cloakroom check does it"},
		{name: "convert_config_to_alpha", kind: Needless, flag: true, why: "is a command, and no setting"},
		{name: "version", kind: Needless, flag: true, why: "is a command, and no setting"},
	}
}

func oauth2AccessOptions() []option {
	return []option{
		{name: "email_domains", kind: Lost, list: true, idle: "*", why: "the end of an address cannot be compared; see what stands in require.claims in its place"},
		{name: "authenticated_emails_file", kind: Lost, why: "a list of addresses cannot be read from a file: write them into require.claims.email"},
		{name: "allowed_groups", kind: Carried, to: "routes.require.claims", list: true},
		{name: "allowed_roles", kind: Carried, to: "routes.require.claims", list: true, why: "as realm_access.roles, or resource_access.CLIENT.roles"},
		{name: "keycloak_groups", kind: Carried, to: "routes.require.claims", list: true},
		{name: "gitlab_groups", kind: Carried, to: "routes.require.claims.groups_direct", list: true},
		{name: "gitlab_projects", kind: Lost, list: true, why: asked},
		{name: "google_group", kind: Lost, list: true, why: asked},
		{name: "google_groups", kind: Lost, list: true, why: asked},
		{name: "google_admin_email", kind: Needless, why: "is for asking Google's admin API about groups"},
		{name: "google_service_account_json", kind: Needless, why: "is for asking Google's admin API about groups"},
		{name: "google_use_application_default_credentials", kind: Needless, why: "is for asking Google's admin API about groups"},
		{name: "google_target_principal", kind: Needless, why: "is for asking Google's admin API about groups"},
		{name: "google_use_organization_id", kind: Lost, why: asked},
		{name: "google_admin_api_user_scope", kind: Needless, why: "is for asking Google's admin API about groups"},
		{name: "github_org", kind: Lost, why: notOIDC},
		{name: "github_team", kind: Lost, why: notOIDC},
		{name: "github_repo", kind: Lost, why: notOIDC},
		{name: "github_token", kind: Lost, why: notOIDC},
		{name: "github_users", kind: Lost, list: true, why: notOIDC},
		{name: "bitbucket_team", kind: Lost, why: notOIDC},
		{name: "bitbucket_repository", kind: Lost, why: notOIDC},
		{name: "htpasswd_file", kind: Lost, why: "there are no users but the provider's"},
		{name: "htpasswd_user_groups", kind: Lost, list: true, why: "there are no users but the provider's"},
		{name: "display_htpasswd_form", kind: Needless, flag: true, why: noPage},
		{name: "trusted_ips", kind: Lost, list: true, why: "an address is no sign-in: these clients have to sign in, or take a route with access: public"},
		{name: "skip_auth_routes", kind: Changed, to: "routes", list: true, why: "access: public, on paths in the place of regular expressions"},
		{name: "skip_auth_regex", kind: Changed, to: "routes", list: true, why: "access: public, on paths in the place of regular expressions"},
		{name: "skip_auth_preflight", kind: Lost, flag: true, why: "the gateway answers preflights itself, for the pages that cors.origins lists"},
		{name: "api_routes", kind: Needless, list: true, why: "scripts get a 401 on every route, and navigations the login; write unauthenticated: \"401\" where nobody is to be sent to a login"},
		{name: "skip_jwt_bearer_tokens", kind: Lost, flag: true, why: "the gateway checks nobody's tokens but its own sessions'. Where the API checks them itself, allow_bearer: true lets requests with a token of their own pass"},
		{name: "extra_jwt_issuers", kind: Lost, list: true, why: "the gateway checks nobody's tokens but its own sessions'"},
		{name: "bearer_token_login_fallback", kind: Needless, flag: true, why: "a bearer token is passed on or dropped, and never leads to a login"},
		{name: "whitelist_domains", kind: Lost, list: true, why: "a login returns to a path of its own host only; run a gateway for each host, or list hosts in routes"},
		{name: "pass_basic_auth", kind: Needless, flag: true, why: "does nothing without basic_auth_password"},
		{name: "basic_auth_password", kind: Lost, why: "a password that every user shares is not sent with the user's name; upstream_auth.basic sends one user's, headers.set and assertion say who asks"},
		{name: "pass_access_token", kind: Changed, to: "routes.token", flag: true, why: "the access token comes as Authorization: Bearer, not as X-Forwarded-Access-Token"},
		{name: "pass_authorization_header", kind: Changed, to: "routes.token", flag: true, why: "Authorization has the access token, not the ID token: the API has to check that one, or take assertion"},
		{name: "pass_user_headers", kind: Changed, to: "routes.headers.set", flag: true, why: "X-Forwarded-User, -Email, -Groups and -Preferred-Username are X-Auth-Request-… here: X-Forwarded-* says where a request comes from, and no route may set it"},
		{name: "prefer_email_to_user", kind: Carried, to: "routes.headers.set", flag: true},
		{name: "set_basic_auth", kind: Lost, flag: true, why: "a password that every user shares is not sent with the user's name"},
		{name: "set_xauthrequest", kind: Carried, to: "routes.headers.set, forward_auth.listen", flag: true},
		{name: "set_authorization_header", kind: Changed, to: "routes.token, forward_auth.listen", flag: true, why: "Authorization has the access token, not the ID token"},
		{name: "skip_auth_strip_headers", kind: Needless, flag: true, why: "a header that any route sets is dropped from every client's request"},
		{name: "signature_key", kind: Lost, why: "GAP-Signature is not made: assertion puts a signed word about the user into a header"},
		{name: "skip_provider_button", kind: Needless, flag: true, why: noPage},
	}
}

func oauth2SessionOptions() []option {
	return []option{
		{name: "cookie_secret", kind: Needless, why: "seals the other product's cookies: session.keys has new keys, and users sign in once more"},
		{name: "cookie_secret_file", kind: Needless, why: "seals the other product's cookies: session.keys has new keys, and users sign in once more"},
		{name: "cookie_name", kind: Needless, why: "the ticket has a name of its own, whose prefix keeps other hosts from planting it"},
		{name: "cookie_domains", kind: Lost, list: true, why: "the ticket is for one host; run a gateway for each host: its sign-in at the provider is shared"},
		{name: "cookie_path", kind: Lost, idle: "/", why: "the ticket is for the whole host"},
		{name: "cookie_expire", kind: Changed, to: "session.absolute_timeout, session.idle_timeout", why: "a refresh does not extend it"},
		{name: "cookie_refresh", kind: Needless, why: "tokens are refreshed before they run out (session.refresh.before_expiry), and the cookie stays as it is"},
		{name: "cookie_secure", kind: Needless, flag: true, why: "follows from public_url"},
		{name: "cookie_httponly", kind: Needless, flag: true, why: "is always on"},
		{name: "cookie_samesite", kind: Carried, to: "session.cookie.same_site"},
		{name: "cookie_csrf_per_request", kind: Needless, flag: true, why: ownAttempt},
		{name: "cookie_csrf_per_request_limit", kind: Needless, why: ownAttempt + ", five at most"},
		{name: "cookie_csrf_expire", kind: Needless, why: ownAttempt + ", for ten minutes"},
		{name: "cookie_csrf_samesite", kind: Needless, why: ownAttempt},
		{name: "session_store_type", kind: Carried, to: "session.store", why: "redis, or a file in the place of cookies: the browser holds a ticket only"},
		{name: "session_cookie_minimal", kind: Needless, flag: true, why: "the cookie is under 300 bytes"},
		{name: "redis_connection_url", kind: Carried, to: "session.store"},
		{name: "redis_username", kind: Carried, to: "session.store"},
		{name: "redis_password", kind: Carried, to: "session.store", why: "as ${env:…}, percent-encoded"},
		{name: "redis_use_sentinel", kind: Carried, to: "session.store", flag: true},
		{name: "redis_sentinel_password", kind: Carried, to: "session.store", why: "as ${env:…}, percent-encoded"},
		{name: "redis_sentinel_master_name", kind: Carried, to: "session.store"},
		{name: "redis_sentinel_connection_urls", kind: Carried, to: "session.store", list: true},
		{name: "redis_use_cluster", kind: Carried, to: "session.store", flag: true},
		{name: "redis_cluster_connection_urls", kind: Carried, to: "session.store", list: true},
		{name: "redis_ca_path", kind: Carried, to: "session.store"},
		{name: "redis_insecure_skip_tls_verify", kind: Lost, flag: true, why: noCheckOff + ": write ca_file into the URL"},
		{name: "redis_connection_idle_timeout", kind: Needless, why: "connections are kept alive"},
	}
}

func oauth2ServingOptions() []option {
	all := []option{
		{name: "http_address", kind: Carried, to: "listen"},
		{name: "https_address", kind: Carried, to: "listen", why: "with tls, if there is a certificate"},
		{name: "tls_cert_file", kind: Carried, to: "tls.cert_file"},
		{name: "tls_key_file", kind: Carried, to: "tls.key_file"},
		{name: "tls_min_version", kind: Lost, idle: "TLS1.2", why: "is 1.2, with today's suites"},
		{name: "tls_cipher_suites", kind: Needless, list: true, why: "are Go's safe ones"},
		{name: "force_https", kind: Lost, flag: true, why: "the gateway does not send http on to https: let the proxy in front do it"},
		{name: "metrics_address", kind: Changed, to: "admin.listen", why: "metrics have other names, and the operator's API is there, too"},
		{name: "metrics_secure_address", kind: Lost, why: "the admin listener has no TLS: keep it on loopback or in a network of its own"},
		{name: "metrics_tls_cert_file", kind: Lost, why: "the admin listener has no TLS"},
		{name: "metrics_tls_key_file", kind: Lost, why: "the admin listener has no TLS"},
		{name: "redirect_url", kind: Carried, to: "public_url, base_path"},
		{name: "relative_redirect_url", kind: Needless, flag: true, why: "the redirect URI follows from public_url"},
		{name: "proxy_prefix", kind: Changed, to: "base_path", why: "the endpoints below it have other names: login, logout, user, session"},
		{name: "upstreams", kind: Carried, to: "routes", list: true},
		{name: "upstream_timeout", kind: Carried, to: "routes.timeout"},
		{name: "pass_host_header", kind: Changed, flag: true, why: "Host is the upstream's own, and X-Forwarded-Host the browser's"},
		{name: "proxy_websockets", kind: Needless, flag: true, why: "WebSockets always pass"},
		{name: "flush_interval", kind: Needless, why: "answers stream as they come"},
		{name: "disable_keep_alives", kind: Needless, flag: true, why: "connections to upstreams are kept"},
		{name: "ssl_upstream_insecure_skip_verify", kind: Lost, flag: true, why: noCheckOff + ": write upstream_tls.ca_file"},
		{name: "reverse_proxy", kind: Changed, to: "trusted_proxies", flag: true, why: "what a proxy says is believed from the networks in trusted_proxies only"},
		{name: "trusted_proxy_ips", kind: Carried, to: "trusted_proxies", list: true},
		{name: "real_client_ip_header", kind: Lost, idle: "X-Forwarded-For", why: "the client's address is read from Forwarded or X-Forwarded-For of a trusted proxy: let it write one of them"},
		{name: "ping_path", kind: Changed, to: "admin.listen", why: "probes ask /healthz of the admin listener"},
		{name: "ping_user_agent", kind: Lost, why: "probes ask /healthz of the admin listener"},
		{name: "ready_path", kind: Changed, to: "admin.listen", why: "probes ask /readyz of the admin listener"},
		{name: "gcp_healthchecks", kind: Lost, flag: true, why: "let the load balancer ask /healthz of the admin listener"},
		{name: "custom_templates_dir", kind: Lost, why: noPage + ", and the error page is the gateway's own"},
		{name: "custom_sign_in_logo", kind: Needless, why: noPage},
		{name: "banner", kind: Needless, why: noPage},
		{name: "footer", kind: Needless, why: noPage},
		{name: "show_debug_on_error", kind: Needless, flag: true, why: "pages say what to do, and the log says why"},
		{name: "force_json_errors", kind: Needless, flag: true, why: "scripts get problem+json, and navigations a page"},
		{name: "encode_state", kind: Needless, flag: true, why: "state is sealed and safe for URLs"},
		{name: "allow_query_semicolons", kind: Needless, flag: true, why: "the query is passed on untouched"},
		{name: "request_id_header", kind: Lost, idle: "X-Request-Id", why: "a header of the client's passes to the upstream, and the log has no id of it"},
		{name: "logging_filename", kind: Lost, why: "the log goes to standard error: let the service manager keep it"},
	}
	for name := range strings.FieldsSeq("auth_logging request_logging standard_logging errors_to_info_log logging_local_time silence_ping_logging logging_compress") {
		all = append(all, option{name: name, kind: Needless, flag: true, why: ownLog})
	}
	for name := range strings.FieldsSeq("auth_logging_format request_logging_format standard_logging_format logging_max_size logging_max_age logging_max_backups") {
		all = append(all, option{name: name, kind: Needless, why: ownLog})
	}
	return append(all, option{name: "exclude_logging_paths", kind: Needless, list: true, why: ownLog})
}

// flagOf is the command line's name of an option: of a list, mostly in the singular.
func (o option) flagOf() string {
	name := o.name
	if o.list && name != "extra_jwt_issuers" && !strings.HasSuffix(name, "_connection_urls") {
		name = strings.TrimSuffix(name, "s")
	}
	return strings.ReplaceAll(name, "_", "-")
}
