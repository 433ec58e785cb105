//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A resource is an API that takes bound tokens only, with a proof each and a nonce that is good
// once: provider/resource.mjs, in which oauth4webapi judges.
type resource struct {
	t   *testing.T
	url string
}

type resourceStats struct {
	Calls          int      `json:"calls"`
	LetIn          int      `json:"let_in"`
	NoncesDemanded int      `json:"nonces_demanded"`
	Replays        int      `json:"replays"`
	Refused        []string `json:"refused"`
}

func startResource(t *testing.T, issuer string) *resource {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "install Node 20 or later")
	}
	cmd := exec.Command(node, "resource.mjs") // without a context: it ends with its standard input
	cmd.Dir, cmd.Env, cmd.Stderr = "provider", append(cmd.Environ(), "ISSUER="+issuer), t.Output()
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
	var hello struct{ URL string }
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&hello); err != nil {
		t.Fatal("the API ended before it said where it listens:", err)
	}
	return &resource{t, hello.URL}
}

func (r *resource) stats() (s resourceStats) {
	r.t.Helper()
	res, err := (&http.Client{Timeout: 5 * time.Second}).Get(r.url + "/control/stats")
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// A bank is a provider and an API that bind tokens to keys, and replicas of the gateway between.
type bank struct {
	*fleet
	op  *provider
	api *resource
}

// A charter is what a bank is held to.
type charter struct {
	demands []string          // further variables of the provider
	lines   []string          // of the configuration's provider
	files   map[string][]byte // beside the configuration
	route   string            // further lines of the API's route, each indented by four

	op  func(t *testing.T, app string) (issuer string) // starts another provider than oidc-provider
	api func(t *testing.T, issuer string) (url string) // starts another API than the one that takes proofs
}

// withSecret is the charter of a client that has a secret, and tokens that are bound to keys.
func withSecret(t *testing.T) charter {
	return charter{
		demands: []string{"DPOP=1"},
		lines:   []string{"client_secret: ${file:./client.secret}", "sender_constrained: dpop"},
		files:   map[string][]byte{"client.secret": []byte((&provider{t: t}).client().secret)},
	}
}

func openBank(t *testing.T, bolt bool, c charter) *bank {
	t.Helper()
	f := &fleet{t: t, url: fmt.Sprintf("http://localhost:%d", freePort(t))}
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: time.Minute}
	t.Cleanup(f.client.CloseIdleConnections)
	b := &bank{fleet: f}
	if c.op != nil {
		b.op = &provider{t: t, issuer: c.op(t, f.url)}
	} else {
		b.op = startProvider(t, f.url, c.demands...)
	}
	if c.api != nil {
		b.api = &resource{t, c.api(t, b.op.issuer)}
	} else {
		b.api = startResource(t, b.op.issuer)
	}
	n, at := f.openStore(setting{bolt: bolt})
	key, err := exec.CommandContext(t.Context(), binary, "keys", "new").Output()
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		g := newGateway(t)
		own := "127.0.0.1:" + port(g.url)
		g.url = "http://" + own
		g.write("session.key", key)
		for name, data := range c.files {
			g.write(name, data)
		}
		g.write("dist/index.html", []byte("<!doctype html><title>app</title><p id=app>The app.</p>"))
		g.write("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
admin: {listen: %q, token: the-operators-token-of-these-tests}
provider:
  issuer: %s
  client_id: cloakroom
  %s
session:
  store: %q
  keys: ["${file:./session.key}"]
  refresh: {rate: 200/s}
routes:
  - path: /api/
    upstream: %s
%s
  - path: /
    files: ./dist
    access: public
log: {level: debug}
`, f.url, own, port127(g.admin), b.op.issuer, strings.Join(c.lines, "\n  "), at, b.api.url, c.route))
		f.replicas = append(f.replicas, g)
		g.start()
	}
	f.openFront()
	return b
}

// bound runs n calls, some at a time, of which every other one has a body.
func (b *bank) bound(n int, ticket string) {
	b.t.Helper()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			for j := range n / 10 {
				method := []string{http.MethodGet, http.MethodPost}[(i+j)%2]
				if a := b.ask(b.t.Context(), b.next(), ticket, method, fmt.Sprintf("/api/orders/%d%%20x?page=%d", j, i)); a.status != http.StatusOK || a.header.Get("DPoP-Nonce") != "" {
					b.t.Errorf("%s got %v, %v", method, a, a.err)
				}
			}
		})
	}
	wg.Wait()
}

// renew refreshes a session, which may be done once in five seconds.
func (b *bank) renew(ticket string) {
	b.t.Helper()
	a := b.ask(b.t.Context(), b.next(), ticket, http.MethodPost, "/bff/refresh")
	for end := time.Now().Add(30 * time.Second); a.status == http.StatusTooManyRequests && time.Now().Before(end); {
		after(b.t, time.Second)
		a = b.ask(b.t.Context(), b.next(), ticket, http.MethodPost, "/bff/refresh")
	}
	if a.status != http.StatusOK {
		b.t.Fatalf("the refresh got %v\n%s\n%s", a, a.body, b.replicas[0].log())
	}
}

// Nonces change on every answer, at the provider and at the API, and each is good once.
func TestTokensThatAreBoundToAKeyServeAThousandCalls(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		b := openBank(t, bolt, withSecret(t))
		ticket := b.signIn("alice")
		for range 10 {
			b.bound(100, ticket)
			b.renew(ticket)
		}
		// The key is in the record: who starts now has it.
		for _, g := range b.replicas {
			g.stop()
			g.start()
		}
		b.bound(100, ticket)
		after(t, 5*time.Second)
		if a := b.ask(t.Context(), b.next(), ticket, http.MethodPost, "/bff/refresh"); a.status != http.StatusOK {
			t.Errorf("the refresh after a restart got %v\n%s", a, a.body)
		}
		b.bound(10, ticket)

		s, api := b.op.stats(), b.api.stats()
		if s.Refreshes != 11 || s.Refused != 0 || s.MostPresentations != 1 {
			t.Errorf("at the provider: %+v", s)
		}
		if api.LetIn != 1110 || api.Replays != 0 || len(api.Refused) != 0 {
			t.Errorf("at the API: %+v", api)
		}
		t.Logf("%d calls, %d nonces demanded at the API, %d at the provider", api.LetIn, api.NoncesDemanded, s.NoncesDemanded)
		secrets := append(b.op.minted(), ticket)
		for _, g := range b.replicas {
			g.stop()
			searchFiles(t, g.dir, secrets)
			if strings.Contains(string(g.log()), "refused") {
				t.Error("something was refused; see the log of", g.dir)
			}
		}
	})
}
