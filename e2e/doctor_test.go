//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The doctor, in front of real providers and real stores, each broken in one place.

// A patient is a set-up that works. A fault breaks it before it is examined.
type patient struct {
	*gateway
	client   client
	issuer   string // the provider's own
	upstream string
	edits    []string // of the configuration: old and new texts, in turns
}

// diagnosis is what the doctor prints.
type diagnosis struct {
	Verdict string
	Lines   []struct{ Check, Verdict, Found, Remedy string }
}

func (p *patient) line(text string) { p.client.lines = append(p.client.lines, text) }

func (p *patient) edit(was, is string) { p.edits = append(p.edits, was, is) }

// examine runs the command.
func (p *patient) examine() (d diagnosis, code int) {
	p.t.Helper()
	p.configure(p.client, p.upstream)
	text := strings.NewReplacer(p.edits...).Replace(p.read("config.yaml"))
	p.write("config.yaml", []byte(text))
	return p.doctor()
}

func (g *gateway) doctor() (d diagnosis, code int) {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), binary, "doctor", "--json", "--config", "config.yaml")
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = g.dir, &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		g.t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	if strings.Contains(stdout.String()+stderr.String(), strings.TrimSpace(g.read("client.secret"))) {
		g.t.Error("the report holds the client's secret")
	}
	return d, cmd.ProcessState.ExitCode()
}

func (g *gateway) read(name string) string {
	g.t.Helper()
	data, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(data)
}

// ailment is a fault and the line that has to name it.
type ailment struct {
	name           string
	broken         func(*patient)
	code           int
	verdict, check string
	found          string
}

// hold examines one patient after the other: each listens at the same address for a moment.
// It prints the table.
func hold(t *testing.T, fresh func(*testing.T) *patient, rows []ailment) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p := fresh(t)
			row.broken(p)
			d, code := p.examine()
			named := false
			for _, l := range d.Lines {
				if l.Verdict != "pass" {
					t.Logf("%s  %s  %s → %s", l.Verdict, l.Check, l.Found, l.Remedy)
				}
				named = named || l.Verdict == row.verdict && l.Check == row.check && strings.Contains(l.Found, row.found)
			}
			if code != row.code || !named && row.check != "" {
				t.Errorf("exit code %d, want %d; nothing says %s %s “%s”", code, row.code, row.verdict, row.check, row.found)
			}
			if row.check == "" && d.Verdict != "pass" {
				t.Errorf("the verdict on a sound set-up is %s", d.Verdict)
			}
		})
	}
}

// upstreamOf answers whatever it is asked.
func upstreamOf(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.URL
}

// nowhere is an address where nobody listens.
func nowhere(t *testing.T) string { return fmt.Sprintf("127.0.0.1:%d", freePort(t)) }

// through puts somebody between the doctor and the provider's discovery document.
func (p *patient) through(meddle func(*http.Response) error) {
	p.t.Helper()
	target, err := url.Parse(p.issuer)
	if err != nil {
		p.t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.URL.Path = r.In.URL.Path },
		ModifyResponse: meddle,
	})
	p.t.Cleanup(server.Close)
	p.line("discovery_url: " + server.URL + target.Path + "/.well-known/openid-configuration")
}

