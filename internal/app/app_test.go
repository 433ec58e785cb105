package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// house is a gateway from a configuration file, with provider and upstream.
type house struct {
	t        *testing.T
	origin   string
	provider *devidp.Server
	upstream http.HandlerFunc
	routes   []string // further ones, with UPSTREAM for the upstream's URL
	environ  []string
	dir      string
	app      *App
	stop     context.CancelFunc
	ended    chan error
	log      *safeBuffer
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// freePort returns a port of 127.0.0.1 that nobody uses, from below those that outgoing
// connections take: the tests' many clients would else sit on it before the gateway does.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(10_000)))
		if err == nil {
			defer l.Close()
			return portOf(l)
		}
	}
	t.Fatal("no free port")
	return ""
}

func newHouse(t *testing.T, upstream http.HandlerFunc, routes ...string) *house {
	t.Helper()
	h := &house{t: t, upstream: upstream, routes: routes, dir: t.TempDir(), log: &safeBuffer{}}
	h.origin = "http://localhost:" + freePort(t)
	var err error
	h.provider, err = devidp.Listen(devidp.Config{Clients: []devidp.Client{{
		ID: "bff", Secret: "secret", RedirectURIs: []string{h.origin + "/bff/callback"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.provider.Close)
	h.start()
	return h
}

// start runs the gateway on the files of before, as a new process would.
func (h *house) start() {
	h.t.Helper()
	api := httptest.NewServer(h.upstream)
	h.t.Cleanup(api.Close)
	file := filepath.Join(h.dir, "config.yaml")
	text := fmt.Sprintf(`
public_url: %s
listen: %q
admin: {listen: "127.0.0.1:0"}
forward_auth: {listen: "127.0.0.1:0"}
trusted_proxies: [127.0.0.1/32]
provider: {issuer: %q, client_id: bff, client_secret: secret}
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
routes:
  - {path: /api/, upstream: %q}
  - {path: /open/, upstream: %q, access: public, token: none}
`, h.origin, strings.TrimPrefix(h.origin, "http://"), h.provider.URL, api.URL, api.URL)
	text += strings.ReplaceAll(strings.Join(h.routes, "\n"), "UPSTREAM", api.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.run()
}

// run runs the gateway on the file that is there.
func (h *house) run() {
	h.t.Helper()
	cfg, _, err := config.Load(filepath.Join(h.dir, "config.yaml"), h.environ)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(h.t.Context())
	log, level := Logger(h.log, cfg.Log)
	h.app, err = New(ctx, cfg, Surroundings{Log: log, Level: level, Version: "test"})
	if err != nil {
		stop()
		h.t.Fatal(err)
	}
	h.stop, h.ended = stop, make(chan error, 1)
	ended := h.ended
	go func(a *App) { ended <- a.Run(ctx) }(h.app)
	h.t.Cleanup(stop)
}

// halt shuts the gateway down and waits.
func (h *house) halt() {
	h.t.Helper()
	h.stop()
	if err := <-h.ended; err != nil {
		h.t.Errorf("shutdown: %v", err)
	}
}

func (h *house) admin(path string) (int, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://"+h.app.AdminAddr().String()+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.do(&http.Client{}, req)
}

func (h *house) do(c *http.Client, req *http.Request) (int, string) {
	h.t.Helper()
	res, err := c.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// browser is a client with a cookie jar that follows nothing by itself.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// signIn walks the login as alice's browser does.
func (h *house) signIn(c *http.Client) {
	h.t.Helper()
	res := h.navigate(c, h.origin+"/bff/login?returnUrl=/api/", "same-origin")
	callback, err := devidp.SignIn(h.t.Context(), c, res.Header.Get("Location"), "alice")
	if err != nil {
		h.t.Fatal(err)
	}
	if res := h.navigate(c, callback, "cross-site"); res.StatusCode != http.StatusOK {
		h.t.Fatalf("the callback answered %s", res.Status)
	}
}

func (h *house) navigate(c *http.Client, target, site string) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, target, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		req.Header.Set(name, value)
	}
	res, err := c.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		h.t.Fatal(err)
	}
	return res
}

func (h *house) call(c *http.Client, path string) (int, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.origin+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	return h.do(c, req)
}

func TestAConfigurationFileBecomesAGateway(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	})
	if status, body := h.admin("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	c := browser(t)
	if status, _ := h.call(c, "/api/orders"); status != http.StatusUnauthorized {
		t.Errorf("anonymous: %d", status)
	}
	h.signIn(c)
	status, body := h.call(c, "/api/orders")
	if status != http.StatusOK || !strings.HasPrefix(body, "Bearer ey") {
		t.Errorf("signed in: %d %q", status, body)
	}
	if status, body := h.call(c, "/open/"); status != http.StatusOK || body != "" {
		t.Errorf("a public route: %d, Authorization %q", status, body)
	}
	if status, body := h.admin("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	_, metrics := h.admin("/metrics")
	for _, want := range []string{`cloakroom_requests_total{method="GET",route="/api/",status="2xx"} 1`, "cloakroom_sessions_begun_total 1"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	h.halt()
	for _, token := range h.provider.Tokens() {
		if strings.Contains(h.log.String(), token) {
			t.Error("the log holds a token")
		}
	}
}

// Where nobody asks /readyz the gauges are true all the same.
func TestAScrapeLooksForItself(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	h.call(c, "/api/orders")
	_, metrics := h.admin("/metrics")
	for _, want := range []string{
		"cloakroom_provider_ready 1", "cloakroom_store_ready 1", "cloakroom_revocations_waiting 0", "cloakroom_refresh_waiters 0",
		`cloakroom_session_lookups_total{outcome="hit"} 1`, `cloakroom_store_operations_total{operation="create",outcome="ok"} `,
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	h.halt()
}

func TestASessionOutlivesARestart(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	h.halt()
	h.start()
	if status, body := h.call(c, "/api/orders"); status != http.StatusOK {
		t.Errorf("after the restart: %d %s", status, body)
	}
}

func TestASecondProcessOnTheStoreIsRefused(t *testing.T) {
	h := newHouse(t, http.NotFound)
	cfg, _, err := config.Load(filepath.Join(h.dir, "config.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, Surroundings{Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		a.close(t.Context())
		t.Fatal("two processes have the store open")
	}
	if !strings.Contains(err.Error(), "session.store") || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

func TestAProviderThatIsDownStopsNothing(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	h.halt()
	h.provider.Adjust(func(k *devidp.Knobs) { k.DiscoveryDown = true })
	h.start()
	c := browser(t)
	if status, _ := h.call(c, "/open/"); status != http.StatusOK {
		t.Errorf("a public route: %d", status)
	}
	if status, _ := h.call(c, "/api/"); status != http.StatusUnauthorized {
		t.Errorf("an anonymous call: %d", status)
	}
	status, body := h.admin("/readyz")
	var answer struct{ Reasons []reason }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusServiceUnavailable || len(answer.Reasons) != 1 || answer.Reasons[0].What != "provider" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if res := h.navigate(c, h.origin+"/bff/login", "same-origin"); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("a login: %s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
}

// The tokens that hold are served on; it is the operator who has to know.
func TestAProviderThatDoesNotKnowTheClientIsAReason(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	refresh := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.origin+"/bff/refresh", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-CSRF", "1")
		status, _ := h.do(c, req)
		return status
	}
	if _, ok := h.provider.RotateClientSecret("bff"); !ok {
		t.Fatal("no such client")
	}
	if status := refresh(); status != http.StatusServiceUnavailable {
		t.Errorf("a refresh: %d", status)
	}
	if status, body := h.admin("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"what":"provider"`) || !strings.Contains(body, "invalid_client") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if _, metrics := h.admin("/metrics"); !strings.Contains(metrics, "cloakroom_provider_ready 0") {
		t.Error("/metrics calls the provider ready")
	}
	if status, _ := h.call(c, "/api/orders"); status != http.StatusOK {
		t.Errorf("a call with a token that holds: %d", status)
	}
}

func TestAShutdownFinishesRequestsAndRefreshes(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/slow" {
			close(arrived)
			<-finish
		}
		w.WriteHeader(http.StatusOK)
	})
	c := browser(t)
	h.signIn(c)
	held := h.provider.Hold(devidp.TokenEndpoint)
	statuses := make(chan int, 2)
	go func() { status, _ := h.call(c, "/api/slow"); statuses <- status }()
	<-arrived
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.origin+"/bff/refresh", nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("X-CSRF", "1")
		status, _ := h.do(c, req)
		statuses <- status
	}()
	<-held.Arrived()
	h.stop()
	// Readiness says no while the requests are still under way.
	for {
		status, body := h.admin("/readyz")
		if status == http.StatusServiceUnavailable && strings.Contains(body, "draining") {
			break
		}
	}
	held.Release()
	close(finish)
	for range 2 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("a request that was under way got %d", status)
		}
	}
	if err := <-h.ended; err != nil {
		t.Error(err)
	}
}

func TestTheDemoRunsInOneProcess(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	said, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Demo(ctx, "localhost:0", stdout, io.Discard, "test") }()
	greeting := make([]byte, 4096)
	n, err := said.Read(greeting)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(greeting[:n]), "open")
	u, err := url.Parse(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, origin: u.String()}
	c := browser(t)
	if status, _ := h.call(c, "/"); status != http.StatusOK {
		t.Errorf("the page: %d", status)
	}
	h.signIn(c)
	for _, path := range []string{"/api/hello", "/demo/state", "/bff/session"} {
		if status, body := h.call(c, path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the demo does not end")
	}
}

