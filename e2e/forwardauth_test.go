//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// An ingress is a front proxy that asks the gateway about each request, by the recipe that
// stands in docs/forward-auth:
//
//	browser ──▶ front proxy ──▶ app
//	              │    └──/bff/──▶ gateway
//	              └──/verify/…───▶ gateway's entrance
//
// The gateway itself reaches no app: what arrives there came through the front proxy.
type ingress struct {
	t        *testing.T
	url      string // the front proxy's, and the public origin
	dir      string // the front proxy's
	provider *devidp.Server
	upstream *upstream
	gateway  *gateway
	browser  *browser
	entrance string   // host:port
	tickets  []string // to search for
}

// everyFrontProxy runs a test behind each of them.
func everyFrontProxy(t *testing.T, run func(t *testing.T, s *ingress)) {
	t.Helper()
	for _, p := range frontProxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			run(t, setIngress(t, p))
		})
	}
}

// setIngress starts provider, app, gateway and front proxy.
func setIngress(t *testing.T, p frontProxy) *ingress {
	t.Helper()
	program := p.find(t)
	s := &ingress{
		t: t, dir: t.TempDir(), gateway: newGateway(t),
		url:      fmt.Sprintf("http://localhost:%d", freePort(t)),
		entrance: fmt.Sprintf("127.0.0.1:%d", freePort(t)),
	}
	s.provider = provide(t, s.url)
	s.upstream = startUpstream(t)
	s.browser = newBrowser(t, s.url)
	s.configure()
	s.gateway.start()
	p.start(t, s, program)
	t.Cleanup(s.sound)
	return s
}

func (s *ingress) configure() {
	s.t.Helper()
	key, err := exec.CommandContext(s.t.Context(), binary, "keys", "new").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	s.gateway.write("session.key", key)
	s.gateway.write("client.secret", []byte(providerSecret))
	s.gateway.write("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
admin: {listen: %q, token: the-operators-token-of-these-tests}
forward_auth: {listen: %q}
trusted_proxies: [127.0.0.0/8]
provider:
  issuer: %s
  client_id: cloakroom
  client_secret: ${file:./client.secret}
session:
  store: bolt:./cloakroom.db
  keys: ["${file:./session.key}"]
routes:
  - path: /api/
    upstream: http://127.0.0.1:1
    headers: {set: {X-User: "{claims.sub}"}}
  - path: /api/vault/
    upstream: http://127.0.0.1:1
    require: {acr: phr, max_age: 1h}
  - path: /
    upstream: http://127.0.0.1:1
    access: public
log: {level: debug}
`, s.url, port127(s.gateway.url), port127(s.gateway.admin), s.entrance, s.provider.URL))
}

// signIn comes by a deep link, as who is not signed in yet, and returns the ticket.
func (s *ingress) signIn() string {
	s.t.Helper()
	form := s.browser.visit(s.url + "/api/report?year=2026")
	if form.status != http.StatusOK || form.url.Hostname() != "127.0.0.1" {
		s.t.Fatalf("a navigation is not led to the provider: %d at %s\n%s", form.status, form.url.Redacted(), form.body)
	}
	p := s.browser.fillIn(form, "login", "user00")
	if p.status != http.StatusOK || p.url.String() != s.url+"/api/report?year=2026" || !strings.Contains(p.body, `"user":"user00"`) {
		s.t.Fatalf("the sign-in ended with %d at %s\n%s", p.status, p.url.Redacted(), p.body)
	}
	s.tickets = append(s.tickets, s.browser.ticket())
	return s.browser.ticket()
}

// tokensLast sets the lifetime of the access tokens that come from now on.
func (s *ingress) tokensLast(d time.Duration) {
	s.provider.Adjust(func(k *devidp.Knobs) { k.AccessTokenTTL = d })
}

// wants checks what a script of the app gets.
func (s *ingress) wants(status int, code string) page {
	s.t.Helper()
	p := s.browser.fetch(http.MethodGet, "/api/orders")
	if p.status != status || p.header.Get("Cloakroom-Error") != code {
		s.t.Errorf("a script got %d %q, want %d %q\n%s", p.status, p.header.Get("Cloakroom-Error"), status, code, p.body)
	}
	return p
}

// send writes a request as it stands, but for the host, and reads the answer's head.
func (s *ingress) send(line string, headers ...string) (*http.Response, *bufio.Reader) {
	s.t.Helper()
	c, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", port127(s.url))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	host := "Host: " + strings.TrimPrefix(s.url, "http://")
	if _, err := io.WriteString(c, strings.Join(append([]string{line, host}, headers...), "\r\n")+"\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	answer := bufio.NewReader(c)
	res, err := http.ReadResponse(answer, nil)
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return res, answer
}

// status is send where only the status counts.
func (s *ingress) status(line string, headers ...string) int {
	s.t.Helper()
	res, _ := s.send(line, append(headers, "Connection: close")...)
	_ = res.Body.Close()
	return res.StatusCode
}

// judged returns the targets' paths that the gateway let pass, as its log has them.
func (s *ingress) judged() map[string]bool {
	s.t.Helper()
	paths := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(s.gateway.log())); lines.Scan(); {
		var line struct {
			Path   string `json:"path"`
			Status int    `json:"status"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Status == http.StatusOK {
			paths[line.Path] = true
		}
	}
	return paths
}

// sound ends every test: no token and no ticket stands where none belongs.
func (s *ingress) sound() {
	secrets := append(s.provider.Tokens(), s.tickets...)
	if len(secrets) == 0 {
		return // the test ended before there was one
	}
	searchFiles(s.t, s.gateway.dir, secrets)
	searchFiles(s.t, s.dir, secrets)
	searchSightings(s.t, s.browser.seen, s.provider.Tokens())
	searchUpstream(s.t, s.upstream.got(), secrets)
}
