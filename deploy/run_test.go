//go:build e2e

package deploy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// scene is the binary between a provider and an API, and what was scraped of it.
type scene struct {
	t        *testing.T
	dir      string
	url      string // what the browser sees
	admin    string
	provider *devidp.Server
	second   *httptest.Server // of two upstreams that do the same
	moody    atomic.Bool      // the API refuses the next token
	gateway  *exec.Cmd

	text, protobuf []string // scrapes, by their files
}

func openScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{
		t: t, dir: t.TempDir(),
		url: fmt.Sprintf("http://localhost:%d", freePort(t)), admin: fmt.Sprintf("http://127.0.0.1:%d", freePort(t)),
	}
	var err error
	s.provider, err = devidp.Listen(devidp.Config{
		Clients: []devidp.Client{{ID: "bff", Secret: "secret", RedirectURIs: []string{s.url + "/bff/callback"}}},
		Knobs:   devidp.Knobs{AccessTokenTTL: 2 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.provider.Close)
	first := httptest.NewServer(http.HandlerFunc(s.api))
	t.Cleanup(first.Close)
	s.second = httptest.NewServer(http.HandlerFunc(s.api))
	t.Cleanup(s.second.Close)
	s.configure(fmt.Sprintf(`
public_url: %s
listen: %q
admin: {listen: %q}
provider: {issuer: %q, client_id: bff, client_secret: secret}
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
routes:
  - {path: /api/, upstream: %q}
  - {path: /many/, upstream: [%q, %q]}
`, s.url, strings.TrimPrefix(s.url, "http://"), strings.TrimPrefix(s.admin, "http://"), s.provider.URL, first.URL, first.URL, s.second.URL))
	s.start()
	return s
}

func (s *scene) configure(text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// api is the upstream.
func (s *scene) api(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/stream"):
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case s.moody.CompareAndSwap(true, false):
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (s *scene) start() {
	s.t.Helper()
	said, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = said.Close() })
	s.gateway = exec.CommandContext(context.WithoutCancel(s.t.Context()), parts.gateway, "run")
	s.gateway.Dir, s.gateway.Stdout, s.gateway.Stderr = s.dir, said, said
	if err := s.gateway.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = s.gateway.Process.Signal(syscall.SIGTERM)
		_ = s.gateway.Wait()
		if s.t.Failed() {
			log, _ := os.ReadFile(said.Name())
			s.t.Logf("the gateway said\n%s", log)
		}
	})
	s.until("the gateway is ready", func() bool {
		status, _, err := s.look("/readyz", "")
		return err == nil && status == http.StatusOK
	})
}

// until waits for something that comes within seconds.
func (s *scene) until(what string, is func() bool) {
	s.t.Helper()
	tick, late := time.NewTicker(50*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatalf("it never came: %s", what)
		}
	}
}

// signIn is a browser whose user has signed in.
func (s *scene) signIn(login string) *http.Client {
	s.t.Helper()
	c, answer := s.login(login)
	if answer.StatusCode != http.StatusOK {
		s.t.Fatalf("the callback answered %s", answer.Status)
	}
	return c
}

// login is a browser whose user has tried to sign in, and the callback's answer.
func (s *scene) login(user string) (*http.Client, *http.Response) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res := s.ask(c, http.MethodGet, s.url+"/bff/login?returnUrl=/", "navigate")
	back, err := devidp.SignIn(s.t.Context(), c, res.Header.Get("Location"), user)
	if err != nil {
		s.t.Fatal(err)
	}
	return c, s.ask(c, http.MethodGet, back, "navigate")
}

// ask sends a request of a page of ours, and returns the head of the answer.
func (s *scene) ask(c *http.Client, method, url, mode string) *http.Response {
	s.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = s.url + url
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", mode)
	if mode == "navigate" {
		r.Header.Set("Sec-Fetch-Dest", "document")
		r.Header.Set("Accept", "text/html")
	}
	res, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		_, _ = io.Copy(io.Discard, res.Body)
	}
	s.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// scrape keeps what the gateway counts at this moment, in both of Prometheus' formats.
func (s *scene) scrape() {
	s.t.Helper()
	s.text = append(s.text, s.fetch("txt", ""))
	s.protobuf = append(s.protobuf, s.fetch("pb", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"))
}

func (s *scene) fetch(ending, accept string) string {
	s.t.Helper()
	status, body, err := s.look("/metrics", accept)
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("the scrape: %d, %v", status, err)
	}
	name := filepath.Join(s.dir, fmt.Sprintf("%02d.%s", len(s.text), ending))
	if err := os.WriteFile(name, body, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// look asks the admin listener.
func (s *scene) look(path, accept string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.admin+path, nil)
	if err != nil {
		return 0, nil, err
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	res, err := (&http.Client{Timeout: 5 * time.Second}).Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// counts reports whether a scrape has a line.
func (s *scene) counts(line string) bool {
	s.t.Helper()
	_, body, err := s.look("/metrics", "")
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Contains(string(body), "\n"+line+"\n")
}
