//go:build e2e

package e2e

import (
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

// The walks of a session in front of Dex, with provider.preset: dex and nothing else that
// is Dex's. Shown on Dex itself, v2.45.1.

// dexStage is a stage whose provider is Dex.
type dexStage struct {
	stage
	lens *lens
}

// aliceHash is bcrypt of "password".
const aliceHash = "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W"

// setDexStage starts Dex with a lifetime of access tokens and a reuse interval, and the
// gateway in front of it.
func setDexStage(t *testing.T, lifetime, reuse string) *dexStage {
	t.Helper()
	s := &dexStage{stage: stage{t: t, gateway: newGateway(t)}}
	issuer := startDex(t, s.gateway.url, lifetime, reuse)
	s.lens = startLens(t, issuer+"/token", nil)
	s.upstream = startUpstream(t)
	s.browser = newBrowser(t, s.gateway.url)
	s.gateway.configure(client{issuer, "cloakroom", "a secret: with +, % and space", []string{
		"preset: dex", "endpoints: {token: " + s.lens.url + "}",
	}}, s.upstream.url)
	s.gateway.start()
	return s
}

// startDex returns the issuer.
func startDex(t *testing.T, app, lifetime, reuse string) string {
	t.Helper()
	dex, err := filepath.Abs("dex/bin/dex")
	if err != nil {
		t.Fatal(err)
	}
	remedy := "(cd e2e/dex && CGO_ENABLED=0 go build -o bin/dex github.com/dexidp/dex/cmd/dex)"
	if _, err := os.Stat(dex); err != nil {
		missing(t, "Dex", remedy)
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/dexidp/dex")
	list.Dir = "dex"
	source, err := list.Output()
	if err != nil || strings.TrimSpace(string(source)) == "" {
		missing(t, "Dex's source", remedy)
	}
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	file := filepath.Join(t.TempDir(), "dex.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
issuer: http://%[1]s/dex
storage: {type: memory}
web: {http: %[1]q}
frontend: {dir: %[2]q}
logger: {level: error}
oauth2: {skipApprovalScreen: true}
expiry: {idTokens: %[6]s, refreshTokens: {reuseInterval: %[3]s, validIfNotUsedFor: 1h, absoluteLifetime: 24h}}
enablePasswordDB: true
staticPasswords: [{email: alice@example.test, username: alice, userID: u-1, hash: %[4]q}]
staticClients: [{id: cloakroom, name: Cloakroom, secret: "a secret: with +, %% and space", redirectURIs: [%[5]q]}]
`, address, strings.TrimSpace(string(source))+"/web", reuse, aliceHash, app+"/bff/callback", lifetime), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), dex, "serve", file)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	issuer := "http://" + address + "/dex"
	eventually(t, 20*time.Second, "Dex answers", func() bool { return answers(t, nil, issuer+"/.well-known/openid-configuration") })
	return issuer
}

// answers says whether an address gives 200.
func answers(t *testing.T, transport http.RoundTripper, address string) bool {
	t.Helper()
	if transport == nil {
		transport = http.DefaultTransport
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// signIn fills in Dex's form.
func (s *dexStage) signIn() {
	s.t.Helper()
	form := s.browser.visit(s.gateway.url + "/bff/login?returnUrl=/welcome")
	action := formAction.FindStringSubmatch(form.body)
	if form.status != http.StatusOK || action == nil {
		s.t.Fatalf("no form at Dex: %d at %s\n%s", form.status, form.url.Redacted(), form.body)
	}
	p := s.browser.submit(form, strings.ReplaceAll(action[1], "&amp;", "&"), url.Values{"login": {"alice@example.test"}, "password": {"password"}})
	if p.status != http.StatusOK || p.url.String() != s.gateway.url+"/welcome" || s.browser.ticket() == "" {
		s.t.Fatalf("the sign-in ended with %d at %s\n%s", p.status, p.url.Redacted(), p.body)
	}
	s.tickets = append(s.tickets, s.browser.ticket())
}

func (s *dexStage) search() {
	s.t.Helper()
	s.lens.searchBehind(s.t, s.gateway, s.browser, s.upstream, s.tickets)
}

// Dex: “rotates”.
func TestTenRefreshesRotateAtDex(t *testing.T) {
	t.Parallel()
	s := setDexStage(t, "2s", "0s")
	s.signIn()
	eventually(t, time.Minute, "ten refreshes", func() bool {
		s.callAPI()
		n, _ := s.lens.refreshes(http.StatusOK)
		return n >= 10
	})
	if refused, most := s.lens.refreshes(http.StatusBadRequest); refused != 0 || most != 1 {
		t.Errorf("%d refreshes refused, a refresh token presented %d times", refused, most)
	}
	s.search()
}

// Dex: “a dead refresh token is invalid_request”, and neither the gateway's nor the
// operator's fault. It comes from a store that was restored from a copy.
func TestAUsedRefreshTokenEndsTheSessionAtDex(t *testing.T) {
	t.Parallel()
	s := setDexStage(t, "2s", "0s")
	s.signIn()
	s.callAPI()
	store := filepath.Join(s.gateway.dir, "cloakroom.db")
	s.gateway.stop()
	copied, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	s.gateway.start()
	eventually(t, 20*time.Second, "a refresh", func() bool {
		s.callAPI()
		n, _ := s.lens.refreshes(http.StatusOK)
		return n >= 1
	})
	s.gateway.stop()
	s.gateway.write("cloakroom.db", copied)
	s.gateway.start()
	after(t, 2*time.Second)                                          // the copy's access token runs out
	for _, want := range []string{"session_expired", "no_session"} { // the first takes the ticket away
		if p := s.browser.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusUnauthorized || p.header.Get("Cloakroom-Error") != want {
			t.Errorf("a call got %d %s, want 401 %s", p.status, p.header.Get("Cloakroom-Error"), want)
		}
	}
	if refused, _ := s.lens.refreshes(http.StatusBadRequest); refused != 1 {
		t.Errorf("%d refreshes refused, want 1", refused)
	}
	s.search()
}

// Dex: “within reuseInterval the old refresh token returns the current one”.
func TestALostAnswerCostsNothingAtDex(t *testing.T) {
	t.Parallel()
	s := setDexStage(t, "10s", "500ms") // waiting for the access token would be too late
	s.signIn()
	s.lens.loseNext()
	eventually(t, time.Minute, "the one that was lost, its repetition and one more", func() bool {
		s.callAPI()
		n, _ := s.lens.refreshes(http.StatusOK)
		return n >= 3
	})
	if refused, most := s.lens.refreshes(http.StatusBadRequest); refused != 0 || most != 2 {
		t.Errorf("%d refreshes refused, a refresh token presented %d times, want twice", refused, most)
	}
	s.search()
}

// Dex: “no end-session endpoint, no revocation”: the session ends here, and the user lands
// where a logout lands.
func TestALogoutIsLocalAtDex(t *testing.T) {
	t.Parallel()
	s := setDexStage(t, "2s", "0s")
	s.signIn()
	s.callAPI()
	p := s.browser.fetch(http.MethodPost, "/bff/logout")
	if p.status != http.StatusOK || !strings.Contains(p.body, "redirect_url") {
		t.Fatalf("the logout answered %d\n%s", p.status, p.body)
	}
	_, onward, _ := strings.Cut(p.body, `"redirect_url":"`)
	onward, _, _ = strings.Cut(onward, `"`)
	if landed := s.browser.visit(s.gateway.url + strings.ReplaceAll(onward, `\u0026`, "&")); landed.url.String() != s.gateway.url+"/" {
		t.Errorf("the logout landed at %s", landed.url.Redacted())
	}
	if p := s.browser.fetch(http.MethodGet, "/api/orders"); p.status != http.StatusUnauthorized {
		t.Errorf("after the logout a call got %d", p.status)
	}
	s.search()
}
