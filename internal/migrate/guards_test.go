package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/migrate"
)

// routesOf migrates one document and loads what it becomes.
func routesOf(t *testing.T, read func(migrate.Input) (migrate.Result, error), name, text string) (map[string]config.Route, migrate.Result) {
	t.Helper()
	result, err := read(migrate.Input{Documents: []migrate.Document{{Name: name, Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := check(t, result.Config)
	if err != nil {
		t.Fatalf("%v\n%s", err, result.Config)
	}
	routes := map[string]config.Route{}
	for _, r := range cfg.Routes {
		routes[strings.Join(append(slices.Clone(r.Methods), r.Path), " ")] = r
	}
	return routes, result
}

// verdict says in a few words who may use a route.
func verdict(r config.Route) string {
	switch {
	case r.Path == "":
		return "no route"
	case r.Require.Claims["nobody-yet"] != nil:
		return "nobody"
	case len(r.Require.Claims) > 0:
		return "claims"
	}
	return string(r.Access)
}

const wiki = `OIDCProviderMetadataURL https://login.example.com/.well-known/openid-configuration
OIDCClientID wiki
OIDCClientSecret seen-in-a-file
OIDCRedirectURI https://wiki.example.com/redirect_uri
ProxyPass / http://wiki:8080/
`

func TestAGuardOfApacheNeverBecomesWeaker(t *testing.T) {
	t.Parallel()
	within := func(lines string) string {
		return wiki + "<Location /x>\nAuthType openid-connect\n" + lines + "\n</Location>\n"
	}
	for _, row := range []struct{ name, text, want string }{
		{"a session", within("Require valid-user"), "required"},
		{"no Require", within(""), "required"},
		{"a claim", within("Require claim groups:staff"), "claims"},
		{"one of two values", within("Require claim groups:staff\nRequire claim groups:admins"), "claims"},
		{"a user", within("Require user ann"), "claims"},
		{"a session or a claim", within("Require valid-user\nRequire claim groups:staff"), "required"},
		{"everybody", within("Require all granted"), "public"},
		{"nobody", within("Require all denied"), "nobody"},
		{"a pattern", within("Require claim groups~^st"), "nobody"},
		{"a pattern or a claim", within("Require claim groups~^st\nRequire claim groups:admins"), "claims"},
		{"a pattern and a claim", within("<RequireAll>\nRequire claim groups~^st\nRequire claim groups:admins\n</RequireAll>"), "nobody"},
		{"an address", within("Require ip 10.0.0.0/8"), "nobody"},
		{"all but", within("<RequireNone>\nRequire claim groups:guests\n</RequireNone>"), "nobody"},
		{"not", within("Require not claim groups:guests"), "nobody"},
		{"two groups of claims", within("<RequireAll>\nRequire claim a:1\nRequire claim b:2\n</RequireAll>\n<RequireAll>\nRequire claim a:3\nRequire claim b:4\n</RequireAll>"), "nobody"},
		{"a claim twice at once", within("<RequireAll>\nRequire claim a:1\nRequire claim a:2\n</RequireAll>"), "nobody"},
		{"tokens of machines", wiki + "<Location /x>\nAuthType oauth20\nRequire valid-user\n</Location>", "nobody"},
		{"passwords", wiki + "<Location /x>\nAuthType Basic\nRequire valid-user\n</Location>", "nobody"},
		{"no AuthType", wiki + "<Location /x>\nRequire valid-user\n</Location>", "nobody"},
		{"below a guard", wiki + "<Location />\nAuthType openid-connect\nRequire claim groups:staff\n</Location>\n<Location /x>\nOIDCUnAuthAction 401\n</Location>", "claims"},
		{"a later section that is wider", wiki + "<Location /x>\nRequire all granted\n</Location>\n<Location />\nAuthType openid-connect\nRequire claim groups:staff\n</Location>", "claims"},
		{"a later section that is the same", within("Require valid-user") + "<Location /x>\nRequire claim groups:staff\n</Location>", "claims"},
		{"a section that comes again", within("Require valid-user") + "<Location />\nRequire all granted\n</Location>\n<Location /x>\nRequire claim groups:staff\n</Location>", "claims"},
		{"a pattern with a colon", within("Require claim groups~^st:"), "nobody"},
		{"a proxy for everybody", within("Require valid-user") + "<Proxy *>\nRequire all granted\n</Proxy>", "required"},
		{"rules of Apache 2.2", wiki + "<Location /x>\nOrder deny,allow\nDeny from all\n</Location>", "nobody"},
		{"either", within("Require valid-user\nSatisfy any"), "nobody"},
		{"not passed on", within("Require valid-user") + "ProxyPass /x !\n", "nobody"},
		{"a part with a guard of its own", within("Require all granted\n<LimitExcept GET>\nRequire claim groups:staff\n</LimitExcept>"), "nobody"},
		{"a guard by pattern elsewhere", within("Require all granted") + "<LocationMatch \"^/x/edit\">\nRequire valid-user\n</LocationMatch>", "nobody"},
		{"a directory", within("Require all granted") + "<Directory /srv>\nAuthType openid-connect\nRequire valid-user\n</Directory>", "nobody"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			routes, result := routesOf(t, migrate.ModAuthOpenIDC, "host.conf", row.text)
			for _, path := range []string{"/x", "/x/"} {
				if got := verdict(routes[path]); got != row.want {
					t.Errorf("%s lets in: %s, want %s\n%s", path, got, row.want, result.Config)
				}
			}
		})
	}
}

const gate = `provider = "oidc"
oidc_issuer_url = "https://login.example.com"
client_id = "app"
client_secret = "seen-in-a-file"
redirect_url = "https://app.example.com/oauth2/callback"
upstreams = ["http://app:8080/"]
`

func TestAGuardOfOAuth2ProxyNeverBecomesWeaker(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text, want string }{
		{"everybody at the provider", `email_domains = "*"`, "required"},
		{"groups", "email_domains = [\"*\"]\nallowed_groups = [\"staff\"]", "claims"},
		{"roles", "email_domains = [\"*\"]\nallowed_roles = [\"admin\", \"app:reader\"]", "claims"},
		{"domains", `email_domains = ["example.com"]`, "claims"},
		{"no domains, which is not the whole of it", ``, "nobody"},
		{"a file of addresses", `authenticated_emails_file = "/etc/emails"`, "claims"},
		{"groups of Google", "email_domains = \"*\"\ngoogle_groups = [\"staff@example.com\"]", "nobody"},
		{"projects of GitLab", "email_domains = \"*\"\ngitlab_projects = [\"a/b=30\"]", "nobody"},
		{"an organisation of GitHub", "email_domains = \"*\"\ngithub_org = \"example\"", "nobody"},
		{"addresses", "email_domains = \"*\"\ntrusted_ips = [\"10.0.0.0/8\"]", "required"},
		{"tokens of machines", "email_domains = \"*\"\nskip_jwt_bearer_tokens = true", "required"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			routes, result := routesOf(t, migrate.OAuth2Proxy, "gate.cfg", gate+row.text)
			if r := routes["/"]; verdict(r) != row.want || r.AllowBearer {
				t.Errorf("lets in: %s, want %s\n%s", verdict(r), row.want, result.Config)
			}
		})
	}
}

func TestArgumentsGoBeforeTheEnvironmentAndThatBeforeFiles(t *testing.T) {
	t.Parallel()
	in := migrate.Input{Documents: []migrate.Document{{Name: "gate.cfg", Text: gate + "email_domains = '*'\nscope = 'file'\nredirect_url = 'https://file.example.com/oauth2/callback'\n"}}}
	in.Documents[0].Text = strings.Replace(in.Documents[0].Text, "redirect_url = \"https://app.example.com/oauth2/callback\"\n", "", 1)
	in.Environ = []string{"OAUTH2_PROXY_SCOPE=environment", "OAUTH2_PROXY_CLIENT_ID=environment", "PATH=/bin"}
	in.Args = []string{"--scope=arguments"}
	result, err := migrate.OAuth2Proxy(in)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := check(t, result.Config)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Provider; !slices.Contains(got.Scopes, "arguments") || got.ClientID != "environment" || cfg.PublicURL.Host != "file.example.com" {
		t.Errorf("scopes %q, client %q, public_url %s", got.Scopes, got.ClientID, cfg.PublicURL)
	}
}

func TestASkippedPathOpensNoMoreThanItsExpression(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		expression  string
		open, guard []string // paths of routes, with methods in front
	}{
		{"^/health$", []string{"/health"}, []string{"/"}},
		{"^/assets/", []string{"/assets/"}, []string{"/"}},
		{"^/docs", []string{"/docs", "/docs/"}, []string{"/"}},
		{"^/docs(/.*)?$", []string{"/docs", "/docs/"}, []string{"/"}},
		{`^/robots\.txt$`, []string{"/robots.txt"}, []string{"/"}},
		{"GET=^/health$", []string{"GET /health"}, []string{"/", "POST PUT PATCH DELETE OPTIONS /health"}},
		{"^/.*", []string{"/"}, nil},
		{"health", nil, []string{"/"}},
		{"/health$", nil, []string{"/"}},
		{"^/a|b$", nil, []string{"/"}},
		{"^/v[0-9]+/x$", nil, []string{"/"}},
		{"^/(a|b)/", nil, []string{"/"}},
		{"!=^/admin", nil, []string{"/"}},
		{"GET!=^/admin", nil, []string{"/"}},
		{"BREW=^/pot$", nil, []string{"/"}},
		{"^/a/../b$", nil, []string{"/"}},
		{"^/exact/$", nil, []string{"/"}},
	} {
		t.Run(row.expression, func(t *testing.T) {
			t.Parallel()
			routes, result := routesOf(t, migrate.OAuth2Proxy, "gate.cfg", gate+"email_domains = '*'\nskip_auth_routes = ['"+row.expression+"']")
			for _, path := range row.open {
				if got := verdict(routes[path]); got != "public" {
					t.Errorf("%s: %s, want public\n%s", path, got, result.Config)
				}
			}
			for _, path := range row.guard {
				if got := verdict(routes[path]); got != "required" {
					t.Errorf("%s: %s, want required\n%s", path, got, result.Config)
				}
			}
			if len(routes) != len(row.open)+len(row.guard) || (len(row.open) == 0) != (result.Count(migrate.Lost) == 1) {
				t.Errorf("%d routes, %d lost\n%s", len(routes), result.Count(migrate.Lost), result.Config)
			}
		})
	}
}

