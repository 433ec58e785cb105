package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

func TestAVariableGoesBeforeTheFile(t *testing.T) {
	t.Parallel()
	c, _ := load(t, smallest,
		"CLOAKROOM_PUBLIC_URL=http://localhost:8080",
		"CLOAKROOM_PROVIDER_CLIENT_SECRET=from the environment",
		"CLOAKROOM_PROVIDER_SCOPES=openid, email",
		"CLOAKROOM_PROVIDER_USERINFO=true",
		"CLOAKROOM_PROVIDER_ENDPOINTS_TOKEN=https://t.example/token",
		"CLOAKROOM_SESSION_COOKIE_SAME_SITE=lax",
		"CLOAKROOM_SESSION_REFRESH_WAIT=7s",
		"CLOAKROOM_SESSION_KEYS=${file:key},"+config.NewKey(),
		"CLOAKROOM_ROUTES_0_UPSTREAM=http://127.0.0.1:9000",
		"CLOAKROOM_ROUTES_1_HEADERS_REMOVE=",
		"CLOAKROOM_LOG_FORMAT=text",
		"CLOAKROOM_LOG_FORMAT=json", // as in os.Getenv, the first counts
	)
	for _, row := range []struct{ got, want any }{
		{c.PublicURL.String(), "http://localhost:8080"},
		{c.Provider.ClientSecret.Reveal(), "from the environment"},
		{strings.Join(c.Provider.Scopes, " "), "openid email"},
		{c.Provider.UserInfo, true},
		{c.Provider.Endpoints.Token, "https://t.example/token"},
		{c.Session.Cookie.SameSite, config.Lax},
		{c.Session.Refresh.Wait, 7 * time.Second},
		{len(c.Session.Keys), 2},
		{c.Routes[0].Upstream[0].Host, "127.0.0.1:9000"},
		{c.Log.Format, "text"},
	} {
		if row.got != row.want {
			t.Errorf("got %v, want %v", row.got, row.want)
		}
	}
}

func TestAVariableOverridesAnUnsetReference(t *testing.T) {
	t.Parallel()
	text := strings.Replace(smallest, "${env:CLIENT_SECRET}", "${env:NOWHERE}", 1)
	c, _ := load(t, text, "CLOAKROOM_PROVIDER_CLIENT_SECRET=s")
	if c.Provider.ClientSecret.Reveal() != "s" {
		t.Error("the variable's secret is lost")
	}
}

func TestAVariableChangesOneOfTwoAliases(t *testing.T) {
	t.Parallel()
	routes := `  - &a {path: /x, upstream: "http://a:1", headers: &h {remove: [A]}}
  - {<<: *a, path: /y}
  - {path: /z, upstream: "http://a:1", headers: *h}
  - path: /
`
	c, _ := load(t, strings.Replace(smallest, "  - path: /\n", routes, 1),
		"CLOAKROOM_ROUTES_2_UPSTREAM=http://b:1", "CLOAKROOM_ROUTES_3_HEADERS_REMOVE=B")
	if a, b := c.Routes[1].Upstream[0].Host, c.Routes[2].Upstream[0].Host; a != "a:1" || b != "b:1" {
		t.Errorf("the upstreams are %s and %s", a, b)
	}
	if a, b := c.Routes[1].RemoveHeaders[0], c.Routes[3].RemoveHeaders[0]; a != "A" || b != "B" {
		t.Errorf("the headers are %s and %s", a, b)
	}
}

func TestABadVariableIsNamed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ variable, want string }{
		{"CLOAKROOM_SESSION_IDLE_TIMEOUT=hunter2", "CLOAKROOM_SESSION_IDLE_TIMEOUT: session.idle_timeout: the value is no duration: write a number with a unit, such as 30s, 5m or 8h"},
		{"CLOAKROOM_SESSION_IDLE_TIMEOUT=", "CLOAKROOM_SESSION_IDLE_TIMEOUT: session.idle_timeout: the value is no duration: write a number with a unit, such as 30s, 5m or 8h"},
		{"CLOAKROOM_SESSION_IDEL_TIMEOUT=hunter2", "CLOAKROOM_SESSION_IDEL_TIMEOUT: no key has this name: did you mean CLOAKROOM_SESSION_IDLE_TIMEOUT?"},
		{"CLOAKROOM_WHATEVER_THIS_MAY_BE=hunter2", "CLOAKROOM_WHATEVER_THIS_MAY_BE: no key has this name: unset it; the names follow the keys, as CLOAKROOM_SESSION_IDLE_TIMEOUT does session.idle_timeout"},
		{"CLOAKROOM_ROUTES_2_UPSTREAM=http://hunter2", "CLOAKROOM_ROUTES_2_UPSTREAM: no key has this name: did you mean CLOAKROOM_ROUTES_0_UPSTREAM?"},
		{"CLOAKROOM_PROVIDER_AUTHORIZE_PARAMS=hunter2", "CLOAKROOM_PROVIDER_AUTHORIZE_PARAMS: no key has this name: "},
		{"CLOAKROOM_SESSION_KEYS=hunter2", "CLOAKROOM_SESSION_KEYS: session.keys[0]: the value is no base64: write a key that `cloakroom keys new` made"},
		{"CLOAKROOM_PROVIDER_PRESET=hunter2", "CLOAKROOM_PROVIDER_PRESET: provider.preset: the value is not known: write auth0, keycloak, entra, "},
	} {
		got := complaints(t, smallest, row.variable)
		if !strings.HasPrefix(got, row.want) || strings.Contains(got, "\n") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %s, want %s", row.variable, got, row.want)
		}
	}
}

// In the pods of a namespace with a service named cloakroom, Kubernetes sets variables that
// nobody wrote.
func TestVariablesOfKubernetesAreNotOurs(t *testing.T) {
	t.Parallel()
	c, _ := load(t, smallest,
		"CLOAKROOM_SERVICE_HOST=10.0.0.1", "CLOAKROOM_SERVICE_PORT=8080", "CLOAKROOM_SERVICE_PORT_HTTP=8080",
		"CLOAKROOM_PORT=tcp://10.0.0.1:8080", "CLOAKROOM_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"CLOAKROOM_PORT_8080_TCP_PROTO=tcp", "CLOAKROOM_PORT_8080_TCP_PORT=8080", "CLOAKROOM_PORT_8080_TCP_ADDR=10.0.0.1",
		"CLOAKROOM_ADMIN_SERVICE_HOST=10.0.0.1")
	if c.Listen != ":8080" {
		t.Errorf("it listens at %s", c.Listen)
	}
}
