package app

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// edit changes the configuration file and reloads it.
func (h *house) edit(old, replacement string) error {
	h.t.Helper()
	file := filepath.Join(h.dir, "config.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		h.t.Fatalf("the file has no %q", old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, replacement, 1)), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h.app.Reload(file, nil)
}

// firstKey is the key that the house has at its start.
const firstKey = `"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="`

func TestAReloadPutsAKeyInFrontAndTakesTheOldestAway(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	old, young := browser(t), browser(t)
	h.signIn(old)
	if err := h.edit("keys: [", `keys: ["`+config.NewKey()+`", `); err != nil {
		t.Fatal(err)
	}
	h.signIn(young)
	for _, c := range []*http.Client{old, young} {
		if status, body := h.call(c, "/api/orders"); status != http.StatusOK {
			t.Errorf("with both keys: %d %s", status, body)
		}
	}
	if err := h.edit(", "+firstKey, ""); err != nil {
		t.Fatal(err)
	}
	if status, body := h.call(old, "/api/orders"); status != http.StatusUnauthorized || !strings.Contains(body, "no_session") {
		t.Errorf("a ticket whose key is gone: %d %s", status, body)
	}
	if status, body := h.call(young, "/api/orders"); status != http.StatusOK {
		t.Errorf("a ticket whose key is there: %d %s", status, body)
	}
}

func TestAFileWithAMistakeIsRefusedAsAWhole(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	if err := h.edit(firstKey+"]", `"`+config.NewKey()+`"], idle_timeout: soon`); err == nil {
		t.Fatal("a file with a mistake was taken")
	}
	if status, body := h.call(c, "/api/orders"); status != http.StatusOK {
		t.Errorf("after a reload that was refused: %d %s", status, body)
	}
	if log := h.log.String(); !strings.Contains(log, "not reloaded") || !strings.Contains(log, "config.yaml:8:81: session.idle_timeout") {
		t.Errorf("the log does not say what is wrong:\n%s", log)
	}
	if _, metrics := h.admin("/metrics"); !strings.Contains(metrics, "cloakroom_config_last_reload_ok 0") {
		t.Error("/metrics calls the reload good")
	}
	if err := h.edit("soon", "1h"); err != nil {
		t.Fatal(err)
	}
	if _, metrics := h.admin("/metrics"); !strings.Contains(metrics, "cloakroom_config_last_reload_ok 1") {
		t.Error("/metrics calls the reload that mended it bad")
	}
}

func TestAReloadTellsWhatWaitsForARestart(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	if err := h.edit("client_id: bff, client_secret: secret", "client_id: other, client_secret: another, timeout: 3s"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(h.log.String(), `"keys":["provider.client_id","provider.client_secret","provider.timeout"]`) {
		t.Errorf("the log does not say what waits for a restart:\n%s", h.log.String())
	}
	if strings.Contains(h.log.String(), "another") {
		t.Error("the log holds a secret")
	}
	if err := h.edit("keys: [", `keys: ["`+config.NewKey()+`", `); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(h.log.String(), "provider.timeout"); n != 2 {
		t.Errorf("told %d times in two reloads", n)
	}
	if status, body := h.call(c, "/api/orders"); status != http.StatusOK {
		t.Errorf("after the reloads: %d %s", status, body)
	}
}

func TestALoginAsksForWhatAReloadedRouteNeeds(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	h.provider.Adjust(func(k *devidp.Knobs) { k.ResourcesByLogin, k.DetailTypes = true, []string{"account"} })
	old, young := browser(t), browser(t)
	h.signIn(old)
	if err := h.edit("{path: /api/, ", "{path: /api/, resource: \"urn:orders\", authorization_details: [{type: account}], "); err != nil {
		t.Fatal(err)
	}
	h.signIn(young)
	if status, body := h.call(young, "/api/orders"); status != http.StatusOK {
		t.Errorf("who has signed in since: %d %s", status, body)
	}
	if status, body := h.call(old, "/api/orders"); status != http.StatusBadGateway {
		t.Errorf("who had signed in before: %d %s", status, body)
	}
}

func TestListenersAndStoreStayAsTheyAre(t *testing.T) {
	h := newHouse(t, http.NotFound)
	before := h.app.now.Load()
	for _, row := range []struct{ old, replacement, key string }{
		{`admin: {listen: "127.0.0.1:0"}`, `admin: {listen: "127.0.0.1:1", token: operators-token-of-32-characters}`, `"admin.listen","admin.token"`},
		{`forward_auth: {listen: "127.0.0.1:0"}`, `forward_auth: {listen: "127.0.0.1:2"}`, "forward_auth.listen"},
		{"session: {", "session: {store: redis://localhost:1, wait_replicas: 1, cache: 1MiB, ", `"session.store","session.cache","session.wait_replicas"`},
		{"routes:", "log: {format: text}\nroutes:", "log.format"},
	} {
		if err := h.edit(row.old, row.replacement); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(h.log.String(), row.key) {
			t.Errorf("the log does not name %s", row.key)
		}
	}
	if h.app.now.Load() != before {
		t.Error("another generation, though nothing can be applied")
	}
}

func TestRoutesChangeWhileRequestsAreUnderWay(t *testing.T) {
	slow, release := make(chan struct{}), make(chan struct{})
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/slow" {
			close(slow)
			<-release
		}
		_, _ = io.WriteString(w, r.Header.Get("X-Who"))
	})
	c := browser(t)
	h.signIn(c)
	answered := make(chan string)
	go func() {
		status, body := h.call(c, "/api/slow")
		answered <- fmt.Sprint(status, body)
	}()
	<-slow
	if err := h.edit("{path: /api/,", `{path: /api/, headers: {set: {X-Who: "{claims.sub}"}},`); err != nil {
		t.Fatal(err)
	}
	if status, body := h.call(c, "/api/orders"); status != http.StatusOK || body != "alice" {
		t.Errorf("by the new rule: %d %q", status, body)
	}
	if err := h.edit("path: /api/", "path: /v2/"); err != nil {
		t.Fatal(err)
	}
	if status, _ := h.call(c, "/api/orders"); status != http.StatusNotFound {
		t.Errorf("the old path: %d", status)
	}
	close(release)
	if got := <-answered; got != "200" {
		t.Errorf("the request that was under way: %s", got)
	}
}

