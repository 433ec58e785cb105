//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A gateway is the binary, running in a directory of its own.
type gateway struct {
	t     *testing.T
	dir   string
	url   string // what the browser sees
	admin string
	args  []string

	program string   // empty: the one that was built
	environ []string // added to the test's own

	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd is over
	exit error         // of cmd; read it after gone

	landed bool // what it showed is in the haul
}

// client is how a provider knows the gateway, with further lines of the configuration.
type client struct {
	issuer, id, secret string // no secret: lines have another proof
	lines              []string
}

// newGateway writes a configuration for `cloakroom run`. Nothing runs yet: the provider
// may first have to learn the address.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	return &gateway{
		t: t, dir: t.TempDir(),
		url:   fmt.Sprintf("http://localhost:%d", freePort(t)),
		admin: fmt.Sprintf("http://127.0.0.1:%d", freePort(t)),
		args:  []string{"run", "--config", "config.yaml"},
	}
}

// configure writes config.yaml: an API below /api/ for who is signed in, a vault in it for who
// did so in a strong way, a page for all.
func (g *gateway) configure(c client, upstream string) {
	g.t.Helper()
	key, err := exec.CommandContext(g.t.Context(), binary, "keys", "new").Output()
	if err != nil {
		g.t.Fatalf("cloakroom keys new: %v", err)
	}
	g.write("session.key", key)
	secret := "client_secret: ${file:./client.secret}"
	if c.secret == "" {
		secret = ""
	}
	g.write("client.secret", []byte(c.secret))
	g.write("dist/index.html", []byte("<!doctype html><title>app</title><p id=app>The app.</p>"))
	g.write("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
admin: {listen: %q, token: the-operators-token-of-these-tests}
provider:
  issuer: %s
  client_id: %s
  %s
  %s
session:
  store: bolt:./cloakroom.db
  keys: ["${file:./session.key}"]
routes:
  - path: /api/
    upstream: %s
    headers: {set: {X-User: "{claims.sub}"}}
  - path: /api/vault/
    upstream: %s
    require: {acr: phr, max_age: 1h}
  - path: /
    files: ./dist
    access: public
log: {level: debug}
telemetry: {otlp_endpoint: %q}
`, g.url, "127.0.0.1:"+port(g.url), "127.0.0.1:"+port(g.admin), c.issuer, c.id, secret, strings.Join(c.lines, "\n  "), upstream, upstream, g.collectTraces()))
}

func (g *gateway) write(name string, data []byte) {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// start runs the binary and waits until it is ready.
func (g *gateway) start() {
	g.t.Helper()
	g.launch()
	eventually(g.t, 20*time.Second, "the gateway is ready; its log is\n"+g.logFile(), g.ready)
}

// launch runs the binary. The logs of all its lives are appended to one file.
func (g *gateway) launch() {
	g.t.Helper()
	log, err := os.OpenFile(g.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer log.Close()
	program := g.program
	if program == "" {
		program = binary
	}
	g.cmd = exec.Command(program, g.args...) // without a context: its end is what several tests are about
	g.cmd.Env = append(os.Environ(), g.environ...)
	g.cmd.Dir, g.cmd.Stdout, g.cmd.Stderr = g.dir, log, log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.gone = make(chan struct{})
	go func() {
		defer close(g.gone)
		g.exit = g.cmd.Wait()
	}()
	g.t.Cleanup(g.end)
}

// ready says whether the gateway serves.
func (g *gateway) ready() bool {
	select {
	case <-g.gone:
		g.t.Fatalf("the gateway ended at its start: %v\n%s", g.exit, g.log())
	default:
	}
	address := g.url + "/"
	if g.admin != "" {
		address = g.admin + "/readyz"
	}
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// kill is kill -9.
func (g *gateway) kill() {
	g.t.Helper()
	if err := g.cmd.Process.Kill(); err != nil {
		g.t.Fatal(err)
	}
	<-g.gone
}

// stop is SIGTERM, after which the gateway must end well and soon.
func (g *gateway) stop() {
	g.t.Helper()
	g.show()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Fatal(err)
	}
	select {
	case <-g.gone:
		if g.exit != nil {
			g.t.Errorf("the gateway ended badly: %v\n%s", g.exit, g.log())
		}
	case <-time.After(30 * time.Second):
		g.t.Errorf("the gateway does not end on SIGTERM\n%s", g.log())
	}
}

// end is for the cleanup: nothing that a test started outlives it.
func (g *gateway) end() {
	g.show()
	_ = g.cmd.Process.Kill() // an error says that it is over already
	<-g.gone
	if !g.landed { // the cleanup of its last life: all others have been
		g.landed = true
		g.land()
	}
}

func (g *gateway) logFile() string { return filepath.Join(g.dir, "gateway.log") }

func (g *gateway) log() []byte {
	g.t.Helper()
	data, err := os.ReadFile(g.logFile())
	if err != nil {
		g.t.Fatal(err)
	}
	return data
}

// metrics returns what the admin listener tells.
func (g *gateway) metrics() []byte {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.admin+"/metrics", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !bytes.Contains(data, []byte("cloakroom_")) {
		g.t.Fatalf("/metrics: %d, %v\n%s", res.StatusCode, err, data)
	}
	return data
}
