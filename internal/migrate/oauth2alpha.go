package migrate

import (
	"encoding/base64"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// alphaOptions are the fields of the alpha format that are options by another name.
func alphaOptions() map[string]string {
	return map[string]string{ //nolint:gosec // names of options, one of them client_secret
		"clientID": "client_id", "clientSecret": "client_secret", "clientSecretFile": "client_secret_file",
		"provider": "provider", "name": "provider_display_name", "caFiles": "provider_ca_files", "useSystemTrustStore": "use_system_trust_store",
		"loginURL": "login_url", "authRequestResponseMode": "auth_request_response_mode", "redeemURL": "redeem_url", "profileURL": "profile_url",
		"skipClaimsFromProfileURL": "skip_claims_from_profile_url", "resource": "resource", "validateURL": "validate_url", "scope": "scope",
		"allowedGroups": "allowed_groups", "code_challenge_method": "code_challenge_method", "backendLogoutURL": "backend_logout_url",
		"keycloakConfig.groups": "keycloak_groups", "keycloakConfig.roles": "allowed_roles",
		"azureConfig.tenant": "azure_tenant", "azureConfig.graphGroupField": "azure_graph_group_field",
		"microsoftEntraIDConfig.allowedTenants": "entra_id_allowed_tenants", "microsoftEntraIDConfig.federatedTokenAuth": "entra_id_federated_token_auth",
		"bitbucketConfig.team": "bitbucket_team", "bitbucketConfig.repository": "bitbucket_repository",
		"githubConfig.org": "github_org", "githubConfig.team": "github_team", "githubConfig.repo": "github_repo", "githubConfig.token": "github_token", "githubConfig.users": "github_users",
		"gitlabConfig.group": "gitlab_groups", "gitlabConfig.projects": "gitlab_projects",
		"googleConfig.group": "google_groups", "googleConfig.adminEmail": "google_admin_email", "googleConfig.serviceAccountJson": "google_service_account_json",
		"googleConfig.useApplicationDefaultCredentials": "google_use_application_default_credentials", "googleConfig.targetPrincipal": "google_target_principal",
		"googleConfig.useOrganizationID": "google_use_organization_id", "googleConfig.adminAPIUserScope": "google_admin_api_user_scope",
		"oidcConfig.issuerURL": "oidc_issuer_url", "oidcConfig.insecureAllowUnverifiedEmail": "insecure_oidc_allow_unverified_email",
		"oidcConfig.insecureSkipIssuerVerification": "insecure_oidc_skip_issuer_verification", "oidcConfig.insecureSkipNonce": "insecure_oidc_skip_nonce",
		"oidcConfig.skipDiscovery": "skip_oidc_discovery", "oidcConfig.jwksURL": "oidc_jwks_url", "oidcConfig.publicKeyFiles": "oidc_public_key_files",
		"oidcConfig.emailClaim": "oidc_email_claim", "oidcConfig.groupsClaim": "oidc_groups_claim", "oidcConfig.userIDClaim": "user_id_claim",
		"oidcConfig.audienceClaims": "oidc_audience_claims", "oidcConfig.extraAudiences": "oidc_extra_audiences", "oidcConfig.enabledSigningAlgs": "oidc_enabled_signing_algs",
		"loginGovConfig.jwtKey": "jwt_key", "loginGovConfig.jwtKeyFile": "jwt_key_file", "loginGovConfig.pubjwkURL": "pubjwk_url",
		"server.bindAddress": "http_address", "server.secureBindAddress": "https_address", "server.tls.key.fromFile": "tls_key_file", "server.tls.cert.fromFile": "tls_cert_file",
		"server.tls.minVersion": "tls_min_version", "server.tls.cipherSuites": "tls_cipher_suites",
		"metricsServer.bindAddress": "metrics_address", "metricsServer.secureBindAddress": "metrics_secure_address",
		"metricsServer.tls.key.fromFile": "metrics_tls_key_file", "metricsServer.tls.cert.fromFile": "metrics_tls_cert_file",
		"upstreamConfig.upstreams.insecureSkipTLSVerify": "ssl_upstream_insecure_skip_verify", "upstreamConfig.upstreams.flushInterval": "flush_interval",
		"upstreamConfig.upstreams.passHostHeader": "pass_host_header", "upstreamConfig.upstreams.proxyWebSockets": "proxy_websockets",
		"upstreamConfig.upstreams.disableKeepAlives": "disable_keep_alives",
	}
}

// answerAlone says what becomes of an answer without an upstream.
const answerAlone = "an answer without an upstream is what an ingress asks for: it asks at the forward-auth entrance"

// alphaOwn are the fields of the alpha format that no option is.
func alphaOwn() []option {
	const inRoutes, inHeaders = "upstreamConfig.upstreams.", "routes.headers.set"
	return []option{
		{name: "id", kind: Needless, why: "is a name only"},
		{name: "additionalClaims", kind: Needless, why: "all claims of the ID token are at hand"},
		{name: "loginURLParameters", kind: Carried, to: "provider.authorize_params, provider.login_params"},
		{name: "ADFSConfig.skipScope", kind: Lost, why: "a login asks for openid at least"},
		{name: "upstreamConfig.proxyRawPath", kind: Changed, to: "routes.encoded_slashes", why: "the path is forwarded byte for byte; %2F in it is a 400 unless a route says encoded_slashes: keep"},
		{name: inRoutes + "id", kind: Needless, why: "is a name only"},
		{name: inRoutes + "path", kind: Carried, to: "routes.path"},
		{name: inRoutes + "rewriteTarget", kind: Carried, to: "routes.strip_prefix", why: "where it takes a beginning off the path; other rewrites cannot be carried"},
		{name: inRoutes + "uri", kind: Carried, to: "routes.upstream, routes.files"},
		{name: inRoutes + "timeout", kind: Carried, to: "routes.timeout"},
		{name: inRoutes + "static", kind: Changed, to: "forward_auth.listen", why: answerAlone},
		{name: inRoutes + "staticCode", kind: Needless, why: "the forward-auth entrance answers 200"},
		{name: "injectRequestHeaders", kind: Carried, to: inHeaders},
		{name: "injectResponseHeaders", kind: Carried, to: inHeaders + ", forward_auth.listen"},
	}
}

// writeAlpha turns fields into options, and reads what no option is.
func (p *oauth2Proxy) writeAlpha(d alphaDocument) {
	p.token = "none"
	d.root.each(func(name string, line int, value *node) {
		at := place(d.name, &node{line: line})
		switch name {
		case "providers":
			for i, item := range value.items {
				if i == 0 {
					p.alphaFields(d.name, "", item)
					p.loginParameters(d.name, item.get("loginURLParameters"))
				} else {
					p.remark(Remark{Lost, "providers", place(d.name, item), "provider", "a gateway has one provider: run another one for this"})
				}
			}
		case "upstreamConfig":
			p.alphaFields(d.name, name+".", &node{fields: slices.DeleteFunc(slices.Clone(value.fields), func(f field) bool { return f.name == "upstreams" })})
			if list := value.get("upstreams"); list != nil {
				for _, item := range list.items {
					p.alphaUpstream(d.name, item)
				}
			}
		case "injectRequestHeaders", "injectResponseHeaders":
			p.asked = p.asked || name == "injectResponseHeaders" && len(value.items) > 0
			for _, item := range value.items {
				p.alphaHeader(name, place(d.name, item), item)
			}
			p.remark(Remark{Carried, name, at, "routes.headers.set", ""})
		case "server", "metricsServer":
			p.alphaFields(d.name, name+".", value)
		default:
			p.remark(Remark{Unknown, shown(name), at, "", "is not known here: look up what it does, and whether you need it"})
		}
	})
}

// alphaFields takes fields as the options that they are.
func (p *oauth2Proxy) alphaFields(doc, prefix string, n *node) {
	options, own := alphaOptions(), alphaOwn()
	n.each(func(name string, line int, value *node) {
		full := prefix + name
		at := place(doc, &node{line: line})
		i := slices.IndexFunc(own, func(o option) bool { return o.name == full })
		option, known := options[full]
		switch {
		case i >= 0:
			s := &setting{name: full, at: at, values: value.texts()}
			if !s.idles(own[i]) || own[i].kind != Lost {
				p.remark(Remark{own[i].kind, full, at, own[i].to, own[i].why})
			}
		case known:
			s := &setting{name: option, at: at, values: value.texts()}
			p.reference(s)
			if !s.absent && strings.Contains(s.text(), "${") {
				p.remark(Remark{Todo, option, at, "", "has a variable within a text: write ${env:NAME} where $${NAME} stands"})
			}
			p.set[option] = s
			p.order = append(slices.DeleteFunc(p.order, func(o *setting) bool { return o.name == option }), s)
		case value.shape == mappingNode:
			p.alphaFields(doc, full+".", value)
		default:
			p.remark(Remark{Unknown, shown(full), at, "", "is not known here: look up what it does, and whether you need it"})
		}
	})
}

// loginParameters carries the parameters of the authorization request that have a default,
// or that the browser may choose.
func (p *oauth2Proxy) loginParameters(doc string, list *node) {
	if list == nil {
		return
	}
	for _, item := range list.items {
		name, allow := item.get("name").scalar(), item.get("allow")
		s := &setting{name: "loginURLParameters", at: place(doc, item)}
		switch standard := map[string]string{"prompt": "prompt", "acr_values": "acr_values"}[name]; {
		case name == "approval_prompt" || name == "code_challenge_method":
		case standard != "" && len(item.get("default").texts()) > 0:
			p.set[standard] = &setting{name: standard, at: s.at, values: item.get("default").texts()}
		case allow != nil || len(item.get("default").texts()) > 0:
			p.remark(Remark{Lost, s.name, s.at, "provider.authorize_params", "has a parameter that is not carried by itself: write it into provider.authorize_params, or into provider.login_params if browsers may choose it"})
		}
	}
}

// prefixRewrite is a rewrite that takes a beginning off the path.
var prefixRewrite = regexp.MustCompile(`^\^?(/[^()^$*+?\[\]{}|\\]*)\(\.[*+]\)\$?$`)

// alphaUpstream reads one of the upstreams.
func (p *oauth2Proxy) alphaUpstream(doc string, n *node) {
	s := &setting{name: "upstreamConfig.upstreams.uri", at: place(doc, n)}
	rest := &node{}
	for _, f := range n.fields {
		if !slices.Contains([]string{"path", "uri", "rewriteTarget", "timeout", "static"}, f.name) {
			rest.fields = append(rest.fields, f)
		}
	}
	p.alphaFields(doc, "upstreamConfig.upstreams.", rest)
	if static := (&setting{values: n.get("static").texts()}); static.truth() {
		p.asked = true
		p.remark(Remark{Changed, "upstreamConfig.upstreams.static", s.at, "forward_auth.listen", answerAlone})
		return
	}
	place, target := n.get("path").scalar(), n.get("rewriteTarget").scalar()
	u, err := parseURL(n.get("uri").scalar())
	if err != nil {
		p.say(Lost, s, "routes", "is no URL")
		return
	}
	strip := ""
	if target != "" {
		match := prefixRewrite.FindStringSubmatch(place)
		if match == nil || target != "/$1" || u.Scheme == "file" || !strings.HasSuffix(match[1], "/") {
			p.remark(Remark{Lost, "upstreamConfig.upstreams.rewriteTarget", s.at, "routes.strip_prefix", "is a rewrite other than taking a beginning off the path: the upstream is left out, write its route"})
			return
		}
		place, strip = match[1], strings.TrimSuffix(match[1], "/")
	}
	before := len(p.targets)
	p.target(s, place, u)
	if len(p.targets) == before {
		return
	}
	t := &p.targets[before]
	if strip != "" {
		t.strip = strip
	}
	if d, err := duration(n.get("timeout").scalar()); err == nil && d > 0 {
		t.timeout = brief(d)
	}
	p.remark(Remark{Carried, s.name, s.at, "routes", ""})
}

// alphaHeader reads a header. It says what the upstream hears: one of claims and secrets.
func (p *oauth2Proxy) alphaHeader(option, at string, n *node) {
	name := n.get("name").scalar()
	if preserve := (&setting{values: n.get("preserveRequestValue").texts()}); preserve.truth() {
		p.remark(Remark{Lost, option, at, "routes.headers.set", "keeps what the client sent: the gateway drops a header that any route sets"})
	}
	var value strings.Builder
	list := n.get("values")
	if list == nil {
		return
	}
	for i, v := range list.items {
		if i > 0 {
			value.WriteString(",")
		}
		text, ok := p.headerValue(option, at, name, v)
		if !ok {
			return
		}
		value.WriteString(text)
	}
	switch {
	case strings.EqualFold(name, "Authorization"):
		p.remark(Remark{Lost, option, at, "routes.upstream_auth", "Authorization is the gateway's own: write upstream_auth with token: none"})
		return
	case !headerName(name):
		p.remark(Remark{Lost, option, at, "routes.headers.set", "is no header that a route may set"})
		return
	}
	named := textproto.CanonicalMIMEHeaderKey(name)
	if rest, ok := strings.CutPrefix(named, "X-Forwarded-"); ok {
		named = "X-Auth-Request-" + rest
		p.remark(Remark{Changed, option, at, "routes.headers.set", "X-Forwarded-" + shown(rest) + " is " + shown(named) + " here: X-Forwarded-* says where a request comes from, and no route may set it"})
	}
	if p.headers == nil {
		p.headers = map[string]string{}
	}
	p.headers[literal(named)] = value.String()
}

// headerValue writes one source of a header's value, not ok if there is none here.
func (p *oauth2Proxy) headerValue(option, at, name string, v *node) (string, bool) {
	if inner := v.get("claimSource"); inner != nil {
		v = inner
	} else if inner := v.get("secretSource"); inner != nil {
		v = inner
	}
	prefix := strings.ReplaceAll(literal(v.get("prefix").scalar()), "{", "{{")
	switch from := v.get("claim").scalar(); {
	case v.get("basicAuthPassword") != nil:
		p.remark(Remark{Lost, option, at, "routes.upstream_auth", "a password that every user shares is not sent with the user's name; upstream_auth.basic sends one user's"})
		return "", false
	case from == "access_token" || from == "id_token":
		p.token = "user"
		p.remark(Remark{Changed, option, at, "routes.token", "tokens are in no header but Authorization: Bearer, which has the access token"})
		return "", false
	case from == "refresh_token" || from == "created_at" || from == "expires_on":
		p.remark(Remark{Lost, option, at, "routes.headers.set", "a refresh token leaves the gateway for nobody but the provider, and times of the session for nobody"})
		return "", false
	case from != "":
		return prefix + claim(p.sessionClaim(from)), true
	case v.get("fromEnv") != nil:
		return prefix + "${env:" + v.get("fromEnv").scalar() + "}", true
	case v.get("fromFile") != nil:
		return prefix + "${file:" + v.get("fromFile").scalar() + "}", true
	case v.get("value") != nil:
		s := &setting{name: option + " " + shown(name), at: at}
		if _, err := base64.StdEncoding.DecodeString(v.get("value").scalar()); err == nil {
			p.todo("routes.headers.set", "the value at "+at+" may be base64: the variable takes what it means")
		}
		return prefix + p.secret(s, "HEADER_"+strings.ToUpper(strings.Map(variableRune, name))), true
	}
	return "", false
}

// sessionClaim is the claim that a field of the product's session comes from.
func (p *oauth2Proxy) sessionClaim(name string) string {
	switch name {
	case "user":
		return "sub"
	case "email":
		return p.emailClaim()
	case "groups":
		return p.claimOf("oidc_groups_claim", "groups")
	}
	return name
}

// variableRune makes a name of a variable.
func variableRune(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
		return c
	}
	return '_'
}
