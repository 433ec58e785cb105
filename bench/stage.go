package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// stage is everything that runs while it is measured.
type stage struct {
	dir           string
	provider      *devidp.Server
	log           *os.File // the gateway's; nil before it is started
	processes     []*exec.Cmd
	bare, gateway side
}

// newStage starts upstream, bare proxy, provider and gateway, and signs in.
func newStage(ctx context.Context) (st *stage, err error) {
	st = &stage{}
	defer func() {
		if err != nil {
			st.close()
		}
	}()
	if st.dir, err = os.MkdirTemp("", "cloakroom-bench"); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	upstream, _, err := st.start(ctx, self, "upstream")
	if err != nil {
		return nil, err
	}
	bare, pid, err := st.start(ctx, self, "bare", upstream)
	if err != nil {
		return nil, err
	}
	st.bare = side{name: "bare ReverseProxy, tuned", pid: pid, url: bare + "/api/orders/42"}
	return st, st.startGateway(ctx, upstream)
}

// startGateway builds the binary, starts it and signs in as alice.
func (st *stage) startGateway(ctx context.Context, upstream string) (err error) {
	binary := filepath.Join(st.dir, "cloakroom")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/cloakroom-bff/cloakroom/cmd/cloakroom").CombinedOutput(); err != nil {
		return fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	public := "http://localhost:" + port
	st.provider, err = devidp.Listen(devidp.Config{ //nolint:contextcheck // close ends it
		Clients: []devidp.Client{{ID: "bench", Secret: "bench", RedirectURIs: []string{public + "/bff/callback"}}},
		Knobs:   devidp.Knobs{AccessTokenTTL: time.Hour},
	})
	if err != nil {
		return err
	}
	file := filepath.Join(st.dir, "config.yaml")
	err = os.WriteFile(file, fmt.Appendf(nil, `public_url: %s
listen: "127.0.0.1:%s"
admin: {listen: "127.0.0.1:0"}
provider: {issuer: %q, client_id: bench, client_secret: bench}
session: {store: "bolt:%s", keys: [%q]}
routes:
  - path: /api/
    upstream: %s
`, public, port, st.provider.URL, filepath.Join(st.dir, "sessions.db"), config.NewKey(), upstream), 0o600)
	if err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(st.dir, "gateway.log"))
	if err != nil {
		return err
	}
	st.log = logFile
	cmd := exec.CommandContext(ctx, binary, "run", "--config", file)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return err
	}
	st.processes = append(st.processes, cmd)
	st.gateway = side{name: "cloakroom, signed in", pid: cmd.Process.Pid, url: public + "/api/orders/42"}
	st.gateway.cookie, err = st.signIn(ctx, public)
	if err != nil {
		said, _ := os.ReadFile(logFile.Name())
		return fmt.Errorf("signing in at the gateway: %w\n%s", err, said)
	}
	return nil
}

// signIn walks the login as a browser does and returns the ticket's cookie.
func (st *stage) signIn(ctx context.Context, public string) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	login, err := untilReady(ctx, client, public+"/bff/login")
	if err != nil {
		return "", err
	}
	callback, err := devidp.SignIn(ctx, client, login, "alice")
	if err != nil {
		return "", err
	}
	status, _, err := navigate(ctx, client, callback, "cross-site")
	if err != nil {
		return "", err
	}
	u, err := url.Parse(public)
	if err != nil {
		return "", err
	}
	for _, c := range jar.Cookies(u) {
		if c.Name == "cloakroom" {
			return c.Name + "=" + c.Value, nil
		}
	}
	return "", fmt.Errorf("the callback answered %d and gave no ticket", status)
}

// untilReady asks for the login until the gateway listens and has found the provider, and
// returns where it leads.
func untilReady(ctx context.Context, client *http.Client, target string) (location string, err error) {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	status := 0
	for range 100 {
		if status, location, err = navigate(ctx, client, target, "none"); err == nil && status == http.StatusFound {
			return location, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "", fmt.Errorf("the login answered %d: %w", status, err)
}

// navigate is a click on a link, or a typed address.
func navigate(ctx context.Context, client *http.Client, target, site string) (status int, location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Site", site)
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Location"), err
}

// start starts a part of this program and returns the address that it prints.
func (st *stage) start(ctx context.Context, self string, args ...string) (string, int, error) {
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, err
	}
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	st.processes = append(st.processes, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", 0, fmt.Errorf("%s did not say where it listens: %w", args[0], err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid, nil
}

// close ends what was started, and only that.
func (st *stage) close() {
	for _, p := range st.processes {
		if err := p.Process.Signal(os.Interrupt); err == nil || errors.Is(err, os.ErrProcessDone) {
			_ = p.Wait() // how it ended says nothing about what was measured
		}
	}
	if st.provider != nil {
		st.provider.Close()
	}
	if st.log != nil {
		_ = st.log.Close() // nobody reads it any more
	}
	if st.dir != "" {
		_ = os.RemoveAll(st.dir)
	}
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