func TestAReloadAppliesWhatTheProviderIsTold(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	login := func() string {
		return h.navigate(browser(t), h.origin+"/bff/login", "same-origin").Header.Get("Location")
	}
	before := login()
	h.provider.Adjust(func(k *devidp.Knobs) { k.DiscoveryDown = true })
	if err := h.edit("client_secret: secret", "client_secret: secret, scopes: [openid, offline_access, orders], authorize_params: {ui: dark}"); err != nil {
		t.Fatal(err)
	}
	if after := login(); strings.Contains(before, "orders") || !strings.Contains(after, "orders") || !strings.Contains(after, "ui=dark") {
		t.Errorf("the login leads to %s", after)
	}
	if status, body := h.admin("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	h.signIn(browser(t))
}

func TestAReloadChangesLimitsAndTheLogsLevel(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	if err := h.edit("routes:", "log: {level: error}\nroutes:"); err != nil {
		t.Fatal(err)
	}
	lines := strings.Count(h.log.String(), "\n")
	if err := h.edit("session: {", "session: {idle_timeout: 90s, "); err != nil {
		t.Fatal(err)
	}
	if status, body := h.call(c, "/bff/session"); status != http.StatusOK || !strings.Contains(body, `"idle_expires_in":8`) && !strings.Contains(body, `"idle_expires_in":90`) {
		t.Errorf("the session: %d %s", status, body)
	}
	if now := strings.Count(h.log.String(), "\n"); now != lines {
		t.Errorf("%d lines at level error", now-lines)
	}
}

func TestAWrongRouteIsRefusedWithAllBesideIt(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	// The file reads well, and the directory goes before the routes are made.
	dir := t.TempDir()
	cfg := *h.app.now.Load().cfg
	cfg.Session.Keys = []secret.Text{secret.New(strings.Repeat("k", 32))}
	cfg.Routes = append(slices.Clone(cfg.Routes), config.Route{Path: "/gone/", Files: filepath.Join(dir, "gone"), Access: config.Public})
	before := h.app.now.Load()
	if err := h.app.replace(before, &cfg); err == nil {
		t.Fatal("a directory that is not there was taken")
	}
	if status, body := h.call(c, "/api/orders"); status != http.StatusOK || h.app.now.Load() != before {
		t.Errorf("after the refusal: %d %s", status, body)
	}
}
