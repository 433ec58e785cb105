// Package rig is what measurements of scale and endurance stand on: one gateway under a
// configuration of theirs, a provider that does no more than it is told, calls that are
// timed, and what the system knows of the gateway's process.
//
//	calls at a steady rate ──▶ gateway (a process) ──▶ upstream (a process)
//	                             │        └──▶ bbolt or Redis, filled beforehand
//	                             └──▶ Provider: slow, or so many answers a second
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

// Client is what the gateway is called at its provider, and Secret what it proves that with.
const (
	Client = "bench"
	Secret = "a-secret-for-one-run-on-loopback"
)

// Setting says which gateway is started, and how.
type Setting struct {
	Binary   string // the program
	Dir      string // for its files
	Issuer   string
	Provide  func(origin string) (issuer string, err error) // in Issuer's place, for a provider that has to know the gateway
	Store    string                                         // as in session.store
	Key      string                                         // as in session.keys
	Upstream string                                         // an origin
	Provider string                                         // more of the section provider, as "timeout: 1s"; empty: nothing
	Session  string                                         // more of the section session; empty: nothing
}

// Gateway is a gateway that runs.
type Gateway struct {
	Origin string        // what browsers see
	Ready  time.Duration // from its start until it called itself ready

	admin   string
	client  http.Client // of the admin listener
	process *process.Process
}

const configuration = `public_url: %s
listen: %q
admin: {listen: %q}
provider: {issuer: %q, client_id: %s, client_secret: %s%s}
session: {store: %q, keys: [%q]%s}
log: {level: warn}
routes:
  - path: /api/
    upstream: %s
`

// readyWithin is how long a gateway may take.
const readyWithin = 2 * time.Minute

// Start starts a gateway and waits until it is ready. The caller stops it.
func Start(ctx context.Context, s Setting) (*Gateway, error) {
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	g := &Gateway{Origin: "http://localhost:" + port, admin: "http://" + admin, client: http.Client{Timeout: 10 * time.Second}}
	if s.Provide != nil {
		if s.Issuer, err = s.Provide(g.Origin); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(s.Dir, "gateway.yaml")
	text := fmt.Sprintf(configuration, g.Origin, address, admin, s.Issuer, Client, Secret, more(s.Provider), s.Store, s.Key, more(s.Session), s.Upstream)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	began := time.Now()
	g.process, err = process.Start(ctx, process.Program{
		Name: "the gateway", Command: []string{s.Binary, "run", "--config", file},
		Log: filepath.Join(s.Dir, "gateway.log"), Listens: address,
	})
	if err != nil {
		return nil, err
	}
	if err := g.untilReady(ctx, began); err != nil {
		g.Stop()
		return nil, fmt.Errorf("%w\n%s", err, g.process.Logged())
	}
	return g, nil
}

func more(members string) string {
	if members == "" {
		return ""
	}
	return ", " + members
}

func (g *Gateway) untilReady(ctx context.Context, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		status, err := g.look(ctx, "/readyz", io.Discard)
		if err == nil && status == http.StatusOK {
			g.Ready = time.Since(began)
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("rig: the gateway is not ready: status %d", status), err, ctx.Err())
		}
	}
}

// look asks the admin listener.
func (g *Gateway) look(ctx context.Context, path string, body io.Writer) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.admin+path, nil)
	if err != nil {
		return 0, err
	}
	res, err := g.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(body, res.Body)
	return res.StatusCode, err
}

// Stop ends the gateway as a service manager does, and waits for it.
func (g *Gateway) Stop() { g.process.Stop() }

// Logged is what the gateway has logged: warnings and errors.
func (g *Gateway) Logged() string { return g.process.Logged() }

// Kill ends the gateway at once, as a crash does.
func (g *Gateway) Kill() error {
	p, err := os.FindProcess(g.process.Pid())
	if err != nil {
		return err
	}
	err = p.Kill()
	g.process.Stop() // waits
	return err
}
