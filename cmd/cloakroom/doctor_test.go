package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

// examined writes a configuration for a provider and an upstream, and runs the doctor.
func examined(t *testing.T, edit func(string) string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	const public = "http://127.0.0.1:9" // the port of discard, where nobody listens
	idp, err := devidp.Listen(devidp.Config{Clients: []devidp.Client{{ID: "app", Secret: "s3cret", RedirectURIs: []string{public + "/bff/callback"}, PostLogoutRedirectURIs: []string{public + "/"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(idp.Close)
	upstream := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(upstream.Close)
	var key bytes.Buffer
	if code := run(t.Context(), []string{"keys", "new"}, nil, nil, &key, &key); code != exitFine {
		t.Fatal(key.String())
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := edit(fmt.Sprintf("public_url: %s\nlisten: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nprovider: {issuer: %q, client_id: app, client_secret: s3cret}\n"+
		"session: {keys: [%q]}\nroutes: [{path: /api/, upstream: %q}]\n", public, idp.URL, strings.TrimSpace(key.String()), upstream.URL))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, diagnostics bytes.Buffer
	code = run(t.Context(), append([]string{"doctor", "--config", file}, args...), nil, nil, &out, &diagnostics)
	return code, out.String(), diagnostics.String()
}

func asWritten(c string) string { return c }

func TestTheDoctorsExitCodeTellsTheWorst(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name           string
		edit           func(string) string
		code           int
		stdout, stderr string
	}{
		{"a sound set-up", asWritten, exitFine, "0 warn, 0 fail\n", ""},
		{"what weakens", func(c string) string {
			return strings.Replace(c, "session: {", "session: {cookie: {same_site: lax}, ", 1)
		}, exitFine, "1 warn, 0 fail\n", ""},
		{"a wrong secret", func(c string) string { return strings.Replace(c, "s3cret", "another", 1) }, exitFailed, "fail  provider.client_secret", "doctor: failed checks: 1\n"},
		{"a wrong configuration", func(c string) string { return strings.Replace(c, "provider:", "provder:", 1) }, exitUsage, "fail  config  ", "problems of the configuration: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := examined(t, row.edit)
			if code != row.code || !strings.Contains(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) || (row.stderr == "") != (stderr == "") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}

func TestTheDoctorSpeaksJSON(t *testing.T) {
	t.Parallel()
	code, stdout, _ := examined(t, func(c string) string { return strings.Replace(c, "s3cret", "another", 1) }, "--json")
	var r struct {
		Verdict          doctor.Verdict
		Pass, Warn, Fail int
		Lines            []doctor.Line
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitFailed {
		t.Fatalf("exit code %d, %v\n%s", code, err, stdout)
	}
	if r.Verdict != doctor.Fail || r.Fail != 1 || r.Pass+r.Warn+r.Fail != len(r.Lines) || strings.Contains(stdout, "another") {
		t.Errorf("%s", stdout)
	}
}
