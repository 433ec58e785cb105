// Package stage sets up what is compared, on loopback: one upstream, the gateway and its
// peers before it, each with a provider of its own, and a browser signed in at each.
//
//	              ┌▶ bare ReverseProxy, nginx     (check nothing)
//	load ─────────┼▶ cloakroom, bbolt or Redis ───┬▶ upstream
//	              ├▶ oauth2-proxy, cookie or Redis│
//	              └▶ Apache mod_auth_openidc ─────┘
//
// Every one of them is a process, and ends with its Stage. A [Side] says how it is reached.
package stage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/process"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// Stage holds what runs. It is not safe for concurrent use.
type Stage struct {
	Dir      string // for files; gone after Close
	Upstream string // its origin
	Files    string // the directory of a single-page app

	self      string
	upstream  *process.Process
	processes []*process.Process
	providers []*devidp.Server
	pair      *certificate // nil before the first
}

// New starts the upstream. The caller closes the Stage.
func New(ctx context.Context) (st *Stage, err error) {
	st = &Stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	if st.Dir, err = os.MkdirTemp("", "cloakroom-bench"); err != nil {
		return st, err
	}
	// Apache's workers are another user, and write beside the rest.
	if err := os.Chmod(st.Dir, 0o711); err != nil { //nolint:gosec // It is passed through, not read.
		return st, err
	}
	if err := st.writeFiles(); err != nil {
		return st, err
	}
	if st.self, err = os.Executable(); err != nil {
		return st, err
	}
	var address string
	st.upstream, address, err = st.part(ctx, "upstream")
	st.Upstream = "http://" + address
	return st, err
}

// Close ends what was started, the last first.
func (st *Stage) Close() error {
	for len(st.processes) > 0 {
		st.stop(st.processes[len(st.processes)-1])
	}
	for _, p := range st.providers {
		p.Close()
	}
	if st.Dir == "" {
		return nil
	}
	return os.RemoveAll(st.Dir)
}

// start starts a program that listens at the address.
func (st *Stage) start(ctx context.Context, name, address string, command ...string) (*process.Process, error) {
	return st.run(ctx, process.Program{Name: name, Command: command, Listens: address})
}

func (st *Stage) run(ctx context.Context, program process.Program) (*process.Process, error) {
	_, port, _ := strings.Cut(program.Listens, ":")
	program.Log = filepath.Join(st.Dir, port+".log")
	p, err := process.Start(ctx, program)
	if err != nil {
		return nil, err
	}
	st.processes = append(st.processes, p)
	return p, nil
}

func (st *Stage) stop(p *process.Process) {
	p.Stop()
	for i, other := range st.processes {
		if other == p {
			st.processes = append(st.processes[:i], st.processes[i+1:]...)
			return
		}
	}
}

// part starts a part of this program, which listens at the address that it is given.
func (st *Stage) part(ctx context.Context, args ...string) (*process.Process, string, error) {
	address, err := process.FreeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err := st.start(ctx, strings.Join(args, " "), address, append([]string{st.self, "part", address}, args...)...)
	return p, address, err
}

// Client is what every gateway is called at its provider.
const (
	Client       = "bench"
	clientSecret = "a-secret-for-one-run-on-loopback"
)

// provider starts a provider for a gateway, whose tokens outlive the run.
func (st *Stage) provider(redirect string) (*devidp.Server, error) {
	p, err := devidp.Listen(devidp.Config{
		Clients: []devidp.Client{{ID: Client, Secret: clientSecret, RedirectURIs: []string{redirect}}},
		Knobs:   devidp.Knobs{AccessTokenTTL: 12 * time.Hour},
	})
	if err != nil {
		return nil, err
	}
	st.providers = append(st.providers, p)
	return p, nil
}

// write writes a configuration that others may read.
func (st *Stage) write(name, text string) (string, error) {
	path := filepath.Join(st.Dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // Apache's workers are another user.
}

// directory makes a directory that everybody may write in: workers of servers that run as
// root are another user.
func (st *Stage) directory(name string) (string, error) {
	dir, err := os.MkdirTemp(st.Dir, name)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o777) //nolint:gosec // It is below one that only we list.
}
