package config_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// smallest is the smallest useful file, as the documentation has it.
const smallest = `public_url: https://app.example.com
provider:
  issuer: https://tenant.eu.auth0.com/
  client_id: 3f9a…
  client_secret: ${env:CLIENT_SECRET}
session:
  keys: ["${file:key}"]
routes:
  - path: /api/
    upstream: http://orders:9000
  - path: /
    files: ./dist            # a single-page app; unknown paths get index.html
    access: public
`

const (
	clientSecret = "correct horse battery staple"
	sessionKey   = "V2LJXcWovgAc2UAI01WinOGIxbW7CXp/D9Er+wEDC6w="
)

func environ(more ...string) []string {
	return append([]string{"PATH=/bin", "CLIENT_SECRET=" + clientSecret}, more...)
}

// write puts a file with a key beside it into a directory of its own.
func write(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{"config.yaml": text, "key": sessionKey + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "config.yaml")
}

// load reads a text that must be fine.
func load(t testing.TB, text string, more ...string) (*config.Config, config.Problems) {
	t.Helper()
	cfg, warnings, err := config.Load(write(t, text), environ(more...))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return cfg, warnings
}

func TestTheSmallestFileHasTheDocumentedDefaults(t *testing.T) {
	t.Parallel()
	path := write(t, smallest)
	c, warnings, err := config.Load(path, environ())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for _, row := range []struct {
		name      string
		got, want any
	}{
		{"public_url", c.PublicURL.String(), "https://app.example.com"},
		{"listen", c.Listen, ":8080"},
		{"tls", c.TLS, config.TLS{}},
		{"max_connections", c.MaxConnections, 10000},
		{"drain.stop", c.Drain.Stop, 30 * time.Second},
		{"drain.restart", c.Drain.Restart, time.Hour},
		{"admin.listen", c.Admin.Listen, "127.0.0.1:9090"},
		{"forward_auth", c.ForwardAuth.Listen, ""},
		{"post_logout_url", c.PostLogoutURL, "/"},
		{"base_path", c.BasePath, "/bff"},
		{"trusted_proxies", len(c.TrustedProxies), 0},
		{"issuer", c.Provider.Issuer, "https://tenant.eu.auth0.com/"},
		{"client_id", c.Provider.ClientID, "3f9a…"},
		{"client_secret", c.Provider.ClientSecret.Reveal(), clientSecret},
		{"client_auth", c.Provider.ClientAuth, config.SecretBasic},
		{"scopes", strings.Join(c.Provider.Scopes, " "), "openid profile email offline_access"},
		{"login_params", strings.Join(c.Provider.LoginParams, " "), "prompt login_hint ui_locales screen_hint organization acr_values max_age"},
		{"logout", c.Provider.Logout, "auto"},
		{"revoke_on_logout", c.Provider.RevokeOnLogout, true},
		{"id_token_hint", c.Provider.IDTokenHint, true},
		{"userinfo", c.Provider.UserInfo, false},
		{"timeout", c.Provider.Timeout, 10 * time.Second},
		{"clock_skew", c.Provider.ClockSkew, time.Minute},
		{"store", c.Session.Store.Bolt, filepath.Join(dir, "cloakroom.db")},
		{"keys", len(c.Session.Keys), 1},
		{"key", base64.StdEncoding.EncodeToString([]byte(c.Session.Keys[0].Reveal())), sessionKey},
		{"cookie", c.Session.Cookie, config.Cookie{SameSite: config.Strict, Persistent: true}},
		{"idle_timeout", c.Session.IdleTimeout, 8 * time.Hour},
		{"absolute_timeout", c.Session.AbsoluteTimeout, 168 * time.Hour},
		{"max_per_user", c.Session.MaxPerUser, 0},
		{"refresh", c.Session.Refresh, config.Refresh{BeforeExpiry: time.Minute, Wait: 15 * time.Second, Rate: config.Rate{Count: 20, Per: time.Second}, UnknownOutcome: config.WaitForExpiry}},
		{"routes", len(c.Routes), 2},
		{"upstream", c.Routes[0].Upstream[0].String(), "http://orders:9000"},
		{"access", c.Routes[0].Access, config.Required},
		{"token", c.Routes[0].Token, config.UserToken},
		{"unauthenticated", c.Routes[0].Unauthenticated, config.ByRequest},
		{"timeout", c.Routes[0].Timeout, 30 * time.Second},
		{"stream_max_age", c.Routes[0].StreamMaxAge, time.Duration(0)},
		{"max_body", c.Routes[0].MaxBody, int64(10 << 20)},
		{"csrf", c.Routes[0].InsecureNoCSRF, false},
		{"encoded_slashes", c.Routes[0].EncodedSlashes, config.Reject},
		{"files", c.Routes[1].Files, filepath.Join(dir, "dist")},
		{"public", c.Routes[1].Access, config.Public},
		{"log", c.Log, config.Log{Level: slog.LevelInfo, Format: "json"}},
		{"telemetry", c.Telemetry.OTLPEndpoint, ""},
	} {
		if row.got != row.want {
			t.Errorf("%s is %v, want %v", row.name, row.got, row.want)
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].Text, "in the clear") {
		t.Errorf("warnings are %v, want one about http to orders", warnings)
	}
}

