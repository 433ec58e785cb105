//go:build e2e

package e2e

import (
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// postOn sends the form of a provider's page that a script would send.
func (b *browser) postOn(p page) page {
	b.t.Helper()
	action := formAction.FindStringSubmatch(p.body)
	if action == nil {
		b.t.Fatalf("no form at %s\n%s", p.url.Redacted(), p.body)
	}
	fields := url.Values{}
	for _, input := range hiddenInput.FindAllString(p.body, -1) {
		if n, v := inputName.FindStringSubmatch(input), inputValue.FindStringSubmatch(input); n != nil && v != nil {
			fields.Set(html.UnescapeString(n[1]), html.UnescapeString(v[1]))
		}
	}
	return b.navigate(http.MethodPost, b.parse(p.url, html.UnescapeString(action[1])), fields, crossSite)
}

// cameBack reports whether the browser brought the provider's answer in a mode.
func (b *browser) cameBack(mode string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.seen, func(s sighting) bool {
		switch mode {
		case "query":
			return strings.Contains(s.request, "/bff/callback?code=")
		case "jwt":
			return strings.Contains(s.request, "/bff/callback?response=")
		}
		return s.where == "POST /bff/callback"
	})
}

// setStageIn starts a gateway in front of oidc-provider, which takes pushed requests only, and
// answers in a mode.
func setStageIn(t *testing.T, mode string) *stage {
	t.Helper()
	s := &stage{t: t, gateway: newGateway(t)}
	s.provider = startProvider(t, s.gateway.url, "DEMAND=par")
	s.upstream = startUpstream(t)
	s.browser = newBrowser(t, s.gateway.url)
	known := s.provider.client()
	known.lines = []string{"response_mode: " + mode}
	s.gateway.configure(known, s.upstream.url)
	s.gateway.start()
	return s
}

// The provider takes pushed requests only, and answers in each mode; then it wants to see the
// user once more.
func TestLoginsAreAskedForAndAnsweredInEachMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"query", "form_post", "jwt", "form_post.jwt"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := setStageIn(t, mode)
			for _, path := range []string{"/api/orders", "/api/vault/deeds"} {
				p := s.browser.fillIn(s.browser.visit(s.gateway.url+path), "login", "alice")
				if strings.HasPrefix(mode, "form_post") {
					p = s.browser.postOn(p)
				}
				if !s.browser.cameBack(mode) {
					t.Errorf("the provider answered in another mode than %s", mode)
				}
				if p.status != http.StatusOK || p.url.Path != path {
					t.Fatalf("%s: it ended with %d at %s\n%s", path, p.status, p.url.Redacted(), p.body)
				}
				s.tickets = append(s.tickets, s.browser.ticket())
			}
			s.callAPI()
			if got := s.provider.stats(); got.Pushes != 2 || got.Codes != 2 || got.Refused != 0 {
				t.Errorf("%+v", got)
			}
			s.search()
		})
	}
}

// The provider takes requests only that are signed with the client's key, in the browser as
// well as pushed.
func TestLoginsAreSignedForOIDCProvider(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "PS256"} {
		for _, par := range []string{"never", "always"} {
			t.Run(alg+", par: "+par, func(t *testing.T) {
				t.Parallel()
				s := setStageFor(t, proof{"", "private_key_jwt", "--alg " + alg, false, []string{"par: " + par}}, "DEMAND=jar")
				s.signIn()
				s.callAPI()
				carried := func(name string) bool {
					return slices.ContainsFunc(s.browser.seen, func(at sighting) bool {
						return strings.Contains(at.request, s.provider.issuer+"/auth?") && strings.Contains(at.request, name+"=")
					})
				}
				if carried("request") != (par == "never") || carried("request_uri") != (par == "always") || carried("redirect_uri") || carried("code_challenge") {
					t.Error("the browser carries something else than the signed request, or a reference to it")
				}
				if got := s.provider.stats(); got.Codes != 1 || got.Refused != 0 || got.Pushes != map[string]int{"always": 1}[par] {
					t.Errorf("%+v", got)
				}
				s.search()
			})
		}
	}
}
