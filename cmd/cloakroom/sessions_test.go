package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pages answers like the admin listener with so many sessions, two a page at most.
func pages(t *testing.T, n int) (config string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var from, limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("after"), &from)
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		until := min(n, from+min(limit, 2))
		var list []string
		for i := from; i < until; i++ {
			list = append(list, fmt.Sprintf(`{"id":"id-%d","subject":"user\t%d\u202e","created":"2026-01-01T00:00:00Z","last_seen":"2026-01-01T00:00:0%dZ","browser":"Firefox","later":%d}`, i, i, i, i))
		}
		next := ""
		if until < n {
			next = fmt.Sprint(until)
		}
		_, _ = fmt.Fprintf(w, `{"sessions":[%s],"next":%q}`, strings.Join(list, ","), next)
	}))
	t.Cleanup(server.Close)
	config = filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`
public_url: http://localhost:8080
admin: {listen: %q}
provider: {issuer: "http://127.0.0.1:1", client_id: bff, client_secret: s}
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
routes: [{path: /, files: ., access: public}]
`, server.Listener.Addr())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

func TestAListIsReadPageByPageAndSortedByUse(t *testing.T) {
	t.Parallel()
	config := pages(t, 5)
	var out, said bytes.Buffer
	if code := run(t.Context(), []string{"sessions", "list", "--config", config, "--limit", "3"}, nil, nil, &out, &said); code != exitFine {
		t.Fatalf("exit code %d: %s", code, &said)
	}
	const want = "" +
		"SUBJECT   LAST SEEN             CREATED               BROWSER  SYSTEM  ADDRESS  CLIENT  ID\n" +
		"user?2?   2026-01-01T00:00:02Z  2026-01-01T00:00:00Z  Firefox  -       -        -       id-2\n" +
		"user?1?   2026-01-01T00:00:01Z  2026-01-01T00:00:00Z  Firefox  -       -        -       id-1\n" +
		"user?0?   2026-01-01T00:00:00Z  2026-01-01T00:00:00Z  Firefox  -       -        -       id-0\n"
	if got := out.String(); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(said.String(), "more than these 3") {
		t.Errorf("it said %q", &said)
	}
}

// Whoever reads the JSON gets all of it, also what this version's table does not know.
func TestAListAsJSONIsWhatTheGatewaySaid(t *testing.T) {
	t.Parallel()
	var out, said bytes.Buffer
	if code := run(t.Context(), []string{"sessions", "list", "--config", pages(t, 5), "--limit", "0", "--json"}, nil, nil, &out, &said); code != exitFine || said.Len() > 0 {
		t.Fatalf("exit code %d: %s", code, &said)
	}
	var list []map[string]any
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 5 || list[0]["later"] != 4.0 || list[4]["subject"] != "user\t0\u202e" {
		t.Errorf("got %s", &out)
	}
}

func TestExitCodesTellUsageFromFailure(t *testing.T) {
	t.Parallel()
	config := pages(t, 0)
	nobody := strings.Repeat("0", 64)
	for _, row := range []struct {
		args []string
		code int
	}{
		{[]string{"list", "--config", config}, exitFine},
		{[]string{"list", "--config", config, "--limit", "-1"}, exitUsage},
		{[]string{"list", "--config", config, "extra"}, exitUsage},
		{[]string{"list", "--config", "missing.yaml"}, exitUsage},
		{[]string{"revoke", "--config", config}, exitUsage},
		{[]string{"revoke", "--config", config, "--all"}, exitUsage},
		{[]string{"revoke", "--config", config, "--all", "--yes", nobody}, exitUsage},
		{[]string{"revoke", "--config", config, "--subject", "alice", "--min-age", "old"}, exitUsage},
	} {
		if code := run(t.Context(), append([]string{"sessions"}, row.args...), nil, nil, io.Discard, io.Discard); code != row.code {
			t.Errorf("sessions %q: exit code %d, want %d", row.args, code, row.code)
		}
	}
}
