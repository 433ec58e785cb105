package doctor

import (
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/preset"
)

// habits tells what is known of the provider and cannot be asked: whether its refresh
// tokens rotate, and what to look at in its own console.
func (e *exam) habits(c *chart) {
	e.rotation(c)
	const check = "provider.preset"
	likely := likelyPreset(e.cfg.Provider.Issuer)
	switch {
	case e.known.Name == "" && likely != "":
		c.warn(check, "the issuer looks like "+likely+", and no preset is written", "write provider.preset: "+likely+"; it fills in what that provider does differently")
	case e.known.Name == "":
		c.pass(check, "none: the provider is taken for one that keeps to the standards, and for the strictest of those")
	default:
		c.pass(check, e.known.Name)
	}
	for _, advice := range e.known.Advice {
		c.pass(check, e.known.Name+": "+advice)
	}
	switch {
	case e.known.Name == "auth0" && e.cfg.Provider.Audience == "" && e.sendsDefaultTokens():
		c.warn("provider.audience", "without an audience Auth0 gives opaque access tokens for its own userinfo only, unless the tenant has a default audience", "write the API's identifier into provider.audience, or routes[].audience")
	case likely == "okta" && !strings.Contains(e.cfg.Provider.Issuer, "/oauth2/") && e.sendsDefaultTokens():
		c.warn("provider.issuer", "the access tokens of Okta's org authorization server are for Okta itself, and no API can check them", "use a custom authorization server, such as …/oauth2/default")
	}
}

// rotation holds the way with lost answers against the habit of the provider.
func (e *exam) rotation(c *chart) {
	const check = "provider.rotation"
	habit := map[preset.Rotation]string{
		preset.Unknown:     "not known, so that refresh tokens are taken to work once",
		preset.Strict:      "each refresh token works once, or may be set so; a second use ends the grant",
		preset.Grace:       "refresh tokens rotate, and the one before works for a moment",
		preset.Idempotent:  "refresh tokens rotate, and the one before returns the current one for a moment",
		preset.Overlapping: "each refresh brings a new refresh token, and the old ones stay good",
		preset.Static:      "a refresh token stays the same",
	}[e.known.Rotation]
	if e.cfg.Session.Refresh.UnknownOutcome == config.RetryAtOnce && !e.known.Rotation.RetryAtOnce() {
		c.warn(check, habit+"; after a lost answer it is presented again at once (session.refresh.unknown_outcome: retry)",
			"leave unknown_outcome out, unless the provider is set to a grace period longer than provider.timeout")
		return
	}
	c.pass(check, habit)
}

// sendsDefaultTokens reports whether an upstream gets a token that was asked for without
// audience, resource or scopes.
func (e *exam) sendsDefaultTokens() bool {
	for _, rt := range e.cfg.Routes {
		if rt.Token == config.UserToken && len(rt.Upstream) > 0 && rt.Access != config.Public && rt.Audience+rt.Resource == "" && len(e.cfg.Provider.Resource) == 0 {
			return true
		}
	}
	return false
}

// likelyPreset knows the hosts and paths that vendors give to all their customers.
func likelyPreset(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	for _, known := range []struct{ end, name string }{
		{".auth0.com", "auth0"},
		{"login.microsoftonline.com", "entra"},
		{".okta.com", "okta"},
		{".oktapreview.com", "okta"},
		{"accounts.google.com", "google"},
		{".zitadel.cloud", "zitadel"},
		{"gitlab.com", "gitlab"},
	} {
		if strings.HasSuffix(host, known.end) {
			return known.name
		}
	}
	switch {
	case strings.HasPrefix(host, "cognito-idp."):
		return "cognito"
	case strings.Contains(u.Path, "/realms/"):
		return "keycloak"
	case strings.Contains(u.Path, "/application/o/"):
		return "authentik"
	}
	return ""
}