func TestTheDemoStaysOnThisMachine(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.com:80", ":8080", "8080"} {
		if l, err := listenLoopback(t.Context(), listen); err == nil {
			err = errors.Join(err, l.Close())
			t.Errorf("the demo listens on %s (%v)", listen, err)
		}
	}
}

func TestAFrontProxyAsksAtAnEntranceOfItsOwn(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	c := browser(t)
	h.signIn(c)
	ask := func(address string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/verify/traefik", nil)
		if err != nil {
			t.Fatal(err)
		}
		origin, err := url.Parse(h.origin)
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range c.Jar.Cookies(origin) {
			req.AddCookie(cookie)
		}
		for name, value := range map[string]string{"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/api/", "X-Forwarded-Host": origin.Host, "X-Forwarded-Proto": "http", "X-CSRF": "1"} {
			req.Header.Set(name, value)
		}
		res, err := (&http.Client{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode, res.Header.Get("Authorization")
	}
	if status, token := ask("http://" + h.app.ForwardAuthAddr().String()); status != http.StatusOK || !strings.HasPrefix(token, "Bearer ") {
		t.Errorf("at its entrance: %d %q", status, token)
	}
	if status, token := ask(h.origin); status != http.StatusNotFound || token != "" {
		t.Errorf("at the public listener: %d %q", status, token)
	}
}
