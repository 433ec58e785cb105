package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/preset"
)

// with puts lines into the provider's section of the smallest file.
func with(lines ...string) string {
	return strings.Replace(smallest, "provider:\n", "provider:\n  "+strings.Join(lines, "\n  ")+"\n", 1)
}

func TestAPresetFillsInWhatIsNotWritten(t *testing.T) {
	t.Parallel()
	google := strings.Replace(with("preset: google"), "  issuer: https://tenant.eu.auth0.com/\n", "", 1)
	c, warnings := load(t, google)
	for _, row := range []struct{ got, want any }{
		{c.Provider.Issuer, "https://accounts.google.com"},
		{strings.Join(c.Provider.Issuers, " "), "accounts.google.com"},
		{strings.Join(c.Provider.Scopes, " "), "openid profile email"},
		{fmt.Sprint(c.Provider.AuthorizeParams), "map[access_type:offline prompt:consent]"},
		{strings.Join(c.Provider.LoginParams, " "), "prompt login_hint ui_locales screen_hint organization acr_values max_age hd"},
		{c.Provider.Logout, "local"},
		{c.Provider.RevokeOnLogout, false},
		{c.Session.Refresh.UnknownOutcome, config.RetryAtOnce},
	} {
		if row.got != row.want {
			t.Errorf("got %v, want %v", row.got, row.want)
		}
	}
	if len(warnings) != 1 { // of the upstream
		t.Errorf("warned: %v", warnings)
	}
	for _, line := range []string{`issuer: "https://accounts.google.com"`, `scopes: ["openid", "profile", "email"]`, `unknown_outcome: "retry"`} {
		if !strings.Contains(string(c.YAML()), line) {
			t.Errorf("print does not show %s:\n%s", line, c.YAML())
		}
	}
}

func TestWhatIsWrittenWinsOverThePreset(t *testing.T) {
	t.Parallel()
	c, _ := load(t, strings.Replace(with("preset: google", "scopes: [openid]", "authorize_params: {}", "logout: auto"), "session:\n", "session:\n  refresh: {unknown_outcome: wait}\n", 1),
		"CLOAKROOM_PROVIDER_REVOKE_ON_LOGOUT=true")
	p := c.Provider
	if p.Issuer != "https://tenant.eu.auth0.com/" || len(p.Scopes) != 1 || len(p.AuthorizeParams) != 0 || p.Logout != "auto" || !p.RevokeOnLogout || c.Session.Refresh.UnknownOutcome != config.WaitForExpiry {
		t.Errorf("%+v, %+v", p, c.Session.Refresh)
	}
}

func TestAVariableCanNameThePreset(t *testing.T) {
	t.Parallel()
	c, _ := load(t, with("preset: auth0"), "CLOAKROOM_PROVIDER_PRESET=cognito")
	if c.Provider.Preset != "cognito" || c.Provider.Logout != "cognito" {
		t.Errorf("%+v", c.Provider)
	}
	if c, _ = load(t, with("preset: ${env:WHICH}"), "WHICH=okta"); c.Provider.ScopeOnRefresh != config.SendScope {
		t.Errorf("%+v", c.Provider)
	}
}

// What a preset says must pass the same checks as what an operator writes, and its printed
// form must load again.
func TestEveryPresetLoadsAndPrintsItself(t *testing.T) {
	t.Parallel()
	for _, name := range preset.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, warnings := load(t, with("preset: "+name))
			printed := string(c.YAML())
			restored := strings.Replace(strings.Replace(printed, `["[secret]"]`, `["${file:key}"]`, 1), `"[secret]"`, "${env:CLIENT_SECRET}", 1)
			again, more := load(t, restored)
			if string(again.YAML()) != printed {
				t.Errorf("printed\n%s\nand then\n%s", printed, again.YAML())
			}
			if len(more) != len(warnings) {
				t.Errorf("warned %v, and of what was printed %v", warnings, more)
			}
		})
	}
}

func TestAPresetWarnsOfARoutesAudience(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		token string
		warns bool
	}{{"user", true}, {"exchange", false}} {
		text := strings.Replace(with("preset: keycloak"), "upstream: http://orders:9000", "upstream: https://orders:9000\n    audience: orders\n    token: "+row.token, 1)
		_, warnings := load(t, text)
		if got := strings.Contains(warnings.Error(), "routes[0].audience: keycloak does not know it"); got != row.warns {
			t.Errorf("token %s: warned %v", row.token, warnings)
		}
	}
}

func TestAPresetWarnsOfWhatItsProviderMakesOfAKey(t *testing.T) {
	t.Parallel()
	const tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	for _, row := range []struct {
		name  string
		lines []string
		want  string // "" for nothing
	}{
		{"an audience for Auth0", []string{"preset: auth0", "audience: https://api.example.com"}, ""},
		{"an audience for Keycloak", []string{"preset: keycloak", "audience: orders"}, "4:13: provider.audience: keycloak does not know it: what is in aud comes from client scopes"},
		{"a resource for Entra", []string{"preset: entra", "resource: [\"api://orders\"]"}, "4:3: provider.resource: entra does not know it: an API is asked for by its scopes"},
		{"Google's revocation", []string{"preset: google", "revoke_on_logout: true"}, "4:21: provider.revoke_on_logout: google then signs the user out"},
		{"Okta without the hint", []string{"preset: okta", "id_token_hint: false"}, "4:18: provider.id_token_hint: okta ends no session"},
		{"Authelia's ninety minutes", []string{"preset: authelia"}, "1:1: session.idle_timeout: is longer than a refresh token of authelia lives unless it is told otherwise, 1h30m"},
		{"Keycloak's offline session", []string{"preset: keycloak"}, ""},
		{"Keycloak's online session", []string{"preset: keycloak", "scopes: [openid]"}, "session.idle_timeout: is longer than a refresh token of keycloak lives unless it is told otherwise, 30m"},
		{"Entra's tenants", []string{"preset: entra", "allowed_tenants: [" + tenant + "]"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, warnings := load(t, strings.Replace(with(row.lines...), "http://orders", "https://orders", 1))
			got := warnings.Error()
			if row.want == "" && len(warnings) > 0 || !strings.Contains(got, strings.TrimPrefix(row.want, "1:1: ")) {
				t.Errorf("warned %q, want %q", got, row.want)
			}
		})
	}
}
