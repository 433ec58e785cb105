package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/app"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// A stage is a gateway between a provider and an API, all of them listening. One gateway
// meets many modules, as one that is under certification does: keys change between them
// under the same issuer.
type stage struct {
	t        *testing.T
	origin   string // of the gateway
	usual    devidp.Knobs
	provider *devidp.Server
	api      *api
	files    map[string][]byte // beside config.yaml
	dir      string
	log      *diary
	halt     func()
}

// setting is what differs from stage to stage.
type setting struct {
	provider []string // lines of the section in config.yaml
	client   devidp.Client
	knobs    func(*devidp.Knobs)
	mutual   bool    // the provider has endpoints that ask for certificates
	takes    binding // of the API
	files    map[string][]byte
}

const clientID = "bff"

// The provider's issuer ends with a slash, as the suite's does.
const issuerPath = "/test/a/cloakroom/"

func open(t *testing.T, has setting) *stage {
	t.Helper()
	s := &stage{t: t, origin: "http://localhost:" + freePort(t), dir: t.TempDir(), files: map[string][]byte{"index.html": []byte("home\n")}}
	maps.Copy(s.files, has.files)
	// The suite shows no page for a login, and its token answers have no expires_in.
	s.usual = devidp.Knobs{
		AutoLogin: "alice", OmitExpiresIn: true, NastyKeys: true, BareIDToken: true, LogoutTokenType: "JWT",
		DiscoveryWithoutIss: true, IssInCallback: devidp.IssMissing,
	}
	if has.knobs != nil {
		has.knobs(&s.usual)
	}
	client := has.client
	client.ID, client.RedirectURIs, client.PostLogoutRedirectURIs = clientID, []string{s.origin + "/bff/callback"}, []string{s.origin + "/"}
	if client.Auth == "" {
		client.Secret = "a secret of more than thirty-two bytes"
		has.provider = append(has.provider, "client_secret: "+client.Secret)
	}
	for _, address := range []*string{&client.JWKSURI, &client.BackchannelLogoutURI, &client.FrontchannelLogoutURI} {
		if *address != "" {
			*address = s.origin + *address
		}
	}
	var err error
	s.provider, err = devidp.Listen(devidp.Config{
		Issuer: issuerPath, Clients: []devidp.Client{client}, Users: users(), Knobs: s.usual, Keys: nextKeys(t), MutualTLS: has.mutual,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.provider.Close)
	if has.mutual {
		s.files["provider.pem"] = s.provider.Roots
	}
	s.files["config.yaml"] = fmt.Appendf(nil, `
public_url: %s
listen: %q
admin: {listen: "127.0.0.1:0"}
provider:
  issuer: %s
  client_id: %s
  %s
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
routes:
  - {path: /api/, upstream: %q%s}
  - {path: /, files: ., access: public}
`, s.origin, strings.TrimPrefix(s.origin, "http://"), s.provider.URL, clientID, strings.Join(has.provider, "\n  "), s.serveAPI(has.takes), s.trust())
	s.start()
	return s
}

// serveAPI returns the API's address.
func (s *stage) serveAPI(takes binding) string {
	s.api = &api{provider: s.provider, takes: takes}
	server := httptest.NewUnstartedServer(s.api)
	s.t.Cleanup(server.Close)
	if takes != toCertificate {
		server.Start()
		return server.URL
	}
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	s.files["api.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server.URL
}

// trust is the part of the route by which the gateway knows the API's certificate.
func (s *stage) trust() string {
	if s.files["api.pem"] == nil {
		return ""
	}
	return ", upstream_tls: {ca_file: api.pem}"
}

func users() []devidp.User {
	return []devidp.User{{Login: "alice", Claims: map[string]any{
		"name": "Alice Archer", "email": "alice@example.com", "phone_number": "+44 20 7946 0000",
		"address": map[string]any{"locality": "London", "country": "United Kingdom"},
	}}}
}

// start runs a gateway that knows nothing of one before.
func (s *stage) start() {
	s.t.Helper()
	dir := filepath.Join(s.dir, strconv.Itoa(rand.IntN(1<<30)))
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	for name, text := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	cfg, _, err := config.Load(filepath.Join(dir, "config.yaml"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	log := &diary{t: s.t}
	s.log = log
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	gateway, err := app.New(ctx, cfg, app.Surroundings{Log: slog.New(slog.NewTextHandler(log, nil)), Version: "test"})
	if err != nil {
		stop()
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(ctx) }()
	s.halt = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("the gateway ended: %v", err)
		}
		log.search(s.provider.Tokens())
	})
	s.t.Cleanup(s.halt)
}

// restart is for modules that are about what a gateway does first. The provider is turned before.
func (s *stage) restart() {
	s.t.Helper()
	s.halt()
	s.start()
}

// receive begins a module: the provider is as usual, under other keys, and the browser is new.
func (s *stage) receive(t *testing.T) *visit {
	t.Helper()
	s.provider.UseKeys(nextKeys(t))
	s.provider.Adjust(func(k *devidp.Knobs) { *k = s.usual })
	s.api.forget()
	v := &visit{stage: s, t: t, before: s.provider.Stats()}
	v.browser = newBrowser(t)
	return v
}

// newBrowser has cookies, and follows no redirect by itself.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// keyRing are sets as the suite has them; making them takes longer than a module.
var keyRing = sync.OnceValues(func() (sets [3]*devidp.Keys, err error) {
	for i := range sets {
		if sets[i], err = devidp.NewNastyKeys(); err != nil {
			return sets, err
		}
	}
	return sets, nil
})

var turn atomic.Uint32

// nextKeys are others than those of the module before.
func nextKeys(t *testing.T) *devidp.Keys {
	t.Helper()
	sets, err := keyRing()
	if err != nil {
		t.Fatal(err)
	}
	return sets[turn.Add(1)%3]
}

// freePort returns a port of 127.0.0.1 from below those that outgoing connections take.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(20_000+rand.IntN(10_000)))
		if err == nil {
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// diary is a gateway's log. It is safe for concurrent use.
type diary struct {
	t    *testing.T
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

// says reports whether the newest line about a refusal has this in it.
func (d *diary) says(reason string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := d.text.String()
	i := strings.LastIndex(text[:max(0, strings.LastIndex(text, "path=/bff/callback"))], "\n") // the request's own line
	return i >= 0 && strings.Contains(text[i:], reason)
}

// search looks for secrets, of which there must be none, and shows the log of a failure.
func (d *diary) search(tokens []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, token := range tokens {
		if bytes.Contains(d.text.Bytes(), []byte(token)) {
			d.t.Error("the log holds a token")
		}
	}
	if d.t.Failed() {
		d.t.Log(d.text.String())
	}
}
