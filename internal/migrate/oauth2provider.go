package migrate

import (
	"slices"
	"strings"
)

// writeProvider writes who signs users in.
func (p *oauth2Proxy) writeProvider() {
	p.writeIssuer()
	p.writeClient()
	for option, key := range map[string]string{
		"login_url": "authorization", "redeem_url": "token", "oidc_jwks_url": "jwks", "profile_url": "userinfo",
	} {
		if p.get(option) != nil {
			p.addressed(p.get(option), "provider.endpoints."+key, p.value(option))
		}
	}
	if p.get("profile_url") != nil && !p.is("skip_claims_from_profile_url", false) {
		p.draft.set("provider.userinfo", true)
	}
	params := map[string]string{}
	for _, name := range []string{"prompt", "acr_values"} {
		if s := p.get(name); s != nil && s.text() != "" {
			params[name] = p.value(name)
		}
	}
	if len(params) > 0 {
		p.draft.set("provider.authorize_params", params)
	}
	if p.get("resource") != nil {
		p.draft.set("provider.resource", []string{p.value("resource")})
	}
	if s := p.get("provider_ca_files"); s != nil && len(s.values) > 0 {
		p.draft.set("provider.ca_file", p.file(s, s.values[0]))
		if len(s.values) > 1 {
			p.say(Lost, s, "provider.ca_file", "there is room for one file: put the certificates of all into it")
		}
	}
	p.writeScopes()
}

// writeIssuer writes the preset and the issuer.
func (p *oauth2Proxy) writeIssuer() {
	kind, issuer := "google", p.value("oidc_issuer_url")
	s := p.get("provider")
	if s != nil {
		kind = s.text()
	}
	preset := map[string]string{"google": "google", "keycloak-oidc": "keycloak", "keycloak": "keycloak", "entra-id": "entra", "azure": "entra", "adfs": "adfs", "gitlab": "gitlab"}[kind]
	switch {
	case preset == "google" && issuer == "" && (s != nil || p.get("client_id") != nil):
		issuer = "https://accounts.google.com"
	case preset == "gitlab" && issuer == "":
		issuer = "https://gitlab.com"
	case preset == "entra":
		issuer = p.entraIssuer(issuer)
	case preset == "" && kind != "oidc" && kind != "cidaas" && (s == nil || !s.absent):
		if s == nil {
			break
		}
		p.say(Lost, s, "provider.issuer", notOIDC)
		if issuer == "" {
			return
		}
	}
	if s == nil && p.get("oidc_issuer_url") != nil {
		preset = "" // the default of the product, and yet another provider's issuer
	}
	if preset == "" {
		preset = presetOf(issuer)
	}
	if preset != "" {
		p.draft.set("provider.preset", preset)
		if s != nil {
			p.say(Changed, s, "provider.preset", "the preset "+preset+" brings defaults of its own: see the page about providers")
		}
	}
	p.issuer(p.get("oidc_issuer_url"), issuer)
}

// entraIssuer is the issuer of one tenant, or that of many.
func (p *oauth2Proxy) entraIssuer(issuer string) string {
	const login = "https://login.microsoftonline.com/"
	tenants := p.get("entra_id_allowed_tenants")
	if tenants != nil && len(tenants.values) > 0 {
		p.draft.set("provider.allowed_tenants", literals(tenants.values))
		return login + "organizations/v2.0"
	}
	tenant := p.value("azure_tenant")
	switch {
	case issuer != "":
		return issuer
	case tenant == "" || tenant == "common" || tenant == "organizations" || tenant == "consumers":
		p.todo("provider.issuer", "write the tenant's id into the issuer, or organizations and provider.allowed_tenants: the users of every tenant are not let in")
		return login + "common/v2.0"
	}
	return login + tenant + "/v2.0"
}

// presetOf recognises a provider by its issuer.
func presetOf(issuer string) string {
	u, err := parseURL(issuer)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "accounts.google.com":
		return "google"
	case host == "gitlab.com":
		return "gitlab"
	case host == "login.microsoftonline.com":
		return "entra"
	case strings.HasSuffix(host, ".auth0.com"):
		return "auth0"
	case strings.HasSuffix(host, ".okta.com"):
		return "okta"
	case strings.HasPrefix(host, "cognito-idp.") && strings.HasSuffix(host, ".amazonaws.com"):
		return "cognito"
	case strings.Contains(u.Path, "/realms/"):
		return "keycloak"
	}
	return ""
}

// issuer writes the issuer, which may be that of a preset.
func (m *migration) issuer(s *setting, issuer string) {
	if issuer == "" {
		return
	}
	if s == nil {
		m.draft.set("provider.issuer", issuer)
		return
	}
	m.addressed(s, "provider.issuer", issuer)
	if m.draft.values["provider.preset"] != nil && !m.said[s.name] {
		m.say(Carried, s, "provider.issuer", "")
	}
}

func (p *oauth2Proxy) writeClient() {
	if p.get("client_id") != nil {
		p.draft.set("provider.client_id", p.value("client_id"))
	}
	given, file := p.get("client_secret"), p.get("client_secret_file")
	switch {
	case given != nil && (given.absent || given.text() != ""):
		p.draft.set("provider.client_secret", p.secret(given, "CLIENT_SECRET"))
	case file != nil && file.text() != "":
		p.draft.set("provider.client_secret", "${file:"+p.file(file, file.text())+"}")
	}
}

// writeScopes keeps the scopes. Without some, the gateway's own or the preset's hold.
func (p *oauth2Proxy) writeScopes() {
	s := p.get("scope")
	groups := p.get("allowed_groups")
	switch {
	case s != nil && s.text() != "":
		scopes := unique(append([]string{"openid"}, strings.Fields(literal(s.text()))...))
		p.draft.set("provider.scopes", scopes)
		if !slices.Contains(scopes, "offline_access") && p.draft.values["provider.preset"] != "google" {
			p.say(Changed, s, "provider.scopes", "has no offline_access, without which most providers give no refresh token: then a session ends with its access token. Add it if the provider allows")
		}
	case groups != nil && len(groups.values) > 0 && p.get("provider").text() == "oidc":
		p.draft.set("provider.scopes", []string{"openid", "profile", "email", "offline_access", "groups"})
		p.todo("provider.scopes", "allowed groups brought the scope groups with them: take it out if the provider does not know it")
	default:
		p.remark(Remark{Kind: Changed, To: "provider.scopes", Text: "no scope was set: logins ask for those of the gateway, or of the preset, so that there is a refresh token"})
	}
}

func unique(all []string) []string {
	var out []string
	for _, s := range all {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