// everywhere are faults that any provider has to be told of in the same words.
func everywhere() []ailment {
	return []ailment{
		{"a sound set-up", func(*patient) {}, 0, "", "", ""},
		{"another redirect URI", func(p *patient) { p.edit("public_url: "+p.url, "public_url: http://localhost:1") }, 1, "fail", "provider.redirect_uri", "status 400"},
		{"another base path", func(p *patient) { p.edit("provider:\n", "base_path: /auth\nprovider:\n") }, 1, "fail", "provider.redirect_uri", "status 400"},
		{"a wrong secret", func(p *patient) { p.client.secret = "yesterday's secret" }, 1, "fail", "provider.client_secret", "invalid_client"},
		{"another client", func(p *patient) { p.client.id = "somebody-else" }, 1, "fail", "provider.client_secret", "invalid_client"},
		{"an issuer with a slash", func(p *patient) { p.client.issuer += "/" }, 1, "fail", "provider.issuer", "slash at the end"},
		{"another issuer", func(p *patient) {
			p.line("discovery_url: " + p.client.issuer + "/.well-known/openid-configuration")
			p.client.issuer = "https://id.example.com"
		}, 1, "fail", "provider.issuer", "calls itself"},
		{"a path that leads nowhere", func(p *patient) { p.client.issuer += "/realms/shop" }, 1, "fail", "provider.discovery", "no discovery document"},
		{"nobody listens", func(p *patient) { p.client.issuer = "http://" + nowhere(p.t) }, 1, "fail", "provider.discovery", "nobody listens"},
		{"a clock that is wrong", func(p *patient) {
			p.through(func(res *http.Response) error {
				res.Header.Set("Date", time.Now().Add(-2*time.Minute).UTC().Format(http.TimeFormat))
				return nil
			})
		}, 1, "fail", "provider.clock", "behind this machine's"},
		{"a provider that is silent", func(p *patient) {
			p.line("timeout: 500ms")
			p.through(func(res *http.Response) error { <-res.Request.Context().Done(); return res.Request.Context().Err() })
		}, 1, "fail", "provider.discovery", "no answer within 500ms"},
		{"an authority that nobody trusts", func(p *patient) {
			server := httptest.NewTLSServer(http.NotFoundHandler())
			p.t.Cleanup(server.Close)
			p.line("discovery_url: " + server.URL)
		}, 1, "fail", "provider.discovery", "does not trust"},
		{"no keys", func(p *patient) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) }))
			p.t.Cleanup(server.Close)
			p.line("endpoints: {jwks: " + server.URL + "}")
		}, 1, "fail", "provider.jwks", "no key that can verify"},
		{"keys behind a closed port", func(p *patient) { p.line("endpoints: {jwks: http://" + nowhere(p.t) + "}") }, 1, "fail", "provider.jwks", "nobody listens"},
	}
}

// oidc-provider says each of these things in its own way.
func TestTheDoctorNamesEachFaultAtOIDCProvider(t *testing.T) {
	t.Parallel()
	app := newGateway(t)
	op, bare := startProvider(t, app.url), startProvider(t, app.url, "WITHOUT=revocation,rpInitiatedLogout")
	fresh := func(t *testing.T) *patient {
		g := newGateway(t)
		g.url = app.url
		return &patient{gateway: g, client: op.client(), issuer: op.issuer, upstream: upstreamOf(t)}
	}
	hold(t, fresh, append(everywhere(),
		ailment{"a client without its secret", func(p *patient) { p.edit("client_secret: ${file:./client.secret}", "client_auth: none") }, 1, "fail", "provider.client_secret", "invalid_client"},
		ailment{"a client that may not refresh", func(p *patient) { p.client.id = "cloakroom-once" }, 1, "fail", "provider.refresh_token", "grant type is not allowed"},
		ailment{"no refresh token is asked for", func(p *patient) { p.line("scopes: [openid]") }, 0, "warn", "provider.refresh_token", "no login asks"},
		ailment{"an unknown scope", func(p *patient) { p.line("scopes: [openid, offline_access, orders]") }, 0, "warn", "provider.scopes", "orders"},
		ailment{"no revocation endpoint", func(p *patient) { p.client.issuer = bare.issuer }, 0, "warn", "provider.revocation", "no revocation endpoint"},
		ailment{"no end-session endpoint", func(p *patient) { p.client.issuer = bare.issuer }, 0, "warn", "provider.logout", "no end_session_endpoint"},
		ailment{"an address after logout that is not registered", func(p *patient) { p.edit("provider:\n", "post_logout_url: /bye\nprovider:\n") }, 0, "warn", "provider.post_logout_url", "refuses"},
	))
	if n := op.stats(); n.Codes+n.Refreshes+n.Revocations != 0 || len(op.minted()) != 0 {
		t.Errorf("the provider had to do something: %+v", n)
	}
}

// Dex shows its sign-in page whatever prompt says, and has words of its own.
func TestTheDoctorNamesEachFaultAtDex(t *testing.T) {
	t.Parallel()
	app := newGateway(t)
	issuer := startDex(t, app.url, "2s", "0s")
	fresh := func(t *testing.T) *patient {
		g := newGateway(t)
		g.url = app.url
		return &patient{gateway: g, client: client{issuer, "cloakroom", "a secret: with +, % and space", []string{"preset: dex", "logout: local", "revoke_on_logout: false"}}, issuer: issuer, upstream: upstreamOf(t)}
	}
	hold(t, fresh, append(everywhere(),
		ailment{"an unknown scope", func(p *patient) { p.line("scopes: [openid, offline_access, orders]") }, 1, "fail", "provider.scopes", "refuses these scopes"},
		ailment{"a method that Dex does not have", func(p *patient) { p.edit("logout: local", "logout: oidc") }, 1, "fail", "provider.logout", "logout is oidc"},
		ailment{"no revocation endpoint", func(p *patient) { p.edit("revoke_on_logout: false", "revoke_on_logout: true") }, 0, "warn", "provider.revocation", "no revocation endpoint"},
	))
}

