package app

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
)

// erp is an application of another time: it has a password, redirects to itself by its own
// name, and calls its cookie what all call it.
func erp(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "gw" || password != "hunter2" {
		w.Header().Set("WWW-Authenticate", `Basic realm="erp"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if c, err := r.Cookie("JSESSIONID"); err == nil {
		_, _ = fmt.Fprintf(w, "%s %s %s", r.URL.Path, r.Header.Get("X-Remote-User"), c.Value)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: "1", Path: "/app"})
	http.Redirect(w, r, "http://"+r.Host+"/app/home", http.StatusFound)
}

func TestAnOldApplicationIsUsedWithoutTouchingIt(t *testing.T) {
	h := newHouse(t, erp,
		`  - {path: /erp/, upstream: UPSTREAM/app, strip_prefix: /erp, token: none, upstream_auth: {basic: {user: gw, password: hunter2}}, headers: {set: {X-Remote-User: "{claims.sub}"}}}`,
		`  - {path: /mistaken/, upstream: UPSTREAM/app, strip_prefix: /mistaken, token: none, upstream_auth: {basic: {user: gw, password: hunter3}}}`)
	c := browser(t)
	if res := h.navigate(c, h.origin+"/erp/", "none"); !strings.HasPrefix(res.Header.Get("Location"), "/bff/login?") {
		t.Errorf("nobody gets %s to %s", res.Status, res.Header.Get("Location"))
	}
	h.signIn(c)
	res := h.navigate(c, h.origin+"/erp/", "same-origin")
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusFound || got != "/erp/home" {
		t.Fatalf("%s to %s", res.Status, got)
	}
	if status, body := h.call(c, "/erp/home"); status != http.StatusOK || body != "/app/home alice 1" {
		t.Errorf("%d %s", status, body)
	}
	// Its cookie is its own: the browser sends it to nobody else.
	if status, body := h.call(c, "/api/"); status != http.StatusUnauthorized || body != "who are you?\n" {
		t.Errorf("%d %s", status, body)
	}
	res = h.navigate(c, h.origin+"/mistaken/", "same-origin")
	if res.StatusCode != http.StatusUnauthorized || res.Header["Www-Authenticate"] != nil {
		t.Errorf("a wrong password of ours: %s %v", res.Status, res.Header)
	}
	h.halt()
	if log := h.log.String(); strings.Contains(log, "hunter") || strings.Contains(log, "Z3c6") {
		t.Error("the log holds the password")
	}
}

// The API knows nothing of the gateway but where its keys are.
func TestAnAPIChecksWhoAsksWithAnyLibrary(t *testing.T) {
	var verifier *oidc.IDTokenVerifier
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		token, err := verifier.Verify(r.Context(), r.Header.Get("X-Identity"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		var claims struct{ Name string }
		if err := token.Claims(&claims); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		_, _ = fmt.Fprintf(w, "%s %v %s", token.Subject, claims.Name != "", r.Header.Get("Authorization"))
	}, `  - {path: /reports/, upstream: UPSTREAM, token: none, upstream_auth: {authorization: ApiKey k}, assertion: {header: X-Identity, audience: reports, claims: [name]}}`)
	keys := oidc.NewRemoteKeySet(t.Context(), h.origin+"/bff/jwks.json")
	verifier = oidc.NewVerifier(h.origin, keys, &oidc.Config{ClientID: "reports", SupportedSigningAlgs: []string{oidc.ES256}})
	c := browser(t)
	h.signIn(c)
	for range 2 { // with keys that follow from the configuration, before a restart and after it
		if status, body := h.call(c, "/reports/"); status != http.StatusOK || body != "alice true ApiKey k" {
			t.Errorf("%d %s", status, body)
		}
		h.halt()
		h.start()
	}
	if status, _ := h.call(c, "/api/"); status != http.StatusForbidden {
		t.Errorf("a route without an assertion: %d", status)
	}
}

func TestMachinesAndUsersShareARoute(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}, `  - {path: /shared/, upstream: UPSTREAM, allow_bearer: true}`)
	c := browser(t)
	machine := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.origin+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer machine")
		return h.do(&http.Client{}, req)
	}
	if status, body := machine("/shared/x"); status != http.StatusOK || body != "Bearer machine" {
		t.Errorf("a machine: %d %s", status, body)
	}
	if status, _ := machine("/api/x"); status != http.StatusUnauthorized {
		t.Errorf("a machine elsewhere: %d", status)
	}
	h.signIn(c)
	if status, body := h.call(c, "/shared/x"); status != http.StatusOK || !strings.HasPrefix(body, "Bearer ey") {
		t.Errorf("a user: %d %s", status, body)
	}
}

// The documentation's example is a configuration.
func TestTheExampleForOldApplicationsLoads(t *testing.T) {
	page, err := os.ReadFile("../../docs/legacy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("the page has no example")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"erp", "reports"} {
		example = strings.ReplaceAll(example, "/run/secrets/"+name, filepath.Join(dir, "secret"))
	}
	loads(t, `
public_url: https://app.example.com
provider: {issuer: "https://id.example.com", client_id: app, client_secret: secret}
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
`+example)
}

// loads checks that a configuration is one, for the check and for the gateway.
func loads(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &App{log: slog.New(slog.DiscardHandler), metrics: telemetry.NewMetrics("test"), shapes: shapes{}}
	provider := agreeParts(t, a, cfg, extras{Surroundings: Surroundings{Log: a.log}})
	if _, err := newGateway(cfg, a, provider, nil); err != nil {
		t.Fatal(err)
	}
}
