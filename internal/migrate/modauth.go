package migrate

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ModAuthOpenIDC reads an Apache configuration with the directives of mod_auth_openidc:
// one virtual host, its locations and what they are proxied to.
func ModAuthOpenIDC(in Input) (Result, error) {
	if err := checkSize(in.Documents); err != nil {
		return Result{}, err
	}
	a := &modAuth{migration: newMigration("mod_auth_openidc"), set: map[string]*setting{}}
	for _, doc := range in.Documents {
		all, err := readApache(doc)
		if err != nil {
			return Result{}, err
		}
		a.walk(all, nil)
	}
	if !a.found {
		return Result{}, ErrNothing
	}
	a.write()
	a.judge(a.order, a.find)
	return a.finish(), nil
}

// modAuth is a migration from mod_auth_openidc.
type modAuth struct {
	*migration
	set     map[string]*setting // by the directive's name in lower case
	order   []*setting
	found   bool // a directive of the module's
	host    bool // a virtual host was read
	proxied []apacheTarget
	guards  []*apacheGuard
}

func (a *modAuth) find(name string) (option, bool) {
	all := modAuthOptions()
	i := slices.IndexFunc(all, func(o option) bool { return strings.EqualFold(o.name, name) })
	if i < 0 {
		return option{}, false
	}
	return all[i], true
}

func (a *modAuth) get(name string) *setting { return a.set[strings.ToLower(name)] }

// text is a directive's first argument as config.yaml has it.
func (a *modAuth) text(name string) string { return literal(a.get(name).text()) }

// walk takes directives, within is the location that they are in, nil for none.
func (a *modAuth) walk(all []*directive, within *apacheGuard) {
	for _, d := range all {
		switch strings.ToLower(d.name) {
		case "ifmodule", "ifdefine", "ifversion":
			a.walk(d.inner, within)
		case "virtualhost":
			a.virtualHost(d)
		case "location":
			a.location(d, within)
		case "locationmatch", "directory", "directorymatch", "files", "filesmatch", "if", "elseif", "else", "limit", "limitexcept", "proxy", "proxymatch":
			a.otherSection(d, within)
		case "requireall", "requireany", "requirenone":
			a.takeRequire(within, d)
		default:
			a.directive(d, within)
		}
	}
}

// virtualHost reads the first host that signs users in; one gateway is one of them.
func (a *modAuth) virtualHost(d *directive) {
	if !signsIn(d) {
		a.remark(Remark{Needless, "VirtualHost", d.at, "", "has nothing of mod_auth_openidc"})
		return
	}
	if a.host {
		a.remark(Remark{Lost, "VirtualHost", d.at, "", "a gateway is one host: give cloakroom migrate a file with this one alone"})
		return
	}
	a.host = true
	a.walk(d.inner, nil)
}

// signsIn reports whether something of the module is in a section.
func signsIn(d *directive) bool {
	return slices.ContainsFunc(d.inner, func(i *directive) bool {
		return strings.HasPrefix(strings.ToUpper(i.name), "OIDC") || strings.EqualFold(i.name, "AuthType") && slices.ContainsFunc(i.args, ofModule) || signsIn(i)
	})
}

func ofModule(kind string) bool {
	return slices.Contains([]string{"openid-connect", "oauth20", "auth-openidc"}, strings.ToLower(kind))
}

// otherSection remarks on a section that routes cannot follow. If it guards, what may have
// been behind it is shut.
func (a *modAuth) otherSection(d *directive, within *apacheGuard) {
	guards := slices.ContainsFunc(d.inner, func(i *directive) bool {
		name := strings.ToLower(i.name)
		open := name == "require" && len(i.args) == 2 && strings.EqualFold(i.args[0]+i.args[1], "allgranted")
		return !open && (strings.HasPrefix(name, "require") || slices.Contains([]string{"allow", "deny", "satisfy", "authtype"}, name))
	})
	if !guards && !signsIn(d) {
		a.remark(Remark{Unknown, shown(d.name), d.at, "", "is a section that was not looked at: routes know paths"})
		return
	}
	a.found = a.found || signsIn(d)
	a.remark(Remark{Lost, shown(d.name), d.at, "routes", "is a guard of something else than a path: write routes for what it is about"})
	if within == nil {
		a.shut = append(a.shut, "of "+shown(d.name)+" at "+d.at)
		return
	}
	within.lost("a section " + shown(d.name))
}

