package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/load"
	"github.com/cloakroom-bff/cloakroom/bench/stage"
)

// profileCommand collects the profile that the compiler optimises the gateway by. What is
// loaded is what gateways do most: calls, on both stores, with logins, refreshes, files and an
// ingress's questions in between.
func profileCommand(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("bench profile", flag.ContinueOnError)
	file := flags.String("o", filepath.Join("cmd", "cloakroom", "default.pgo"), "the `file` to write")
	each := flags.Duration("each", 4*time.Second, "how long each load takes, in whole seconds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *each < time.Second {
		return errors.New("-each is 1s at least; there are no other arguments")
	}
	st, err := stage.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	// Without the profile before it, so that the next does not depend on the last, and without
	// the paths of this machine.
	binary, err := st.Build(ctx, "-tags=profile", "-pgo=off", "-trimpath")
	if err != nil {
		return err
	}
	p := &profiling{st: st, binary: binary, each: each.Truncate(time.Second), stdout: stdout}
	for _, collect := range []func(context.Context) error{p.calls, p.onBolt, p.onRedis} {
		if err := collect(ctx); err != nil {
			return err
		}
	}
	return p.merge(ctx, *file)
}

// profiling collects one profile for each gateway that it loads.
type profiling struct {
	st     *stage.Stage
	binary string
	each   time.Duration
	stdout io.Writer
	files  []string
}

// gateway starts one that writes a profile when it ends.
func (p *profiling) gateway(ctx context.Context, b stage.Binary) (*stage.Side, error) {
	file := filepath.Join(p.st.Dir, fmt.Sprintf("%d.pprof", len(p.files)))
	p.files = append(p.files, file)
	b.Path, b.Environ = p.binary, []string{"CPU_PROFILE=" + file}
	return p.st.Gateway(ctx, b)
}

// calls makes all kinds of requests at a gateway on a store file.
func (p *profiling) calls(ctx context.Context) error {
	s, err := p.gateway(ctx, stage.Binary{Name: "all requests", Ingress: true})
	if err != nil {
		return err
	}
	defer p.st.Stop(s)
	// A call is what most requests are.
	return p.drive(ctx, s, "json", "json", "post", "json-100k", "public", "file", "verify", "websocket")
}

// onRedis does what comings does, at a gateway on Redis.
func (p *profiling) onRedis(ctx context.Context) error {
	server, err := p.st.Redis(ctx)
	if err != nil {
		return err
	}
	return p.comings(ctx, stage.Binary{Name: "on Redis", Redis: server})
}

// onBolt does what comings does, at a gateway on a store file.
func (p *profiling) onBolt(ctx context.Context) error {
	return p.comings(ctx, stage.Binary{Name: "on a store file"})
}

// comings signs browsers in, whose tokens then run out again and again while they call.
func (p *profiling) comings(ctx context.Context, b stage.Binary) error {
	b.TokenLife = 2 * time.Second
	s, err := p.gateway(ctx, b)
	if err != nil {
		return err
	}
	defer p.st.Stop(s)
	cookies, err := p.signIn(ctx, s)
	if err != nil {
		return err
	}
	// More would wait for their refreshes: session.refresh.rate is 20/s by default.
	cookies = cookies[:min(len(cookies), 16)]
	s.Cookies = filepath.Join(p.st.Dir, "cookies")
	if err := os.WriteFile(s.Cookies, []byte(strings.Join(cookies, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return p.drive(ctx, s, "json")
}

// signIn signs browsers in, four at a time, for as long as a load takes.
func (p *profiling) signIn(ctx context.Context, s *stage.Side) (cookies []string, err error) {
	end := time.Now().Add(p.each)
	var all sync.WaitGroup
	var mu sync.Mutex // guards cookies and err
	for range 4 {
		all.Go(func() {
			for time.Now().Before(end) {
				cookie, failed := p.st.SignIn(ctx, s)
				mu.Lock()
				cookies, err = append(cookies, cookie), errors.Join(err, failed)
				stop := err != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	all.Wait()
	if err == nil {
		_, err = fmt.Fprintf(p.stdout, "%s: %d logins\n", s.Name, len(cookies))
	}
	return cookies, err
}

// drive loads a gateway with one workload after the other.
func (p *profiling) drive(ctx context.Context, s *stage.Side, works ...string) error {
	for _, name := range works {
		known := workloads()
		w := known[slices.IndexFunc(known, func(w workload) bool { return w.name == name })]
		r, err := w.drive(ctx, w.request(s), load.Shape{Connections: 32, Duration: p.each})
		if err != nil {
			return fmt.Errorf("%s: %s: %w", s.Name, w.title, err)
		}
		if _, err := fmt.Fprintf(p.stdout, "%s: %s: %d requests\n", s.Name, w.title, r.Requests); err != nil {
			return err
		}
	}
	return nil
}

// merge makes one profile of all.
func (p *profiling) merge(ctx context.Context, file string) error {
	args := append([]string{"tool", "pprof", "-proto", "-output", file}, p.files...)
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("merging the profiles: %w\n%s", err, out)
	}
	_, err = fmt.Fprintln(p.stdout, file)
	return err
}
