package app

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
)

// grammar makes configurations out of values that somebody has a rule about.
type grammar struct {
	*rand.Rand
	dir  string // that is there
	odds int    // how many odd values the configuration may still get
}

func (g *grammar) one(values ...string) string { return values[g.IntN(len(values))] }

// odd is one of the values; a few in a configuration get a piece of something else.
func (g *grammar) odd(values ...string) string {
	v := g.one(values...)
	if g.odds == 0 || g.IntN(3) > 0 {
		return v
	}
	g.odds--
	i := g.IntN(len(v) + 1)
	return v[:i] + g.one(".", "..", "/", "//", "/.", "-", "_", "~", "%2f", ";", "{", "}", "{{", "\t", "\x7f", "ä", "A", " ", "*", "?", "#", "\\", "^", "\"", "]", "[") + v[i:]
}

func (g *grammar) path() string {
	return g.odd("/", "/api/", "/api", "/API/", "/api/v1/", "/.well-known/", "/.well-known/jwks.json", "/a/.b/c", "/...", "/bff2/", "/@x/~y/", "/a+b,c:d/", "/a.b/")
}

func (g *grammar) header() string {
	return g.odd("X-User", "x-user", "X_User", "X.User", "Remote-User", "Proxy", "Via", "V!a", "X~Forwarded~For", "Content^Length", "Te.", "Cookie2", "Accept")
}

func (g *grammar) template() string {
	return g.odd("{claims.sub}", `{claims["https://x/roles"]}`, "a {claims.a.b} c", "plain", "", "{{", "{{claims.sub}", `{claims["a"].b["c d"]}`, `{claims["a]b"]}`, `{claims["a"b"]}`, "{claims.a-b}")
}

func (g *grammar) route() string {
	q := strconv.Quote // YAML's double quotes have Go's escapes
	lines := []string{"path: " + q(g.path())}
	if g.IntN(4) > 0 {
		lines = append(lines, "upstream: "+q(g.odd("http://orders:9000", "https://orders", "h2c://orders:9000/", "http://orders/base/", "http://orders/.well-known", "http://[::1]:1", "http://Orders.", "https://a_b/x")))
		if g.IntN(2) == 0 {
			lines = append(lines, fmt.Sprintf("headers: {set: {%s: %s}, remove: [%s]}", q(g.header()), q(g.template()), q(g.header())))
		}
	} else {
		lines = append(lines, "files: "+q(g.dir))
	}
	for _, key := range [][]string{
		{"host", "", "other.example.com", "APP.example.com", "app.example.com:443", "app.example.com:8443", "[::1]:443"},
		{"methods", "[]", "[GET]", "[POST, PUT]", "[PROPFIND]", "[M-SEARCH]", "[\"A!B\"]"},
		{"strip_prefix", "", "/"},
		{"access", "required", "optional", "public"},
		{"token", "user", "none", "client", "user_or_client", "exchange", "passthrough"},
		{"rewrite_answers", "auto", "always", "never"},
		{"allow_bearer", "true", "false"},
		{"upstream_auth", "{}", "{basic: {user: a, password: b}}", "{authorization: Key x}", "{basic: {user: \"a:b\"}}", "{basic: {password: b}}"},
		{"assertion", "{}", "{header: X-Identity}", "{header: X_User, claims: [email]}", "{header: Via}", "{header: \"X Y\"}", "{header: X-Who, claims: [sub]}", "{audience: a}"},
		{"audience", "", "orders"},
		{"scopes", "[]", "[read, write]"},
		{"require", "{}", "{scopes: [read]}", "{claims: {groups: [staff, admins], sub: alice}}", "{claims: {groups: []}}"},
		{"timeout", "1ms", "30s"},
		{"max_body", "1", "10MiB"},
		{"encoded_slashes", "keep", "reject"},
	} {
		if g.IntN(6) == 0 {
			v := g.one(key[1:]...)
			if key[0] != "allow_bearer" && (!strings.ContainsAny(v, "[{") || key[0] == "host") {
				v = q(v)
			}
			lines = append(lines, key[0]+": "+v)
		}
	}
	return "  - " + strings.Join(lines, "\n    ")
}

func (g *grammar) config() string {
	g.odds = g.IntN(3)
	routes := make([]string, 1+g.IntN(2))
	for i := range routes {
		routes[i] = g.route()
	}
	return fmt.Sprintf(`
public_url: %q
base_path: %q
trusted_proxies: [10.0.0.0/8]
cors: {origins: [%s]}
provider: {issuer: "https://id.example.com", client_id: app, client_secret: secret}
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="], cookie: {name: %q}}
routes:
%s
`, g.one("https://app.example.com", "https://app.example.com/", "https://APP.example.com:443", "https://app.example.com:8443", "http://localhost:8080"),
		g.one("/bff", "/bff", "/bff", g.odd("/bff", "/.bff", "/a/b", "/BFF")),
		g.one("", "", "", strconv.Quote(g.odd("https://www.example.com", "https://WWW.example.com:443/", "https://example.com:8443", "http://localhost:5173"))),
		g.one("", "", "", "x"),
		strings.Join(routes, "\n"))
}

// What `cloakroom check` accepts, `cloakroom run` must not refuse.
func TestWhatTheCheckAcceptsTheGatewayAccepts(t *testing.T) {
	const tries, enough = 1200, 200
	g := &grammar{Rand: rand.New(rand.NewPCG(1, 2)), dir: t.TempDir()}
	file := filepath.Join(g.dir, "config.yaml")
	a := &App{log: slog.New(slog.DiscardHandler), metrics: telemetry.NewMetrics("test"), shapes: shapes{}}
	x := extras{Surroundings: Surroundings{Log: a.log}}
	var provider *oidc.Client
	accepted := 0
	for range tries {
		text := g.config()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := config.Load(file, nil)
		if err != nil {
			continue
		}
		accepted++
		if a.sessions == nil {
			provider = agreeParts(t, a, cfg, x)
		}
		if _, err := newGateway(cfg, a, provider, nil); err != nil {
			t.Errorf("%v, with%s", err, text)
		}
	}
	if accepted < enough {
		t.Errorf("the check accepted %d of %d configurations: too few to tell", accepted, tries)
	}
}

// agreeParts makes the parts that a gateway needs and that no route changes.
func agreeParts(t *testing.T, a *App, cfg *config.Config, x extras) *oidc.Client {
	t.Helper()
	var err error
	if a.store, err = openMovable(cfg.Session.Store.Bolt, x.Log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.store.Close() })
	provider, err := newProvider(cfg, a)
	if err != nil {
		t.Fatal(err)
	}
	if a.sessions, err = newSessions(cfg, a, provider, x); err != nil {
		t.Fatal(err)
	}
	return provider
}
