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

func openBank(t *testing.T, bolt bool) *bank {
	t.Helper()
	f := &fleet{t: t, url: fmt.Sprintf("http://localhost:%d", freePort(t))}
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: time.Minute}
	t.Cleanup(f.client.CloseIdleConnections)
	b := &bank{fleet: f, op: startProvider(t, f.url, "DPOP=1")}
	b.api = startResource(t, b.op.issuer)
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
		g.write("client.secret", []byte(b.op.client().secret))
		g.write("dist/index.html", []byte("<!doctype html><title>app</title><p id=app>The app.</p>"))
		g.write("config.yaml", fmt.Appendf(nil, `
public_url: %s
listen: %q
admin: {listen: %q, token: the-operators-token-of-these-tests}
provider:
  issuer: %s
  client_id: cloakroom
  client_secret: ${file:./client.secret}
  sender_constrained: dpop
session:
  store: %q
  keys: ["${file:./session.key}"]
  refresh: {rate: 200/s}
routes:
  - path: /api/
    upstream: %s
  - path: /
    files: ./dist
    access: public
log: {level: debug}
`, f.url, own, port127(g.admin), b.op.issuer, at, b.api.url))
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

// Nonces change on every answer, at the provider and at the API, and each is good once.
func TestTokensThatAreBoundToAKeyServeAThousandCalls(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		b := openBank(t, bolt)
		ticket := b.signIn("alice")
		for range 10 {
			b.bound(100, ticket)
			a := b.ask(t.Context(), b.next(), ticket, http.MethodPost, "/bff/refresh")
			for end := time.Now().Add(30 * time.Second); a.status == http.StatusTooManyRequests && time.Now().Before(end); {
				after(t, time.Second) // once in five seconds
				a = b.ask(t.Context(), b.next(), ticket, http.MethodPost, "/bff/refresh")
			}
			if a.status != http.StatusOK {
				t.Fatalf("the refresh got %v\n%s\n%s", a, a.body, b.replicas[0].log())
			}
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
