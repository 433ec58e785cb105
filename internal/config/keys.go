package config

import (
	"math"
	"net/netip"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

const (
	keySize = 32

	// forever bounds durations that need no tighter bound.
	forever = time.Duration(math.MaxInt64)
	// longest is a year: a limit of a session that means "never" is better said so.
	longest = 366 * 24 * time.Hour
)

// keys describes the file, bound to c.
func (c *Config) keys() []key {
	return []key{
		{"public_url", publicURL(&c.PublicURL), nil, "https://app.example.com", "What the browser sees: scheme, host and port. Redirect URI, cookie rules, CSRF and WebSocket origin follow from it."},
		{"listen", listenAddress(&c.Listen, false), ":8080", "", "Where the gateway listens."},
		{"tls", group{
			{"cert_file", filePath{&c.TLS.CertFile, true}, "", "", "Certificate chain in PEM; with key_file, or not at all."},
			{"key_file", filePath{&c.TLS.KeyFile, true}, "", "", "Private key in PEM."},
		}, nil, "", "TLS of the public listener."},
		{"max_connections", count(&c.MaxConnections, 1), 10000, "", "How many connections of clients are open at a time on a listener; beyond, new ones wait."},
		{"drain", group{
			{"stop", duration(&c.Drain.Stop, longest), "30s", "", "How long requests under way may take at a shutdown; streams are told to come back at once."},
			{"restart", duration(&c.Drain.Restart, longest), "1h", "", "How long the old process stays for its open streams when another one has taken its place."},
		}, nil, "", "How long what is under way may take when the process ends."},
		{"admin", group{
			{"listen", listenAddress(&c.Admin.Listen, false), "127.0.0.1:9090", "", "Where /healthz, /readyz, /metrics and the operator's API listen. Never for browsers."},
			{"token", secretText(&c.Admin.Token), "", "", "Bearer token of the operator's API; needed off loopback. Whoever has it may also ask the gateway to explain a request: make it long and random."},
		}, nil, "", "The operator's listener."},
		{"forward_auth", group{
			{"listen", listenAddress(&c.ForwardAuth.Listen, true), "", "", "The ingress's own entrance, such as :4181; empty is off."},
		}, nil, "", "Decisions for an ingress."},
		{"post_logout_url", landing(&c.PostLogoutURL), "/", "", "Where the browser lands after a logout: a path, or an absolute URL."},
		{"base_path", plainPath(&c.BasePath), "/bff", "", "Where the gateway's own endpoints live."},
		{"trusted_proxies", series[netip.Prefix]{&c.TrustedProxies, cidr, false}, []string{}, "", "Networks whose Forwarded and X-Forwarded-* headers are believed; nobody by default."},
		{"cors", group{
			{"origins", series[string]{&c.CORS.Origins, origin, false}, []string{}, "", "Origins of the same site whose pages call the gateway with the user's ticket, such as https://www.example.com; none by default."},
		}, nil, "", "Pages at another origin than public_url."},
		{"provider", c.Provider.keys(), nil, "", "The OpenID provider."},
		{"session", c.Session.keys(), nil, "", "Where sessions live and for how long."},
		{"signals", c.Signals.keys(), nil, "", "Security events that a transmitter pushes to /bff/signals."},
		{"routes", series[Route]{&c.Routes, func(rt *Route) field { return rt.keys() }, false}, nil, "[{path: /, upstream: \"http://localhost:3000\"}]", "Which requests go where. The longest path wins; the query plays no part."},
		{"log", group{
			{"level", logLevel(&c.Log.Level), "info", "", "The least level that is logged."},
			{"format", oneOf(&c.Log.Format, "json", "text"), "json", "", "How a line is written."},
		}, nil, "", "The log."},
		{"telemetry", group{
			{"otlp_endpoint", insideURL(&c.Telemetry.OTLPEndpoint), "", "", "Where OpenTelemetry traces are sent (OTLP over HTTP); empty is nowhere."},
		}, nil, "", "Traces."},
	}
}

func (p *Provider) keys() group {
	return group{
		{"preset", presetName(&p.Preset), "", "", "Data of a known provider that fills in what follows; what is written here wins."},
		{"profile", profileName(&p.Profile), "", "", "Rules to meet: fapi2 is the FAPI 2.0 Security Profile. It fills in what they ask for, and what weakens them is an error."},
		{"issuer", issuer(&p.Issuer), nil, "https://login.example.com/", "The provider's issuer, exactly as its discovery document has it."},
		{"issuers", series[string]{&p.Issuers, neededText, false}, []string{}, "", "Other spellings of the issuer that its ID tokens may have."},
		{"issuer_template", issuerTemplate(&p.IssuerTemplate), "", "", "The issuer of all tenants, with {tenantid} in the tenant's place; needs allowed_tenants."},
		{"allowed_tenants", series[string]{&p.AllowedTenants, tenant, false}, []string{}, "", "The ids (claim tid) of the tenants whose users may sign in. With some, issuer_template counts."},
		{"discovery_url", endpoint(&p.DiscoveryURL), "", "", "Where the discovery document is, if not below the issuer; it must name the issuer all the same."},
		{"client_id", neededText(&p.ClientID), nil, "my-client", "The client's name at the provider."},
		{"client_secret", secretText(&p.ClientSecret), "", "", "The client's secret, best as ${env:NAME} or ${file:PATH}."},
		{"client_auth", oneOf(&p.ClientAuth, SecretBasic, SecretPost, SecretJWT, PrivateKeyJWT, MutualTLS, SelfSignedTLS, NoClientAuth), string(SecretBasic), "", "How the client authenticates at the token endpoint."},
		{"client_key_file", keyFile{filePath{&p.ClientKeyFile, false}, &p.ClientKeys}, "", "", "Private keys of private_key_jwt, or key and certificate of mutual TLS; PEM or JWK. The first signs, all are published at /bff/jwks.json; reloaded when the file changes."},
		{"client_assertion", group{
			{"audience", oneOf(&p.ClientAssertion.Audience, ForIssuer, ForTokenEndpoint, ForEndpoint), string(ForIssuer), "", "Who the assertions of private_key_jwt and client_secret_jwt are for: the issuer, or for older providers token_endpoint, or endpoint, which is the one that is asked."},
			{"typ", oneOf(&p.ClientAssertion.Type, PlainJWT, TypedJWT), string(PlainJWT), "", "The typ of their header: JWT, or client-authentication+jwt for providers that ask for it."},
		}, nil, "", "The client's signed word about itself."},
		{"sender_constrained", oneOf(&p.SenderConstrained, NotConstrained, DPoP, MTLSBound), string(NotConstrained), "", "What tokens are bound to, so that nobody else can use them: dpop is a key for each session, mtls the certificate of client_key_file."},
		{"scopes", series[string]{&p.Scopes, scope, false}, []string{"openid", "profile", "email", "offline_access"}, "", "What a login asks for."},
		{"scope_on_refresh", oneOf(&p.ScopeOnRefresh, OmitScope, SendScope), string(OmitScope), "", "Whether a refresh names the scopes of the login again. Those of a route are named in any case."},
		{"audience", anyText(&p.Audience), "", "", "Auth0's API audience."},
		{"resource", series[string]{&p.Resource, resource, false}, []string{}, "", "Resource indicators of a login (RFC 8707)."},
		{"authorize_params", table[string]{&p.AuthorizeParams, anyText}, map[string]string{}, "", "Extra parameters of the authorization request; none of the gateway's own."},
		{"par", oneOf(&p.PAR, ByProvider, UseAlways, UseNever), string(ByProvider), "", "Whether authorization requests are pushed to the provider (RFC 9126); auto is where it offers or demands that."},
		{"jar", oneOf(&p.JAR, ByProvider, UseAlways, UseNever), string(ByProvider), "", "Whether authorization requests are signed with the first key of client_key_file (RFC 9101); auto is where the provider demands it."},
		{"response_mode", oneOf(&p.ResponseMode, "query", "form_post", "jwt", "query.jwt", "form_post.jwt"), "query", "", "How the provider answers a login: in the callback's query, in a form, or signed (JARM) in one of the two."},
		{"login_params", series[string]{&p.LoginParams, parameter, false}, loginParams(), "", "Parameters that /bff/login passes on."},
		{"logout", logoutStrategy(&p.Logout), "auto", "", "How a logout reaches the provider: auto, oidc, auth0_v2, cognito, local or a URL template."},
		{"logout_hint", anyText(&p.LogoutHint), "", "", "The claim that goes along to the provider's logout as logout_hint. Empty is sid, where the ID token is too long to go along."},
		{"revoke_on_logout", truthValue(&p.RevokeOnLogout), true, "", "Whether a logout revokes the refresh token."},
		{"id_token_hint", truthValue(&p.IDTokenHint), true, "", "Whether the logout request carries the ID token, so that the provider need not ask."},
		{"userinfo", truthValue(&p.UserInfo), false, "", "Whether the userinfo endpoint's claims are merged at login and refresh."},
		{"endpoints", p.Endpoints.keys(), nil, "", "Addresses that go before the discovery document's."},
		{"timeout", duration(&p.Timeout, 5*time.Minute), "10s", "", "How long one call to the provider may take."},
		{"clock_skew", duration(&p.ClockSkew, 10*time.Minute), "60s", "", "How far the clocks may differ in ID-token checks."},
		{"ca_file", filePath{&p.CAFile, true}, "", "", "Extra roots in PEM. TLS checks cannot be switched off."},
	}
}

// loginParams are what any provider may understand.
func loginParams() []string {
	return []string{"prompt", "login_hint", "ui_locales", "screen_hint", "organization", "acr_values", "max_age"}
}

func (e *Endpoints) keys() group {
	return group{
		{"authorization", endpoint(&e.Authorization), "", "", "Authorization endpoint."},
		{"token", endpoint(&e.Token), "", "", "Token endpoint."},
		{"jwks", endpoint(&e.JWKS), "", "", "Signing keys."},
		{"revocation", endpoint(&e.Revocation), "", "", "Revocation endpoint (RFC 7009)."},
		{"end_session", endpoint(&e.EndSession), "", "", "RP-initiated logout."},
		{"userinfo", endpoint(&e.UserInfo), "", "", "Userinfo endpoint."},
		{"pushed_authorization_request", endpoint(&e.PushedAuthorizationRequest), "", "", "Where authorization requests are pushed (RFC 9126)."},
	}
}

func (s *Session) keys() group {
	return group{
		{"store", storeURL{&s.Store}, "bolt:./cloakroom.db", "", "bolt:PATH for one process, or redis://…, rediss://…, redis-sentinel://…, redis-cluster://…"},
		{"keys", series[secret.Text]{&s.Keys, signingKey, false}, nil, "[\"${file:/run/secrets/cloakroom-key}\"], with a key that `cloakroom keys new` made", "The keyring: 32 bytes each in base64, newest first. The first seals, all open."},
		{"cookie", group{
			{"name", cookieName(&s.Cookie.Name), "", "", "Name of the ticket's cookie; empty is __Host-Http-cloakroom under https."},
			{"same_site", sameSite(&s.Cookie.SameSite), string(Strict), "", "strict or lax."},
			{"persistent", truthValue(&s.Cookie.Persistent), true, "", "Whether the cookie outlives the browser; its Max-Age is the absolute limit."},
		}, nil, "", "The ticket's cookie."},
		{"idle_timeout", duration(&s.IdleTimeout, longest), "8h", "", "Ends a session without activity."},
		{"absolute_timeout", duration(&s.AbsoluteTimeout, longest), "168h", "", "Ends a session whatever happens; a refresh never extends it."},
		{"expiry_claim", claimName(&s.ExpiryClaim), "session_expiry", "", "The claim of a login's ID token that says when the session ends at the latest, in seconds since 1970."},
		{"max_per_user", count(&s.MaxPerUser, 0), 0, "", "How many sessions a user may have; beyond, the oldest goes. 0 is no limit."},
		{"store_grace", duration(&s.StoreGrace, 10*time.Second), "10s", "", "How long memory serves while the store is away."},
		{"cache", size(&s.Cache), "48MiB", "", "About how much memory sessions take that are kept at hand; the others are read from the store."},
		{"wait_replicas", count(&s.WaitReplicas, 0), 0, "", "How many replicas of Redis must have an end or a rotation before it counts."},
		{"refresh", group{
			{"before_expiry", duration(&s.Refresh.BeforeExpiry, forever), "60s", "", "How long before its end a token is refreshed in the background; at most a fifth of its lifetime."},
			{"wait", duration(&s.Refresh.Wait, 10*time.Minute), "15s", "", "How long a request waits for a refresh."},
			{"rate", rate(&s.Refresh.Rate), "20/s", "", "Budget of calls to the token endpoint."},
			{"unknown_outcome", oneOf(&s.Refresh.UnknownOutcome, WaitForExpiry, RetryAtOnce), string(WaitForExpiry), "", "When a refresh token whose answer was lost is presented once more: retry is at once, wait when the access token has run out."},
		}, nil, "", "When tokens are refreshed."},
	}
}

func (rt *Route) keys() group {
	return group{
		{"path", routePath(&rt.Path), nil, "/api/", "A prefix if it ends in a slash, else exact."},
		{"host", hostName(&rt.Host), "", "", "The host that the route is for; empty is public_url's."},
		{"methods", series[string]{&rt.Methods, method, false}, []string{}, "", "The methods that the route takes; none listed is all."},
		{"upstream", series[*url.URL]{&rt.Upstream, upstream, true}, nil, "", "Where requests go: a URL, or a list of them."},
		{"files", filePath{&rt.Files, false}, "", "", "Instead of upstream: a directory of static files; unknown paths get index.html."},
		{"strip_prefix", anyText(&rt.StripPrefix), "", "", "What is cut off the path before it goes to the upstream."},
		{"rewrite_answers", oneOf(&rt.Rewriting, WhereMoved, Always, Never), string(WhereMoved), "", "Whether Location and cookie paths in answers are written as browsers have to see them; auto is where strip_prefix or the upstream's own path moves paths."},
		{"access", oneOf(&rt.Access, Required, Optional, Public), string(Required), "", "Who may use the route."},
		{"token", oneOf(&rt.Token, UserToken, ClientToken, UserOrClientToken, ExchangedToken, Passthrough, NoToken), string(UserToken), "", "Which token the upstream gets."},
		{"audience", anyText(&rt.Audience), "", "", "The audience of the token for this upstream."},
		{"resource", resource(&rt.Resource), "", "", "The resource of the token for this upstream (RFC 8707)."},
		{"scopes", series[string]{&rt.Scopes, scope, false}, []string{}, "", "The scopes of the token for this upstream."},
		{"authorization_details", details{&rt.AuthorizationDetails}, []string{}, "", "The authorization details of the token for this upstream (RFC 9396): objects that each have a type. Logins ask for those of all routes."},
		{"actor", oneOf(&rt.Actor, NoActor, ClientActor), string(NoActor), "", "Who acts for the user in a traded token (RFC 8693): client names the gateway, by a token of its own."},
		{"require", group{
			{"scopes", series[string]{&rt.Require.Scopes, scope, false}, []string{}, "", "Scopes that the session must have."},
			{"claims", table[[]string]{&rt.Require.Claims, func(to *[]string) field { return series[string]{to, anyText, true} }}, map[string]string{}, "", "Claims that the session must have; on a list, membership."},
			{"acr", anyText(&rt.Require.ACR), "", "", "Authentication context that the login must have had; one of several, separated by spaces."},
			{"max_age", maxAge(&rt.Require.MaxAge), 0, "", "How old the login may be; 0 is any age."},
		}, nil, "", "What a session must have."},
		{"unauthenticated", oneOf(&rt.Unauthenticated, ByRequest, Login, Deny), string(ByRequest), "", "How a request without a session is answered."},
		{"headers", group{
			{"set", table[secret.Text]{&rt.SetHeaders, headerValue}, map[string]string{}, "", "Headers for the upstream, such as X-User: \"{claims.sub}\"."},
			{"remove", series[string]{&rt.RemoveHeaders, anyText, false}, []string{}, "", "Headers of the client that the upstream does not get."},
		}, nil, "", "Headers for the upstream."},
		{"upstream_auth", group{
			{"basic", group{
				{"user", secretText(&rt.UpstreamAuth.User), "", "", "The user, without a colon."},
				{"password", secretText(&rt.UpstreamAuth.Password), "", "", "The password."},
			}, nil, "", "Basic credentials (RFC 7617)."},
			{"authorization", secretText(&rt.UpstreamAuth.Authorization), "", "", "The whole value of Authorization, such as ApiKey ${file:/run/secrets/key}."},
		}, nil, "", "The gateway's own credentials for the upstream, in the place of a token."},
		{"assertion", group{
			{"header", anyText(&rt.Assertion.Header), "", "", "The header that it is sent in, such as X-Identity; empty is none."},
			{"audience", anyText(&rt.Assertion.Audience), "", "", "Its aud; empty is the upstream's scheme and host."},
			{"claims", series[string]{&rt.Assertion.Claims, claimName, false}, []string{}, "", "Claims of the session that go along, beside sub."},
		}, nil, "", "A JWT that tells the upstream who asks, signed by the gateway; its keys are at /bff/jwks.json."},
		{"timeout", duration(&rt.Timeout, 24*time.Hour), "30s", "", "How long the upstream may take for its response header; streams are not cut."},
		{"stream_max_age", maxAge(&rt.StreamMaxAge), 0, "", "How long a WebSocket or an event stream may last; 0 is as long as its session."},
		{"max_body", size(&rt.MaxBody), "10MiB", "", "The largest request body."},
		{"csrf", csrf(&rt.InsecureNoCSRF), "on", "", "insecure_off lets any site use the route with the browser's session."},
		{"background", truthValue(&rt.Background), false, "", "Whether requests here do not count as activity of the user."},
		{"allow_bearer", truthValue(&rt.AllowBearer), false, "", "Whether a machine client's own bearer token passes when there is no ticket."},
		{"encoded_slashes", oneOf(&rt.EncodedSlashes, Reject, Keep), string(Reject), "", "keep is for APIs that put %2F into a segment."},
		{"upstream_tls", group{
			{"ca_file", filePath{&rt.UpstreamTLS.CAFile, true}, "", "", "Extra roots in PEM."},
			{"cert_file", filePath{&rt.UpstreamTLS.CertFile, true}, "", "", "The gateway's certificate for the upstream."},
			{"key_file", filePath{&rt.UpstreamTLS.KeyFile, true}, "", "", "Its private key."},
			{"server_name", serverName(&rt.UpstreamTLS.ServerName), "", "", "The name in the upstream's certificate."},
		}, nil, "", "TLS towards the upstream."},
		{"balance", group{
			{"sticky", truthValue(&rt.Balance.Sticky), false, "", "Whether the requests of a session go to one upstream as long as it is there."},
			{"health_path", healthPath(&rt.Balance.HealthPath), "", "", "Asked for with GET at every upstream; who does not answer with 2xx or 3xx is left out. Empty: who can be connected to is there."},
			{"health_interval", duration(&rt.Balance.HealthInterval, time.Hour), brief(healthInterval), "", "The time between two such questions."},
		}, nil, "", "How requests are spread over a list of upstreams."},
	}
}

// wish answers keys that people look for and that are not there for a reason.
func wish(name string) string {
	switch name {
	case "grant_type", "grant_types", "grant", "grants", "response_type", "flow", "password":
		return "leave it out; the gateway runs the authorization-code flow and refreshes, no other grant"
	case "insecure_skip_verify", "skip_verify", "tls_verify", "verify_tls", "insecure":
		return "TLS checks cannot be switched off; give the extra roots in ca_file"
	case "domain", "cookie_domain":
		return "leave it out; the cookie is for one host only and has no Domain"
	case "secure", "http_only", "httponly":
		return "leave it out; the cookie is always Secure and HttpOnly"
	case "redirect_uri", "redirect_url", "callback_url":
		return "leave it out; it follows from public_url and base_path: …/bff/callback"
	case "pkce", "nonce", "state":
		return "leave it out; it is always used"
	}
	return ""
}