func TestTheExampleLoadsAndHasEveryKey(t *testing.T) {
	t.Parallel()
	const example = "../../config.yaml"
	c, _, err := config.Load(example, environ("SESSION_KEY="+config.NewKey()))
	if err != nil {
		t.Fatal(err)
	}
	small, _ := load(t, smallest)
	// What the example says of defaults is what they are.
	for _, pair := range [][2]any{
		{c.Listen, small.Listen},
		{c.TLS, small.TLS},
		{c.Admin, small.Admin},
		{c.Log, small.Log},
		{c.Session.Refresh, small.Session.Refresh},
		{c.Session.Cookie, small.Session.Cookie},
		{c.Session.IdleTimeout, small.Session.IdleTimeout},
		{c.Provider.Scopes, small.Provider.Scopes},
		{c.Provider.LoginParams, small.Provider.LoginParams},
		{c.Provider.Endpoints, small.Provider.Endpoints},
		{c.Routes[0].Timeout, small.Routes[0].Timeout},
		{c.Routes[0].MaxBody, small.Routes[0].MaxBody},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("the example says %v, the default is %v", pair[0], pair[1])
		}
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range schemaKeys(t) {
		last := name[strings.LastIndex(name, ".")+1:]
		if !strings.Contains(string(text), " "+last+":") && !strings.Contains(string(text), "\n"+last+":") {
			t.Errorf("the example does not show %s", name)
		}
	}
}

func TestEveryValueOfAKindArrives(t *testing.T) {
	t.Parallel()
	c, _ := load(t, `
public_url: http://LOCALHOST:8080/
listen: 127.0.0.1:0
admin: {listen: "localhost:9091", token: t}
post_logout_url: https://www.example.com/bye
base_path: /auth/bff
trusted_proxies: [10.0.0.0/8, "fd00::/8"]
provider:
  issuer: http://127.0.0.1:9999
  client_id: 12345
  client_auth: none
  resource: ["https://api.example.com/", "urn:api"]
  authorize_params: {prompt: consent, "x:y": "${env:X}"}
  logout: local
  revoke_on_logout: false
  id_token_hint: false
  userinfo: true
  endpoints: {token: "http://localhost:9999/token"}
session:
  store: bolt:/var/lib/cloakroom.db
  keys: ["${env:K1}", "${env:K2}"]
  cookie: {name: sid, same_site: lax, persistent: false}
  idle_timeout: 1h30m
routes:
  - &api
    path: /api/
    host: api.localhost:8080
    methods: [GET, POST]
    upstream: ["http://127.0.0.1:9000/v1"]
    strip_prefix: /api
    access: optional
    headers: {set: {X-User: "u-{claims.sub}", X-Key: "${env:X}", X-Roles: "{claims[\"https://x/roles\"].a}{{"}, remove: [Cookie]}
    timeout: 1m
    stream_max_age: 1h
    max_body: 2GiB
    csrf: insecure_off
    background: true
    encoded_slashes: keep
  - {<<: *api, path: /other/, strip_prefix: /other/, csrf: on, unauthenticated: auto}
  - {path: /hook, upstream: "https://hooks:1", access: public, token: passthrough}
  - {path: /quiet, upstream: "https://hooks:1", token: none, unauthenticated: 401, upstream_tls: {server_name: hooks.internal}}
  - {path: /rpc/, upstream: ["h2c://a:1/v1", "h2c://b:1/v1/"], balance: {sticky: true, health_path: /healthz, health_interval: 2s}}
log: {level: debug, format: text}
`, "X=x${y", "K1="+config.NewKey(), "K2="+strings.TrimRight(base64.URLEncoding.EncodeToString(random(t)), "="))
	api := c.Routes[0]
	for _, row := range []struct{ got, want any }{
		{c.PublicURL.String(), "http://localhost:8080"},
		{c.Admin.Token.Reveal(), "t"},
		{c.PostLogoutURL, "https://www.example.com/bye"},
		{c.TrustedProxies[0], netip.MustParsePrefix("10.0.0.0/8")},
		{c.Provider.ClientID, "12345"},
		{c.Provider.AuthorizeParams["x:y"], "x${y"},
		{c.Provider.Resource[1], "urn:api"},
		{c.Provider.RevokeOnLogout, false},
		{c.Provider.IDTokenHint, false},
		{c.Provider.UserInfo, true},
		{c.Provider.Endpoints.Token, "http://localhost:9999/token"},
		{c.Session.Store.Bolt, "/var/lib/cloakroom.db"},
		{len(c.Session.Keys), 2},
		{c.Session.Cookie, config.Cookie{Name: "sid", SameSite: config.Lax}},
		{c.Session.IdleTimeout, 90 * time.Minute},
		{api.Host, "api.localhost:8080"},
		{strings.Join(api.Methods, " "), "GET POST"},
		{api.Upstream[0].Path, "/v1"},
		{api.SetHeaders["X-Key"].Reveal(), "x${{y"},
		{api.SetHeaders["X-Roles"].Reveal(), `{claims["https://x/roles"].a}{{`},
		{api.RemoveHeaders[0], "Cookie"},
		{api.StreamMaxAge, time.Hour},
		{api.MaxBody, int64(2 << 30)},
		{api.InsecureNoCSRF, true},
		{api.Background, true},
		{api.EncodedSlashes, config.Keep},
		{c.Routes[1].Path, "/other/"},
		{c.Routes[1].InsecureNoCSRF, false},
		{c.Routes[1].Timeout, time.Minute},
		{c.Routes[2].Token, config.Passthrough},
		{c.Routes[3].Unauthenticated, config.Deny},
		{c.Routes[3].UpstreamTLS.ServerName, "hooks.internal"},
		{c.Routes[4].Upstream[1].Host, "b:1"},
		{c.Routes[4].Balance, config.Balance{Sticky: true, HealthPath: "/healthz", HealthInterval: 2 * time.Second}},
		{c.Routes[0].Balance, config.Balance{HealthInterval: 10 * time.Second}},
		{c.Log, config.Log{Level: slog.LevelDebug, Format: "text"}},
	} {
		if row.got != row.want {
			t.Errorf("got %v, want %v", row.got, row.want)
		}
	}
}