// What is wrong on this machine has nothing to do with the provider.
func TestTheDoctorNamesEachFaultOfThisMachine(t *testing.T) {
	t.Parallel()
	app := newGateway(t)
	op := startProvider(t, app.url)
	fresh := func(t *testing.T) *patient {
		g := newGateway(t)
		g.url = app.url
		return &patient{gateway: g, client: op.client(), issuer: op.issuer, upstream: upstreamOf(t)}
	}
	careless := startRedis(t, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "64mb")
	careful := startRedis(t)
	careful.must("config", "set", "requirepass", "hunter2-hunter2")
	follower := startRedis(t, "--replicaof", "127.0.0.1", "1")
	redis := func(url string) func(*patient) {
		return func(p *patient) { p.edit("bolt:./cloakroom.db", url) }
	}
	hold(t, fresh, []ailment{
		{"a sound set-up with Redis", redis("redis://:hunter2-hunter2@" + careful.addr()), 0, "", "", ""},
		{"Redis is down", redis("redis://" + nowhere(t)), 1, "fail", "session.store", "connection refused"},
		{"a wrong password", redis("redis://:hunter3@" + careful.addr()), 1, "fail", "session.store", "check user and password"},
		{"a Redis that drops what it was given", redis("redis://" + careless.addr()), 1, "fail", "session.store.eviction", "allkeys-lru"},
		{"a Redis that forgets at its restart", redis("redis://" + careless.addr()), 1, "warn", "session.store.persistence", "signs everybody out"},
		{"a replica", redis("redis://" + follower.addr()), 1, "fail", "session.store", "is a replica"},
		{"too few replicas", func(p *patient) {
			redis("redis://:hunter2-hunter2@" + careful.addr())(p)
			p.edit("session:\n", "session:\n  wait_replicas: 1\n")
		}, 1, "fail", "session.wait_replicas", "0 replicas"},
		{"the upstream is down", func(p *patient) { p.upstream = "http://" + nowhere(p.t) }, 1, "fail", "routes[0].upstream", "nobody listens"},
		{"a key that everybody can read", func(p *patient) {
			p.edit("${file:./session.key}", "${file:./open.key}")
			p.write("open.key", []byte(strings.Trim(newKey(p.t), `"`)))
			if err := os.Chmod(filepath.Join(p.dir, "open.key"), 0o644); err != nil {
				p.t.Fatal(err)
			}
		}, 0, "warn", "files", "every user of this machine may read"},
		{"a key that is too short", func(p *patient) { p.edit("${file:./session.key}", "c2hvcnQ=") }, 2, "fail", "config", "a key has 32"},
		{"a key that can be guessed", func(p *patient) { p.edit("${file:./session.key}", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=") }, 0, "warn", "config", "does not look random"},
		{"http in public", func(p *patient) { p.edit("public_url: "+p.url, "public_url: http://app.example.com") }, 2, "fail", "config", "http"},
		{"a cookie for a whole domain", func(p *patient) { p.edit("session:\n", "session:\n  cookie: {domain: example.com}\n") }, 2, "fail", "config", "for one host only"},
		{"a route where the cookie never comes", func(p *patient) { p.edit("  - path: /api/\n", "  - path: /api/\n    host: api.example.com\n") }, 1, "fail", "session.cookie", "nobody is ever signed in there"},
		{"a port that is taken", func(p *patient) { p.edit("127.0.0.1:"+port(p.admin), strings.TrimPrefix(p.upstream, "http://")) }, 1, "fail", "admin.listen", "another program"},
		{"no application", func(p *patient) { p.edit("./dist", "./build") }, 1, "fail", "routes[2].files", "cannot be read"},
	})
}

// Beside a gateway at work, the doctor disturbs nobody.
func TestTheDoctorBesideARunningGateway(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.signIn()
	s.callAPI()
	before := s.provider.stats()
	d, code := s.gateway.doctor()
	if code != 0 || d.Verdict != "pass" {
		t.Errorf("exit code %d: %+v", code, d)
	}
	after := s.provider.stats()
	if before.Codes != after.Codes || before.LiveRefreshTokens != after.LiveRefreshTokens || before.Revocations != after.Revocations {
		t.Errorf("the provider's books say %+v, before %+v", after, before)
	}
	s.callAPI()
}
