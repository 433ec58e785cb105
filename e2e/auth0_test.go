//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The walk of a session in front of the Auth0 simulator, with provider.preset: auth0. Its
// tokens never die, so what keeps a session safe is shown on the development provider and
// on oidc-provider; shown here are Auth0's paths, the slash of its issuer, and rules that
// change the claims at a refresh.

// simulator is @simulacrum/auth0-simulator in a Node process.
type simulator struct {
	t         *testing.T
	dir       string
	issuer    string // with its slash
	roots     string // file of its certificate
	transport *http.Transport
}

func startSimulator(t *testing.T) *simulator {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "install Node 20 or later")
	}
	script, err := filepath.Abs("auth0/start.cjs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("auth0/node_modules/@simulacrum/auth0-simulator"); err != nil {
		missing(t, "the Auth0 simulator", "npm ci --prefix e2e/auth0")
	}
	s := &simulator{t: t, dir: t.TempDir()}
	s.certify()
	s.rule(true)
	number := freePort(t)
	s.issuer = fmt.Sprintf("https://localhost:%d/", number)
	cmd := exec.CommandContext(t.Context(), node, script)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, fmt.Sprintf("PORT=%d", number))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if _, err := cmd.StdinPipe(); err != nil { // it ends with us, however we end
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, 30*time.Second, "the simulator answers", func() bool { return answers(t, s.transport, s.issuer+"health") })
	return s
}

// certify makes the certificate that the simulator looks for in its home.
func (s *simulator) certify() {
	s.t.Helper()
	certificate, private := selfSigned(s.t)
	s.roots = filepath.Join(s.dir, ".simulacrum", "certs", "localhost.pem")
	s.write(".simulacrum/certs/localhost.pem", certificate)
	s.write(".simulacrum/certs/localhost-key.pem", private)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	s.transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	s.t.Cleanup(s.transport.CloseIdleConnections)
}

func (s *simulator) write(name string, data []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// roles is the claim that the rule adds.
const roles = "https://example.test/roles"

// rule switches a rule on or off that makes alice staff. It is read at each token request.
func (s *simulator) rule(on bool) {
	s.t.Helper()
	s.write("rules/roles.js", []byte("function (user, context, callback) { context.idToken['"+roles+"'] = ['staff']; callback(null, user, context); }"))
	s.write("rules/roles.json", fmt.Appendf(nil, `{"enabled": %t, "order": 1}`, on))
}

// signIn does by hand what the login page's script does.
func (s *simulator) signIn(b *browser, path string) page {
	s.t.Helper()
	form := b.visit(b.home + "/bff/login?returnUrl=" + url.QueryEscape(path))
	q := form.url.Query()
	if form.status != http.StatusOK || form.url.Path != "/login" {
		s.t.Fatalf("no login page at the simulator: %d at %s\n%s", form.status, form.url.Redacted(), form.body)
	}
	s.post("usernamepassword/login", map[string]string{"username": "alice@example.test", "password": "password", "nonce": q.Get("nonce")})
	wctx, err := json.Marshal(map[string]string{"redirect_uri": q.Get("redirect_uri"), "nonce": q.Get("nonce"), "state": q.Get("state")})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.submit(form, "/login/callback", url.Values{"wctx": {string(wctx)}})
}

func (s *simulator) post(path string, body any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.issuer+path, strings.NewReader(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v\n%s", path, res.Status, err, answer)
	}
}

func TestRulesChangeTheClaimsAtARefreshAndAuth0sLogoutIsFound(t *testing.T) {
	t.Parallel()
	s := startSimulator(t)
	g := newGateway(t)
	u := startUpstream(t)
	l := startLens(t, s.issuer+"oauth/token", s.transport)
	b := newBrowser(t, g.url)
	b.transport = s.transport
	g.configure(client{strings.TrimSuffix(s.issuer, "/"), "cloakroom", "a secret: with +, % and space", []string{ // the slash is missing
		"preset: auth0", "client_auth: client_secret_post", "audience: https://api.example.test/", "ca_file: " + s.roots,
		"endpoints: {token: " + l.url + "}",
	}}, u.url)
	g.start()
	if p := s.signIn(b, "/welcome"); p.status != http.StatusOK || p.url.String() != g.url+"/welcome" || b.ticket() == "" {
		t.Fatalf("the sign-in ended with %d at %s\n%s", p.status, p.url.Redacted(), p.body)
	}
	tickets := []string{b.ticket()}

	if p := b.fetch(http.MethodGet, "/bff/session"); !strings.Contains(p.body, "staff") {
		t.Errorf("the rule's claim is missing after the login:\n%s", p.body)
	}
	for _, on := range []bool{false, true} {
		s.rule(on)
		p := b.fetch(http.MethodPost, "/bff/refresh")
		if p.status != http.StatusOK || strings.Contains(p.body, "staff") != on {
			t.Errorf("after a refresh with the rule on (%t) the session is %d\n%s", on, p.status, p.body)
		}
		after(t, 5*time.Second) // POST /bff/refresh is let through once in so long
	}
	if p := b.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusOK {
		t.Errorf("a call got %d", p.status)
	}

	p := b.fetch(http.MethodPost, "/bff/logout")
	_, onward, _ := strings.Cut(p.body, `"redirect_url":"`)
	onward, _, _ = strings.Cut(onward, `"`)
	landed := b.visit(g.url + strings.ReplaceAll(onward, `\u0026`, "&"))
	if landed.url.String() != g.url+"/" {
		t.Errorf("the logout landed at %s", landed.url.Redacted())
	}
	if !b.went(s.issuer + "v2/logout?client_id=cloakroom&returnTo=" + url.QueryEscape(g.url+"/")) {
		t.Error("the logout did not go by /v2/logout")
	}
	l.searchBehind(t, g, b, u, tickets)
}
