//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// startPage serves an empty page at an origin of its own, and returns that.
func startPage(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>page</title>")
	}))
	t.Cleanup(s.Close)
	return "http://localhost:" + port(s.URL)
}

// To a browser, two ports of localhost are two origins of one site.
func TestAPageAtAnotherOriginOfTheSiteCallsTheGateway(t *testing.T) {
	t.Parallel()
	listed, stranger := startPage(t), startPage(t)
	b := startTab(t)
	f := launch(t, setting{scenario: "a page at another origin", bolt: true, prepare: func(f *fleet) {
		for _, g := range f.replicas {
			file, err := os.OpenFile(filepath.Join(g.dir, "config.yaml"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = fmt.Fprintf(file, "\ncors: {origins: [%q]}\n", listed)
			if ended := file.Close(); err != nil || ended != nil {
				t.Fatal(err, ended)
			}
		}
	}})
	b.signInAt(f, "user00")
	call := func(path, options string) string {
		t.Helper()
		return b.text(fmt.Sprintf(`await fetch("%s%s", {%s}).then(r => r.status + " " + r.headers.get("Cloakroom-Error"), e => e.name)`, f.url, path, options))
	}
	const mine = `credentials: "include"`
	for _, row := range []struct{ name, path, options, listed, stranger string }{
		{"a blind POST", "/bff/logout", mine + `, method: "POST", mode: "no-cors"`, "", "TypeError"},
		{"a call", "/api/orders", mine, "200 null", "TypeError"},
		{"a call with a preflight", "/api/orders", mine + `, method: "PUT", headers: {"Content-Type": "application/json", "X-Own": "1"}, body: "{}"`, "200 null", "TypeError"},
		{"a refusal", "/api/orders", `credentials: "omit"`, "401 no_session", "TypeError"},
		{"who is there", "/bff/user", mine, "200 null", "TypeError"},
		{"a refresh", "/bff/refresh", mine + `, method: "POST"`, "200 null", "TypeError"},
	} {
		b.open(stranger + "/")
		if got := call(row.path, row.options); got != row.stranger {
			t.Errorf("%s of a stranger: %s, want %s", row.name, got, row.stranger)
		}
		if row.listed == "" {
			continue
		}
		b.open(listed + "/")
		if got := call(row.path, row.options); got != row.listed {
			t.Errorf("%s: %s, want %s", row.name, got, row.listed)
		}
	}
	b.open(listed + "/")
	if got := call("/bff/session", mine); got != "200 null" {
		t.Errorf("the session got %s", got)
	}
	if got := call("/bff/logout", mine+`, method: "POST"`); got != "200 null" {
		t.Errorf("a logout: %s", got)
	}
	if got := call("/api/orders", mine); got != "401 session_expired" && got != "401 no_session" {
		t.Errorf("after the logout: %s", got)
	}
}
