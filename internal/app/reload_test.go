package app

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
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
	if err := h.edit("client_secret: secret", "client_secret: another, timeout: 3s"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(h.log.String(), `"keys":["provider.client_secret","provider.timeout"]`) {
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
