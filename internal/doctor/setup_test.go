package doctor_test

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/app"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

const clientSecret = "s3cret: % + / ü"

// keysOfAll spare each test a tenth of a second.
var keysOfAll = sync.OnceValues(devidp.NewKeys)

// setup is a sound set-up, to be broken in one place: a development provider, an upstream,
// an application's files and a configuration of them.
type setup struct {
	t        *testing.T
	dir      string
	idp      *devidp.Server
	upstream *httptest.Server
	key      string // of the session, in base64

	public, issuer, client, secret, listen, admin, store string
	top                                                  string   // a further line of the top level
	provider, session, routes                            []string // further lines
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{
		t: t, dir: t.TempDir(), public: "http://" + nobody(t), client: "app", secret: clientSecret,
		admin: "127.0.0.1:0", store: "bolt:./cloakroom.db",
		provider: []string{"timeout: 2s"},
	}
	s.listen = strings.TrimPrefix(s.public, "http://")
	keys, err := keysOfAll()
	if err != nil {
		t.Fatal(err)
	}
	s.idp, err = devidp.Listen(devidp.Config{Keys: keys, Clients: []devidp.Client{{
		ID: "app", Secret: clientSecret, RedirectURIs: []string{s.public + "/bff/callback"}, PostLogoutRedirectURIs: []string{s.public + "/"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.idp.Close)
	s.issuer = s.idp.URL
	s.upstream = httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.upstream.Close)
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	s.key = base64.StdEncoding.EncodeToString(raw)
	s.write("session.key", s.key+"\n")
	s.write("dist/index.html", "<!doctype html>")
	return s
}

// ports are given out once, from below those that servers and connections of other tests
// get by chance.
var ports = struct {
	sync.Mutex
	next int
}{next: 10000 + mrand.N(8000)}

// nobody is an address of this machine where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		ports.next++
		address := fmt.Sprintf("127.0.0.1:%d", ports.next)
		if l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address); err == nil {
			defer l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

func (s *setup) path(name string) string { return filepath.Join(s.dir, name) }

func (s *setup) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// announce changes the discovery document; nil takes a member out.
func (s *setup) announce(members map[string]any) {
	s.t.Helper()
	req := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/.well-known/openid-configuration", nil)
	w := httptest.NewRecorder()
	s.idp.ServeHTTP(w, req)
	doc := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		s.t.Fatal(err)
	}
	for name, value := range members {
		if doc[name] = value; value == nil {
			delete(doc, name)
		}
	}
	body, err := json.Marshal(doc)
	if err != nil {
		s.t.Fatal(err)
	}
	s.answer(devidp.DiscoveryEndpoint, devidp.CannedAnswer{Status: http.StatusOK, Body: string(body)})
}

// answer puts an answer in the place of all of an endpoint's.
func (s *setup) answer(at devidp.Endpoint, a devidp.CannedAnswer) {
	a.At, a.Times = at, -1
	s.turn(func(k *devidp.Knobs) { k.ErrorNext = append(k.ErrorNext, a) })
}

func (s *setup) turn(f func(*devidp.Knobs)) { s.idp.Adjust(f) }

// load writes the configuration and reads it.
func (s *setup) load() (*config.Config, config.Problems) {
	s.t.Helper()
	s.write("config.yaml", fmt.Sprintf(`
public_url: %s
listen: %q
admin: {listen: %q}
%s
provider:
  issuer: %s
  client_id: %s
  client_secret: ${env:SECRET}
  %s
session:
  store: %q
  keys: ["${file:./session.key}"]
  %s
routes:
  - {path: /api/, upstream: %q}
  %s
`, s.public, s.listen, s.admin, s.top, s.issuer, s.client, strings.Join(s.provider, "\n  "), s.store, strings.Join(s.session, "\n  "),
		s.upstream.URL, strings.Join(append([]string{"- {path: /, files: ./dist, access: public}"}, s.routes...), "\n  ")))
	cfg, warnings, err := config.Load(s.path("config.yaml"), []string{"SECRET=" + s.secret})
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg, warnings
}

// examine returns the report, which holds no secret and has used nothing up.
func (s *setup) examine() doctor.Report {
	s.t.Helper()
	cfg, warnings := s.load()
	r := app.Examine(s.t.Context(), cfg, warnings)
	for _, l := range r.Lines {
		for _, secret := range []string{s.secret, s.key, clientSecret} {
			if secret != "" && strings.Contains(l.Found+l.Remedy, secret) {
				s.t.Errorf("%s holds a secret", l.Check)
			}
		}
	}
	if did := s.idp.Stats(); did.Exchanges+did.Refreshes+did.Reuses+did.Revocations != 0 || len(s.idp.Grants()) != 0 {
		s.t.Errorf("the provider had to do something: %+v", did)
	}
	return r
}

// troubles are the lines that are not pass.
func troubles(r doctor.Report) (lines []doctor.Line) {
	for _, l := range r.Lines {
		if l.Verdict != doctor.Pass {
			lines = append(lines, l)
		}
	}
	return lines
}

func text(l doctor.Line) string {
	return fmt.Sprintf("%s  %s  %s → %s", l.Verdict, l.Check, l.Found, cmp.Or(l.Remedy, "-"))
}

func (s *setup) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}