func TestAGuardOfYARPNeverBecomesWeaker(t *testing.T) {
	t.Parallel()
	host := func(route string) string {
		return `{"OpenIdConnect": {"Authority": "https://login.example.com", "ClientId": "x", "ClientSecret": "seen-in-a-file"},
"ReverseProxy": {"Routes": {
  "all": {"ClusterId": "c", "Match": {"Path": "/all/{**rest}"}},
  "one": {"ClusterId": "c", ` + route + `}},
 "Clusters": {"c": {"Destinations": {"a": {"Address": "http://api:9000"}}}}}}`
	}
	const match = `"Match": {"Path": "/x/{**rest}"}`
	for _, row := range []struct{ name, route, x, all string }{
		{"none", match, "public", "public"},
		{"a user's token", match + `, "Metadata": {"Duende.Bff.Yarp.TokenType": "User"}`, "required", "public"},
		{"a user's or none", match + `, "Metadata": {"Duende.Bff.Yarp.TokenType": "UserOrNone"}`, "optional", "public"},
		{"a token that nobody knows", match + `, "Metadata": {"Duende.Bff.Yarp.TokenType": "Robot"}`, "nobody", "public"},
		{"the default policy", match + `, "AuthorizationPolicy": "Default"`, "required", "public"},
		{"a policy in code", match + `, "AuthorizationPolicy": "staff"`, "nobody", "public"},
		{"a policy in code with the gateway's token", match + `, "AuthorizationPolicy": "staff", "Metadata": {"Duende.Bff.Yarp.TokenType": "UserOrClient"}`, "nobody", "public"},
		{"a guarded route that is left out", `"Match": {"Path": "/all/{id}"}, "AuthorizationPolicy": "Default"`, "no route", "nobody"},
		{"an open route that is left out", `"Match": {"Path": "/all/{id}"}`, "no route", "public"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			routes, result := routesOf(t, migrate.Duende, "appsettings.json", host(row.route))
			if x, all := verdict(routes["/x/"]), verdict(routes["/all/"]); x != row.x || all != row.all {
				t.Errorf("/x/ lets in: %s, want %s; /all/: %s, want %s\n%s", x, row.x, all, row.all, result.Config)
			}
		})
	}
}
