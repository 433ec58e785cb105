package migrate

import (
	"regexp"
	"slices"
	"strings"
)

// claimPath is a claim's name, or a path to it, that needs no quotes.
var claimPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// claim writes a claim as headers.set has it.
func claim(name string) string {
	if claimPath.MatchString(name) {
		return "{claims." + name + "}"
	}
	return `{claims["` + strings.ReplaceAll(literal(name), `"`, "") + `"]}`
}

// claimOf is the claim that stands for something, as an option names it or by default.
func (p *oauth2Proxy) claimOf(option, otherwise string) string {
	if s := p.get(option); s.text() != "" && !s.absent {
		return s.text()
	}
	return otherwise
}

func (p *oauth2Proxy) emailClaim() string {
	return p.claimOf("oidc_email_claim", p.claimOf("user_id_claim", "email"))
}

// writeHeaders says what upstreams hear of the user, and whether they get a token.
func (p *oauth2Proxy) writeHeaders() {
	if len(p.alpha) > 0 {
		return // Its headers are all that it says.
	}
	if p.is("pass_user_headers", true) || p.is("set_xauthrequest", false) {
		user := claim("sub")
		if p.is("prefer_email_to_user", false) {
			user = claim(p.emailClaim())
		}
		p.headers = map[string]string{
			"X-Auth-Request-User":               user,
			"X-Auth-Request-Email":              claim(p.emailClaim()),
			"X-Auth-Request-Groups":             claim(p.claimOf("oidc_groups_claim", "groups")),
			"X-Auth-Request-Preferred-Username": claim("preferred_username"),
		}
	}
	if row, _ := p.find("pass_user_headers"); p.get("pass_user_headers") == nil && !p.is("set_xauthrequest", false) {
		p.remark(Remark{Changed, row.name, "default", row.to, row.why})
	}
	p.token = "none"
	for _, name := range []string{"pass_access_token", "pass_authorization_header", "set_authorization_header"} {
		if p.is(name, false) {
			p.token = "user"
		}
	}
}

// guard is what a session needs on every route. What cannot be carried lets nobody in.
func (p *oauth2Proxy) guard() map[string][]string {
	claims := map[string][]string{}
	p.guardGroups(claims)
	p.guardEmails(claims)
	for _, name := range []string{
		"google_group", "google_groups", "google_use_organization_id", "gitlab_projects", "github_org", "github_team", "github_repo", "github_users",
		"bitbucket_team", "bitbucket_repository",
	} {
		if s := p.get(name); s != nil && (s.absent || s.text() != "") {
			p.impossible(claims, "who may: "+name+" could not be carried")
		}
	}
	return claims
}

func (p *oauth2Proxy) guardGroups(claims map[string][]string) {
	name := p.claimOf("oidc_groups_claim", "groups")
	add := func(s *setting, claim, value string) {
		switch {
		case s.absent:
			p.impossible(claims, "who may: "+s.name+" comes from elsewhere")
		case value != "":
			claims[claim] = unique(append(claims[claim], literal(value)))
		}
	}
	for _, option := range []string{"allowed_groups", "keycloak_groups", "gitlab_groups"} {
		s, in := p.get(option), name
		if s == nil {
			continue
		}
		if option == "gitlab_groups" {
			in = "groups_direct"
		}
		for _, v := range append(s.values, "") {
			add(s, in, v)
		}
	}
	if s := p.get("allowed_roles"); s != nil {
		for _, v := range append(s.values, "") {
			in := "realm_access.roles"
			if client, role, ok := strings.Cut(v, ":"); ok {
				in, v = "resource_access."+client+".roles", role
			}
			add(s, in, v)
		}
	}
	if len(claims) > 1 {
		p.remark(Remark{Kind: Changed, To: "routes.require.claims", Text: "groups and roles of several kinds are all asked for, where one of them was enough"})
	}
}

func (p *oauth2Proxy) guardEmails(claims map[string][]string) {
	domains, file := p.get("email_domains"), p.get("authenticated_emails_file")
	listed := file != nil && (file.absent || file.text() != "")
	switch {
	case domains != nil && slices.Contains(domains.values, "*"):
		p.say(Carried, domains, "routes", "* lets everybody in whom the provider signs in")
	case domains != nil && domains.absent:
		p.impossible(claims, "who may: email_domains comes from elsewhere")
	case domains != nil && len(domains.values) > 0 && !listed:
		p.guardDomains(claims, domains)
	case !listed:
		p.impossible(claims, "who may: email_domains is in nothing that was given, and oauth2-proxy does not start without it")
		p.remark(Remark{Kind: Todo, Option: "email_domains", To: "routes.require.claims", Text: "is in nothing that was given, so that nobody gets in: name all that configures oauth2-proxy, or decide who may"})
	}
	if listed && (domains == nil || !slices.Contains(domains.values, "*")) {
		claims["email"] = []string{"the addresses in the file of authenticated_emails_file"}
		p.say(Lost, file, "routes.require.claims.email", "a list of addresses cannot be read from a file: write them in the place of what stands there; until then nobody gets in")
	}
}

// guardDomains carries domains where a claim has them: Google's hd, or one that the
// provider has to be taught.
func (p *oauth2Proxy) guardDomains(claims map[string][]string, s *setting) {
	if p.draft.values["provider.preset"] == "google" && !slices.ContainsFunc(s.values, func(v string) bool { return strings.HasPrefix(v, ".") }) {
		claims["hd"] = literals(s.values)
		p.say(Changed, s, "routes.require.claims.hd", "is the domain of the user's Google organisation, not the end of the address")
		return
	}
	claims["email_domain"] = literals(s.values)
	p.say(Lost, s, "routes.require.claims.email_domain", "the end of an address cannot be compared: the provider has to send a claim email_domain, and until then nobody gets in. If everybody at the provider may, take it out; if groups tell, ask for those")
}