func TestAConfigurationKnowsWhereItsSecretsLie(t *testing.T) {
	t.Parallel()
	path := write(t, smallest)
	cfg, _, err := config.Load(path, environ())
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Reference{{Key: "session.keys[0]", File: filepath.Join(filepath.Dir(path), "key")}}
	if cfg.File() != path || !slices.Equal(cfg.Files(), want) {
		t.Errorf("%s, %q", cfg.File(), cfg.Files())
	}
}

func TestANewKeyIsOneThatTheKeyringTakes(t *testing.T) {
	t.Parallel()
	one, other := config.NewKey(), config.NewKey()
	if one == other {
		t.Error("two keys are the same")
	}
	c, _ := load(t, strings.Replace(smallest, "${file:key}", one, 1))
	if len(c.Session.Keys[0].Reveal()) != 32 {
		t.Error("the key has not 32 bytes")
	}
}

func TestEverySpellingOfAKeyIsTheSameKey(t *testing.T) {
	t.Parallel()
	key := random(t)
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		c, _ := load(t, strings.Replace(smallest, "${file:key}", encoding.EncodeToString(key), 1))
		if c.Session.Keys[0].Reveal() != string(key) {
			t.Errorf("%s is another key", encoding.EncodeToString(key))
		}
	}
}

func random(t testing.TB) []byte {
	t.Helper()
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatWorksButWeakensIsAWarning(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, old, new, want string }{
		{"nothing weak", "http://orders", "https://orders", ""},
		{"a loopback upstream", "http://orders", "http://127.0.0.1", ""},
		{"http with tokens", "", "", `10:15: routes[0].upstream: tokens go to another machine in the clear`},
		{"http without tokens", "http://orders:9000", "http://orders:9000\n    token: none", ""},
		{"http passthrough", "http://orders:9000", "http://orders:9000\n    token: passthrough\n    access: public", "10:15: routes[0].upstream: tokens go"},
		{"http public", "http://orders:9000", "http://orders:9000\n    access: public", ""},
		{"no client authentication", "client_secret: ${env:CLIENT_SECRET}", "client_auth: none", "5:16: provider.client_auth: none makes"},
		{"no CSRF check", "http://orders:9000", "https://orders:9000\n    csrf: insecure_off", "11:11: routes[0].csrf: insecure_off lets"},
		{"lax", "session:\n", "session:\n  cookie: {same_site: lax}\n", "7:23: session.cookie.same_site: lax sends"},
		{"a cookie for siblings", "session:\n", "session:\n  cookie: {name: sid}\n", "7:18: session.cookie.name: a sibling"},
		{"a key twice", `"${file:key}"`, `"${file:key}", "${file:key}"`, "7:25: session.keys[1]: is the same key again"},
		{"a key of zeros", "${file:key}", strings.Repeat("A", 43), "7:10: session.keys[0]: does not look random"},
		{"tokens for whom nobody can prove", "session:\n", "  sender_constrained: dpop\ntrusted_proxies: [10.0.0.0/8]\nforward_auth: {listen: \":4181\"}\nsession:\n", "8:24: forward_auth.listen: hands no token"},
		{"everybody's headers", "session:\n", "trusted_proxies: [0.0.0.0/0]\nsession:\n", "6:19: trusted_proxies[0]: believes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, warnings := load(t, strings.Replace(smallest, row.old, row.new, 1))
			if row.want == "" && len(warnings) > 0 {
				t.Errorf("warned: %v", warnings)
			}
			if row.want != "" && !slices.ContainsFunc(warnings, func(p config.Problem) bool {
				return strings.HasPrefix(fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Text), row.want)
			}) {
				t.Errorf("warnings are %v, want %s", warnings, row.want)
			}
		})
	}
}