// directive takes one directive.
func (a *modAuth) directive(d *directive, within *apacheGuard) {
	name := strings.ToLower(d.name)
	a.found = a.found || strings.HasPrefix(name, "oidc")
	s := &setting{name: d.name, at: d.at, values: d.args}
	row, known := a.find(d.name)
	switch {
	case known:
		s.name = row.name
	case !strings.HasPrefix(name, "oidc"):
		a.remark(Remark{Unknown, shown(d.name), d.at, "", "is Apache's own, and was not looked at"})
		return
	}
	if v := s.text(); strings.HasPrefix(v, "${") && strings.HasSuffix(v, "}") && variableName(v[2:len(v)-1]) {
		s.env, s.absent = v[2:len(v)-1], true
	}
	switch name {
	case "proxypass":
		a.proxyPass(s, within)
	case "require":
		a.takeRequire(within, d)
		a.found = true
	case "authtype":
		a.authType(s, within)
	case "allow", "deny", "order", "satisfy", "authmerging":
		if within == nil {
			within = a.guardAt("/")
		}
		within.lost(row.name)
		a.remark(Remark{row.kind, row.name, s.at, row.to, row.why})
	case "oidcunauthaction":
		if within != nil {
			within.unauth = s
			a.remark(Remark{row.kind, row.name, s.at, row.to, row.why})
			return
		}
		a.keep(s)
	default:
		if within != nil && strings.HasPrefix(name, "oidc") && row.kind != Lost {
			a.remark(Remark{Changed, row.name, s.at, row.to, "holds for every route here, not for one location"})
		}
		a.keep(s)
	}
}

func (a *modAuth) keep(s *setting) {
	a.set[strings.ToLower(s.name)] = s
	a.order = append(a.order, s)
}

func (a *modAuth) write() {
	a.writeProvider()
	a.writeSession()
	a.writeAddress()
	a.writeRoutes()
}

func (a *modAuth) writeProvider() {
	const wellKnown = "/.well-known/openid-configuration"
	issuer := a.text("OIDCProviderIssuer")
	if s := a.get("OIDCProviderMetadataURL"); s != nil && !s.absent {
		of, standard := strings.CutSuffix(a.text("OIDCProviderMetadataURL"), wellKnown)
		switch {
		case standard && issuer == "":
			issuer = of
			if strings.HasSuffix(presetOf(of), "auth0") {
				issuer += "/"
			}
		case !standard:
			a.addressed(s, "provider.discovery_url", a.text("OIDCProviderMetadataURL"))
		}
		if preset := presetOf(issuer); preset != "" {
			a.draft.set("provider.preset", preset)
			a.remark(Remark{Kind: Changed, To: "provider.preset", Text: "the preset " + preset + " brings defaults of its own: see the page about providers"})
		}
	}
	a.issuer(a.get("OIDCProviderMetadataURL"), issuer)
	for name, key := range map[string]string{
		"OIDCProviderAuthorizationEndpoint": "endpoints.authorization", "OIDCProviderTokenEndpoint": "endpoints.token",
		"OIDCProviderJwksUri": "endpoints.jwks", "OIDCProviderUserInfoEndpoint": "endpoints.userinfo", "OIDCProviderEndSessionEndpoint": "endpoints.end_session",
		"OIDCProviderRevocationEndpoint": "endpoints.revocation",
	} {
		if s := a.get(name); s.text() != "" {
			a.addressed(s, "provider."+key, a.text(name))
		}
	}
	if v := a.text("OIDCClientID"); v != "" {
		a.draft.set("provider.client_id", v)
	}
	if a.text("OIDCProviderUserInfoEndpoint") != "" {
		a.draft.set("provider.userinfo", true)
	} else if a.get("OIDCProviderMetadataURL") != nil {
		a.remark(Remark{Kind: Changed, To: "provider.userinfo", Text: "claims come from the ID token; write userinfo: true if some come from the userinfo endpoint, which the module asked by itself"})
	}
	if s := a.get("OIDCClientSecret"); s != nil && (s.absent || s.text() != "") {
		a.draft.set("provider.client_secret", a.secret(s, "CLIENT_SECRET"))
	}
	if s := a.get("OIDCProviderTokenEndpointAuth"); s != nil {
		switch s.text() {
		case "client_secret_basic", "client_secret_post":
			a.draft.set("provider.client_auth", s.text())
		case "none":
			a.draft.set("provider.client_auth", "none")
		default:
			a.say(Todo, s, "provider.client_auth", "write it, with the key in provider.client_key_file, or a secret for client_secret_jwt")
		}
	}
	scopes := strings.Fields(a.text("OIDCScope"))
	a.draft.set("provider.scopes", unique(append([]string{"openid"}, scopes...)))
	if !slices.Contains(scopes, "offline_access") {
		a.remark(Remark{Kind: Changed, To: "provider.scopes", Text: "has no offline_access, without which most providers give no refresh token: then a session ends with its access token. Add it if the provider allows"})
	}
	if params, err := url.ParseQuery(a.get("OIDCAuthRequestParams").text()); err == nil && len(params) > 0 {
		written := map[string]string{}
		for name := range params {
			written[literal(name)] = literal(params.Get(name))
		}
		a.draft.set("provider.authorize_params", written)
	}
	if s := a.get("OIDCCABundlePath"); s.text() != "" {
		a.draft.set("provider.ca_file", a.file(s, s.text()))
	}
	for name, key := range map[string]string{"OIDCHTTPTimeoutLong": "provider.timeout", "OIDCIDTokenIatSlack": "provider.clock_skew", "OIDCRefreshAccessTokenBeforeExpiry": "session.refresh.before_expiry"} {
		if t := a.seconds(name, 0); t > 0 {
			a.draft.set(key, brief(t))
		}
	}
}

