//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Two routes with a resource of their own, beside the login's: oidc-provider refreshes for what
// its login has named, and for nothing else (RFC 8707).
func TestEachRouteGetsATokenOfItsResource(t *testing.T) {
	t.Parallel()
	s := &stage{t: t, gateway: newGateway(t)}
	s.provider = startProvider(t, s.gateway.url)
	s.upstream = startUpstream(t)
	s.browser = newBrowser(t, s.gateway.url)
	known := s.provider.client()
	known.lines = []string{"resource: [https://api.example.test/]"}
	s.gateway.configure(known, s.upstream.url)
	for _, name := range []string{"orders", "ledger"} {
		text := strings.Replace(s.gateway.read("config.yaml"), "routes:\n", fmt.Sprintf("routes:\n  - path: /api/%s/\n    upstream: %s\n    resource: https://%s.example.test/\n", name, s.upstream.url, name), 1)
		s.gateway.write("config.yaml", []byte(text))
	}
	s.gateway.start()
	s.provider.accessTokensLast(2)
	s.signIn()
	want := map[string]string{"/api/orders/": "https://orders.example.test/", "/api/ledger/": "https://ledger.example.test/", "/api/": "https://api.example.test/"}
	for range 3 { // over three lifetimes of the tokens
		for path, audience := range want {
			if p := s.browser.fetch(http.MethodGet, path); p.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, p.status, p.body)
			}
			calls := s.upstream.got()
			if got := audienceOf(t, calls[len(calls)-1].authorization); got != audience {
				t.Errorf("%s got a token for %v", path, got)
			}
		}
		after(t, 2200*time.Millisecond)
	}
	if got := s.provider.stats(); got.Codes != 1 || got.Refused != 0 || got.Refreshes < 8 || got.MostPresentations != 1 {
		t.Errorf("%+v", got)
	}
	s.search()
}

// audienceOf reads the token of a header.
func audienceOf(t *testing.T, authorization string) any {
	t.Helper()
	parts := strings.Split(authorization, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT reached the upstream")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Audience any `json:"aud"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Audience
}
