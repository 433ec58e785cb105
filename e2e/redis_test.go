//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A redisServer is a process of redis-server or redis-sentinel on a port of 127.0.0.1. Its
// data outlive it, so that it can be killed and started again.
type redisServer struct {
	t    *testing.T
	port int
	path string
	args []string

	mu   sync.Mutex
	cmd  *exec.Cmd     // guarded by mu: nil while it is down
	gone chan struct{} // guarded by mu: closed when cmd is over
}

// startRedis starts a server that writes each change to its append-only file before it
// answers: what was acknowledged survives the death of the process, if not of the machine.
func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	s := newRedis(t, "redis-server")
	s.args = append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--loglevel", "warning",
		"--appendonly", "yes", "--maxmemory-policy", "noeviction",
	}, args...)
	s.up()
	return s
}

func newRedis(t *testing.T, program string) *redisServer {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program, ".ci/run packages installs it")
	}
	s := &redisServer{t: t, port: freePort(t), path: path}
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// up starts the process and waits until it answers.
func (s *redisServer) up() {
	s.t.Helper()
	s.mu.Lock()
	cmd := exec.Command(s.path, s.args...) // without a context: its end is what several tests are about
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.mu.Unlock()
		s.t.Fatal(err)
	}
	gone := make(chan struct{})
	s.cmd, s.gone = cmd, gone
	s.mu.Unlock()
	go func() {
		defer close(gone)
		if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
			s.t.Errorf("%s ended: %v\n%s", s.path, err, &output)
		}
	}()
	eventually(s.t, 15*time.Second, "Redis answers", func() bool {
		out, err := s.cli("ping")
		return err == nil && strings.Contains(out, "PONG")
	})
}

// kill is kill -9. It may be down already.
func (s *redisServer) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // an error says that it is over already
	<-s.gone
	s.cmd = nil
}

// cli runs one command through redis-cli.
func (s *redisServer) cli(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-p", strconv.Itoa(s.port)}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is cli for what cannot fail.
func (s *redisServer) must(args ...string) string {
	s.t.Helper()
	out, err := s.cli(args...)
	if err != nil || strings.HasPrefix(out, "ERR") || strings.HasPrefix(out, "(error)") {
		s.t.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	return out
}
