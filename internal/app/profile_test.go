package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// newRegulatedHouse is a house whose provider and gateway meet FAPI 2.0. Of the gateway one key
// says so.
func newRegulatedHouse(t *testing.T, lines ...string) (h *keyedHouse, calls *atomic.Int64) {
	t.Helper()
	h, calls = &keyedHouse{house: &house{t: t, dir: t.TempDir(), log: &safeBuffer{}}}, new(atomic.Int64)
	h.origin = "http://localhost:" + freePort(t)
	var err error
	h.provider, err = devidp.Listen(devidp.Config{
		Clients: []devidp.Client{{
			ID: "bff", Auth: devidp.PrivateKeyJWT, JWKSURI: h.origin + "/bff/jwks.json", RedirectURIs: []string{h.origin + "/bff/callback"},
		}},
		Knobs: devidp.Knobs{Push: devidp.Demanded, DPoPRequired: true, DPoPNonce: devidp.NonceOnce, IDTokenAlg: "ES256", AccessTokenTTL: 2 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.provider.Close)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.Header.Get("DPoP") == "" || !strings.HasPrefix(r.Header.Get("Authorization"), "DPoP ") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(api.Close)
	key, err := clientkey.New("ES256", nil)
	if err != nil {
		t.Fatal(err)
	}
	h.put("client.json", key)
	h.put("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
admin: {listen: "127.0.0.1:0"}
provider:
  profile: fapi2
  issuer: %q
  client_id: bff
  client_key_file: client.json
  %s
session: {keys: [%s]}
routes:
  - {path: /api/, upstream: %q}
`, h.origin, strings.TrimPrefix(h.origin, "http://"), h.provider.URL, strings.Join(lines, "\n  "), firstKey, api.URL))
	h.run()
	return h, calls
}

func TestOneKeyMakesAGatewayMeetTheProfile(t *testing.T) {
	h, calls := newRegulatedHouse(t)
	c := browser(t)
	h.signIn(c)
	h.until("three refreshes", func() bool {
		if status, body := h.call(c, "/api/orders"); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		return h.provider.Stats().Refreshes >= 3
	})
	for _, r := range h.provider.Requests() {
		switch form := r.Form; r.Endpoint {
		case devidp.AuthorizeEndpoint:
			if len(form) != 2 || form.Get("request_uri") == "" || form.Get("client_id") != "bff" {
				t.Errorf("through the browser went %v", form)
			}
		case devidp.PushEndpoint:
			if form.Get("response_type") != "code" || form.Get("code_challenge_method") != "S256" || form.Get("dpop_jkt") == "" || len(form.Get("nonce")) > 64 {
				t.Errorf("pushed was %v", form)
			}
			fallthrough
		case devidp.TokenEndpoint:
			if form.Get("client_assertion") == "" || form.Has("client_secret") || r.Header.Get("Authorization") != "" {
				t.Errorf("%s: the client shows who it is by %v", r.Endpoint, form)
			}
		}
	}
	if s := h.provider.Stats(); s.Pushes == 0 || s.Reuses > 0 || s.ProofReuses > 0 || calls.Load() == 0 {
		t.Errorf("%+v, %d calls", s, calls.Load())
	}
}

func TestInTheProfileALoginFromElsewhereIsConfirmed(t *testing.T) {
	h, _ := newRegulatedHouse(t)
	before := h.provider.Stats().Pushes
	if res := h.navigate(browser(t), h.origin+"/bff/login", "cross-site"); res.StatusCode != http.StatusOK || h.provider.Stats().Pushes != before {
		t.Errorf("%s, %d requests were pushed", res.Status, h.provider.Stats().Pushes-before)
	}
}

func TestInTheProfileAnRS256IDTokenIsNoLogin(t *testing.T) {
	h, calls := newRegulatedHouse(t)
	h.provider.Adjust(func(k *devidp.Knobs) { k.IDTokenAlg = "RS256" })
	c := browser(t)
	res := h.navigate(c, h.origin+"/bff/login?returnUrl=/api/", "same-origin")
	callback, err := devidp.SignIn(t.Context(), c, res.Header.Get("Location"), "alice")
	if err != nil {
		t.Fatal(err)
	}
	res = h.navigate(c, callback, "cross-site")
	if res.StatusCode != http.StatusBadRequest || res.Header.Get("Cloakroom-Error") != "login_failed" || calls.Load() != 0 {
		t.Errorf("%s %s, %d calls", res.Status, res.Header.Get("Cloakroom-Error"), calls.Load())
	}
	if status, _ := h.call(c, "/api/"); status != http.StatusUnauthorized {
		t.Errorf("a call got %d", status)
	}
}

// What a key of the configuration says has to arrive at who acts on it.
func TestHowRequestsTravelIsToldToTheProvidersClient(t *testing.T) {
	h, _ := newRegulatedHouse(t, "jar: always", "response_mode: form_post.jwt")
	cfg, _, err := config.Load(filepath.Join(h.dir, "config.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := providerConfig(cfg)
	if err != nil || p.JAR != oidc.Always || p.ResponseMode != oidc.SignedPost || p.PAR != oidc.Always || p.Profile != oidc.FAPI2 || p.SenderConstrained != oidc.DPoP {
		t.Errorf("%+v, %v", p, err)
	}
}