// seconds is a directive's number of seconds, as a duration of at most an hour or, for
// sessions, a year.
func (a *modAuth) seconds(name string, otherwise time.Duration) time.Duration {
	n, err := strconv.ParseUint(a.get(name).text(), 10, 31)
	if err != nil {
		return otherwise
	}
	return min(time.Duration(n)*time.Second, longest)
}

// writeSession keeps the limits of sessions: without directives those of the module, which
// are short.
func (a *modAuth) writeSession() {
	idle, most := a.seconds("OIDCSessionInactivityTimeout", 5*time.Minute), a.seconds("OIDCSessionMaxDuration", 8*time.Hour)
	if most == 0 {
		most = 8 * time.Hour
		a.say(Changed, a.get("OIDCSessionMaxDuration"), "session.absolute_timeout", "0 was the ID token's lifetime, which bounds no session here: it is eight hours")
	}
	if idle == 0 {
		idle = most
	}
	a.lasts(idle, most)
	kind := strings.ToLower(a.get("OIDCSessionType").text())
	a.draft.set("session.cookie.persistent", strings.Contains(kind, ":persistent"))
	if s := a.get("OIDCCookieSameSite"); strings.EqualFold(s.text(), "lax") || strings.EqualFold(s.text(), "on") {
		a.draft.set("session.cookie.same_site", "lax")
	}
	if !strings.EqualFold(a.get("OIDCCacheType").text(), "redis") {
		a.remark(Remark{Kind: Changed, To: "session.store", Text: "sessions are in a file of one process, bolt:./cloakroom.db: for several processes write a redis:// URL"})
		return
	}
	server, user := a.get("OIDCRedisCacheServer").text(), url.PathEscape(a.text("OIDCRedisCacheUsername"))
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "6379")
	}
	if strings.ContainsAny(server, "/@ ${}") || server == ":6379" {
		server = "redis:6379"
		a.todo("session.store", "write the address of Redis")
	}
	if s := a.get("OIDCRedisCachePassword"); s != nil {
		user += ":" + a.secret(s, "REDIS_PASSWORD")
		a.todo("session.store", "a password with characters such as / @ : % has to be percent-encoded in its variable, since it is part of a URL")
	}
	if user != "" {
		user += "@"
	}
	a.draft.set("session.store", "redis://"+user+server+"/"+strconv.FormatUint(uint64(a.seconds("OIDCRedisCacheDatabase", 0)/time.Second), 10)) //nolint:gosec // a number of a database, never negative
}

func (a *modAuth) writeAddress() {
	callback := "/protected/redirect_uri"
	if s := a.get("OIDCRedirectURI"); s != nil && !s.absent {
		u, err := parseURL(s.text())
		switch {
		case err != nil:
			a.say(Lost, s, "public_url", "is no URL")
		case u.Host != "":
			a.publicURL(s, u)
		}
		if err == nil && u.Path != "" {
			callback = u.Path
		}
	}
	if s := a.get("ServerName"); s.text() != "" && a.draft.values["public_url"] == nil && !s.absent {
		name := strings.TrimPrefix(strings.TrimPrefix(s.text(), "https://"), "http://")
		a.publicURL(s, &url.URL{Scheme: "https", Host: strings.TrimSuffix(name, ":443")})
	}
	a.redirect(callback)
	cert, key := a.get("SSLCertificateFile"), a.get("SSLCertificateKeyFile")
	if cert.text() != "" && key.text() != "" {
		a.draft.set("listen", ":443")
		a.draft.set("tls.cert_file", a.file(cert, cert.text()))
		a.draft.set("tls.key_file", a.file(key, key.text()))
	}
	if a.get("OIDCDefaultLoggedOutURL").text() != "" {
		a.draft.set("post_logout_url", a.text("OIDCDefaultLoggedOutURL"))
	}
	if s := a.get("OIDCXForwardedHeaders"); s != nil && s.text() != "none" {
		a.draft.set("trusted_proxies", []string{"127.0.0.0/8", "::1/128"})
		a.todo("trusted_proxies", "write the networks of your proxies: here it is this machine alone")
	}
}
