package app

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// keyedHouse is a house whose gateway has keys in the place of a secret: the provider fetches
// the public ones where the gateway publishes them, and binds tokens to the certificate. The
// upstream takes a token from the connection only that it is bound to.
type keyedHouse struct {
	*house
	refused atomic.Int32 // tokens that came on another connection
	taken   atomic.Int32
}

func newKeyedHouse(t *testing.T, keys []byte) *keyedHouse {
	t.Helper()
	h := &keyedHouse{house: &house{t: t, dir: t.TempDir(), log: &safeBuffer{}}}
	h.origin = "http://localhost:" + freePort(t)
	var err error
	h.provider, err = devidp.Listen(devidp.Config{
		Clients: []devidp.Client{{
			ID: "bff", Auth: devidp.PrivateKeyJWT, JWKSURI: h.origin + "/bff/jwks.json", RedirectURIs: []string{h.origin + "/bff/callback"},
		}},
		Knobs: devidp.Knobs{BoundTokens: true, AccessTokenTTL: 2 * time.Second}, MutualTLS: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.provider.Close)
	api := httptest.NewUnstartedServer(http.HandlerFunc(h.serve))
	api.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	api.StartTLS()
	t.Cleanup(api.Close)
	h.put("provider.pem", h.provider.Roots)
	h.put("api.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw}))
	h.put("client.pem", keys)
	h.put("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
admin: {listen: "127.0.0.1:0"}
provider:
  issuer: %q
  client_id: bff
  client_auth: private_key_jwt
  client_key_file: client.pem
  sender_constrained: mtls
  ca_file: provider.pem
session: {keys: [%s]}
routes:
  - {path: /api/, upstream: %q, upstream_tls: {ca_file: api.pem}}
`, h.origin, strings.TrimPrefix(h.origin, "http://"), h.provider.URL, firstKey, api.URL))
	h.run()
	return h
}

// put writes a file whole: the old one or the new one is there.
func (h *keyedHouse) put(name string, data []byte) {
	h.t.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		h.t.Fatal(err)
	}
}

// serve is the upstream: it knows the token's thumbprint, and that of the connection.
func (h *keyedHouse) serve(w http.ResponseWriter, r *http.Request) {
	var claims struct {
		Confirmation map[string]string `json:"cnf"`
	}
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	if len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &claims)
		}
	}
	var presented string
	if certificates := r.TLS.PeerCertificates; len(certificates) > 0 {
		sum := sha256.Sum256(certificates[0].Raw)
		presented = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if bound := claims.Confirmation["x5t#S256"]; bound == "" || bound != presented {
		h.refused.Add(1)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.taken.Add(1)
	w.WriteHeader(http.StatusOK)
}

// until waits for a number to come.
func (h *keyedHouse) until(what string, yes func() bool) {
	h.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !yes() {
		select {
		case <-again.C:
		case <-deadline.C:
			h.t.Fatal("not within 20 seconds:", what)
		}
	}
}

func newPair(t *testing.T, name string) []byte {
	t.Helper()
	pair, err := clientkey.NewCertificate("ES256", name, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// Each stage of a rotation lasts until tokens were refreshed in it.
func TestClientKeysAreRotatedUnderLoad(t *testing.T) {
	old, next := newPair(t, "old"), newPair(t, "next")
	h := newKeyedHouse(t, old)
	stop, failures := make(chan struct{}), make(chan string, 100)
	var users sync.WaitGroup
	for range 4 {
		c := browser(t)
		h.signIn(c)
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, body := h.call(c, "/api/orders"); status != http.StatusOK && len(failures) < cap(failures) {
					failures <- fmt.Sprintf("%d %s", status, body)
				}
			}
		})
	}
	for _, stage := range []struct {
		name string
		keys []byte
	}{
		{"the next key is last", append(append([]byte{}, old...), next...)},
		{"the next key is first", append(append([]byte{}, next...), old...)},
		{"the old key is gone", next},
	} {
		h.put("client.pem", stage.keys)
		if err := h.app.Reload(filepath.Join(h.dir, "config.yaml"), nil); err != nil {
			t.Errorf("%s: %v", stage.name, err)
		}
		before := h.provider.Stats().Refreshes
		h.until("refreshes while "+stage.name, func() bool { return h.provider.Stats().Refreshes >= before+8 })
	}
	close(stop)
	users.Wait()
	close(failures)
	// A call that waits for its token in the very moment of a change may carry the one's token
	// over the other's connection, and a token that was made for a call is not replaced. It is
	// one call of a user at most, and its 401 says so.
	most := 4
	for failure := range failures {
		if most--; most < 0 || !strings.HasPrefix(failure, "401 ") {
			t.Error("a call failed:", failure)
		}
	}
	s := h.provider.Stats()
	if s.Refused > 0 || s.Reuses > 0 {
		t.Errorf("the provider refused %d requests, and saw %d refresh tokens again", s.Refused, s.Reuses)
	}
	t.Logf("%d calls, %d refreshes, %d tokens were bound to the certificate before", h.taken.Load(), s.Refreshes, h.refused.Load())
	if strings.Contains(h.log.String(), "PRIVATE KEY") {
		t.Error("the log holds a key")
	}
}

func TestAKeyFileThatCannotBeUsedChangesNothing(t *testing.T) {
	h := newKeyedHouse(t, newPair(t, "one"))
	c := browser(t)
	h.signIn(c)
	h.put("client.pem", []byte("-----BEGIN PRIVATE KEY-----\nhalf"))
	if err := h.app.Reload(filepath.Join(h.dir, "config.yaml"), nil); err == nil || !strings.Contains(err.Error(), "client_key_file") {
		t.Errorf("the reload said %v", err)
	}
	if status, body := h.call(c, "/api/orders"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	browser := browser(t)
	h.signIn(browser)
}

// What a provider fetches holds no private member.
func TestTheKeysOfTheClientArePublished(t *testing.T) {
	h := newKeyedHouse(t, newPair(t, "one"))
	status, body := h.call(browser(t), "/bff/jwks.json")
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(body), &set); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var certificates int
	for _, key := range set.Keys {
		if key["d"] != nil || key["kid"] == nil {
			t.Errorf("%v is published", key)
		}
		if key["x5c"] != nil {
			certificates++
		}
	}
	if len(set.Keys) != 2 || certificates != 1 {
		t.Errorf("%d keys, %d of them with a certificate: want that of the keyring, and the client's", len(set.Keys), certificates)
	}
}
