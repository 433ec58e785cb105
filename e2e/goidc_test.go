//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// startGoidc starts luikyv/go-oidc for an app at this origin, and returns the issuer.
func startGoidc(t *testing.T, app string, env ...string) string {
	t.Helper()
	program, err := filepath.Abs("goidc/bin/goidc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		missing(t, "go-oidc", "(cd e2e/goidc && CGO_ENABLED=0 go build -o bin/goidc .)")
	}
	cmd := exec.Command(program) // without a context: it ends with its standard input
	cmd.Env, cmd.Stderr = append(append(cmd.Environ(), "APP="+app), env...), t.Output()
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var hello struct{ Issuer string }
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&hello); err != nil {
		t.Fatal("the provider ended before it said where it listens:", err)
	}
	return hello.Issuer
}

// A second certified provider holds its side of FAPI 2.0.
func TestEachCombinationOfFAPIServesAtGoidc(t *testing.T) {
	t.Parallel()
	for _, c := range combinations {
		if c.auth == "self_signed_tls_client_auth" { // which go-oidc's profile does not have
			c.auth = "tls_client_auth"
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			terms := c.terms(t)
			terms.op = func(t *testing.T, app string) string {
				return startGoidc(t, app, "TLS="+encode(t, map[string]string{"cert": string(terms.certificate), "key": string(terms.serving)}),
					"CLIENT="+encode(t, map[string]any{"auth": c.auth, "jwks": terms.public, "dn": map[bool]string{true: "CN=cloakroom"}[c.auth == "tls_client_auth"], "mtls": c.mtls}))
			}
			b := openBank(t, true, terms.charter)
			user := newBrowser(t, b.url)
			if p := user.visit(b.url + "/bff/login?returnUrl=%2F"); p.status != http.StatusOK || user.ticket() == "" {
				t.Fatalf("the login ends with %d at %s\n%s\n%s", p.status, p.url.Redacted(), p.body, b.replicas[0].log())
			}
			for range 10 {
				b.bound(100, user.ticket())
				b.renew(user.ticket())
			}
			if !c.mtls {
				if api := b.api.stats(); api.LetIn != 1000 || api.Replays != 0 || len(api.Refused) != 0 {
					t.Errorf("at the API: %+v", api)
				}
			}
			searchFiles(t, b.replicas[0].dir, []string{user.ticket()})
		})
	}
}
