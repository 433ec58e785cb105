//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A provider is oidc-provider in a Node process, with provider/provider.mjs around it.
type provider struct {
	t      *testing.T
	issuer string
}

// stats is what the provider counts.
type stats struct {
	Authorizations    int `json:"authorizations"`
	Pushes            int `json:"pushes"` // authorization requests that came ahead of the browser
	Codes             int `json:"codes"`
	Refreshes         int `json:"refreshes"`
	Refused           int `json:"refused"`
	Revocations       int `json:"revocations"`
	NoncesDemanded    int `json:"nonces_demanded"` // of proofs that lacked one; nothing else was looked at
	LogoutTokens      int `json:"logout_tokens"`   // that the gateway took
	LogoutsFailed     int `json:"logouts_failed"`  // that it did not
	LiveRefreshTokens int `json:"live_refresh_tokens"`
	MostPresentations int `json:"most_presentations"` // of any one refresh token
}

// startProvider starts the provider for an app at this origin, with further variables.
func startProvider(t *testing.T, app string, env ...string) *provider {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "install Node 20 or later")
	}
	if _, err := os.Stat("provider/node_modules/oidc-provider"); err != nil {
		missing(t, "oidc-provider", "npm ci --prefix e2e/provider")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), node, "provider.mjs") // the cleanup asks it a last question
	cmd.Dir = "provider"
	cmd.Env = append(append(os.Environ(), "APP="+app), env...)
	cmd.Stderr = t.Output()
	if _, err := cmd.StdinPipe(); err != nil { // it ends with us, however we end
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t}
	t.Cleanup(func() {
		if p.issuer != "" {
			p.confess()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var hello struct{ Issuer string }
	for lines := bufio.NewScanner(stdout); hello.Issuer == "" && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "{") {
			if err := json.Unmarshal(lines.Bytes(), &hello); err != nil {
				t.Fatal(err)
			}
		}
	}
	if hello.Issuer == "" {
		t.Fatal("the provider ended before it said where it listens")
	}
	p.issuer = hello.Issuer
	return p
}

// confess tells the haul all that the provider made and heard.
func (p *provider) confess() {
	for _, what := range []string{"minted", "heard"} {
		res, err := (&http.Client{Timeout: 5 * time.Second}).Get(p.issuer + "/control/" + what)
		if err != nil {
			p.t.Errorf("the provider does not say what it %s: %v", what, err)
			return
		}
		var all []string
		if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
			p.t.Errorf("the provider does not say what it %s: %v", what, err)
		}
		_ = res.Body.Close()
		hauled.hide(all...)
	}
}

// client is the registration that provider.mjs holds.
func (p *provider) client() client {
	return client{issuer: p.issuer, id: "cloakroom", secret: "a secret: with +, % and space of 40 byte"}
}

func (p *provider) stats() (s stats) {
	p.t.Helper()
	p.ask(http.MethodGet, "/control/stats", "", &s)
	return s
}

// minted returns every code and token that the provider ever gave away.
func (p *provider) minted() (all []string) {
	p.t.Helper()
	p.ask(http.MethodGet, "/control/minted", "", &all)
	return all
}

// accessTokensLast sets the lifetime of access tokens from now on.
func (p *provider) accessTokensLast(seconds int) {
	p.t.Helper()
	var ignored map[string]int
	p.ask(http.MethodPost, "/control/lifetime", fmt.Sprintf(`{"access": %d}`, seconds), &ignored)
}

func (p *provider) ask(method, path, body string, into any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.issuer+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
	}
}
