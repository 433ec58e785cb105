//go:build e2e

package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// server is a process that speaks Redis's protocol on a port of 127.0.0.1.
type server struct {
	tb   testing.TB
	port int
	path string
	args []string
	auth []string // what redis-cli needs to be let in

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
}

// program finds a server's program, or ends the test that needs it.
func program(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		tb.Fatalf("%s is missing: .ci/run packages installs it", name)
	default:
		tb.Skipf("%s is missing: .ci/run packages installs it", name)
	}
	return ""
}

// ports are given out once in a process, so that no two servers of it get the same.
var ports = struct {
	sync.Mutex
	taken map[int]bool
}{taken: map[int]bool{}}

// freePort returns a port that nobody uses. A Cluster's node needs the one 10000 above, too.
func freePort(tb testing.TB) int {
	tb.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 200 {
		port := probe(tb, 0)
		if port < 20000 || port > 55000 || ports.taken[port] || ports.taken[port+10000] || probe(tb, port+10000) == 0 {
			continue
		}
		ports.taken[port], ports.taken[port+10000] = true, true
		return port
	}
	tb.Fatal("no free port")
	return 0
}

// probe listens for a moment; it returns 0 if it could not.
func probe(tb testing.TB, port int) int {
	tb.Helper()
	var config net.ListenConfig
	l, err := config.Listen(tb.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start starts a server with arguments and waits until it answers.
func start(tb testing.TB, path string, args ...string) *server {
	tb.Helper()
	s := newServer(tb, path, args...)
	s.up()
	return s
}

func newServer(tb testing.TB, path string, args ...string) *server {
	tb.Helper()
	s := &server{tb: tb, port: freePort(tb), path: path}
	s.args = append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", tb.TempDir(), "--save", "", "--loglevel", "warning"}, args...)
	tb.Cleanup(s.kill)
	return s
}

func (s *server) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// up starts the process, also anew.
func (s *server) up() {
	s.tb.Helper()
	s.launch()
	eventually(s.tb, 10*time.Second, "the server answers", func() bool {
		out, err := s.cli("ping")
		return err == nil && strings.Contains(out, "PONG")
	})
}

func (s *server) launch() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := exec.Command(s.path, s.args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	// It does not outlive a test binary that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	gone := make(chan struct{})
	s.cmd, s.gone = cmd, gone
	go func() {
		defer close(gone)
		if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
			s.tb.Errorf("%s ended: %v\n%s", s.path, err, &output)
		}
	}()
}

func (s *server) signal(sig os.Signal) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatal(err)
	}
}

// kill ends the process at once, as a crash does.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // It may have ended.
	<-s.gone
	s.cmd = nil
}

// cli runs one command through redis-cli.
func (s *server) cli(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	all := append([]string{"-p", strconv.Itoa(s.port)}, s.auth...)
	out, err := exec.CommandContext(ctx, program(s.tb, "redis-cli"), append(all, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is cli for what cannot fail.
func (s *server) must(args ...string) string {
	s.tb.Helper()
	out, err := s.cli(args...)
	if err != nil || strings.HasPrefix(out, "ERR") || strings.HasPrefix(out, "(error)") {
		s.tb.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	return out
}

// redis starts a Redis, valkey a Valkey.
func redis(tb testing.TB, args ...string) *server {
	tb.Helper()
	return start(tb, program(tb, "redis-server"), args...)
}

func valkey(tb testing.TB, args ...string) *server {
	tb.Helper()
	return start(tb, program(tb, "valkey-server"), args...)
}

// startCluster starts a Cluster of three masters and returns its nodes.
func startCluster(tb testing.TB) []*server {
	tb.Helper()
	var nodes []*server
	create := []string{"--cluster", "create"}
	for range 3 {
		n := redis(tb, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		nodes = append(nodes, n)
		create = append(create, n.addr())
	}
	nodes[0].must(append(create, "--cluster-yes")...)
	for _, n := range nodes {
		eventually(tb, 20*time.Second, "the Cluster is whole", func() bool {
			out, err := n.cli("cluster", "info")
			return err == nil && strings.Contains(out, "cluster_state:ok") && strings.Contains(out, "cluster_known_nodes:3")
		})
	}
	return nodes
}

func clusterURL(nodes []*server) string {
	return fmt.Sprintf("redis-cluster://%s,%s", nodes[0].addr(), nodes[1].addr())
}

// startSentinels starts a master, a replica and three Sentinels that watch them.
func startSentinels(tb testing.TB) (master, replica *server, url string) {
	tb.Helper()
	program(tb, "redis-sentinel")
	master = redis(tb)
	replica = redis(tb, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	eventually(tb, 10*time.Second, "the replica follows", func() bool {
		out, err := replica.cli("role")
		return err == nil && strings.Contains(out, "connected")
	})
	var hosts []string
	var sentinels []*server
	for range 3 {
		s := &server{tb: tb, port: freePort(tb), path: program(tb, "redis-sentinel")}
		dir := tb.TempDir()
		conf := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %d 2\n"+
			"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n", s.port, dir, master.port)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		s.args = []string{conf}
		tb.Cleanup(s.kill)
		s.up()
		sentinels = append(sentinels, s)
		hosts = append(hosts, s.addr())
	}
	for _, s := range sentinels {
		eventually(tb, 20*time.Second, "the Sentinels know each other and the replica", func() bool {
			out, err := s.cli("sentinel", "ckquorum", "main")
			about, errAbout := s.cli("sentinel", "master", "main")
			return err == nil && errAbout == nil && strings.HasPrefix(out, "OK 3") && strings.Contains(about, "num-slaves\n1")
		})
	}
	return master, replica, "redis-sentinel://" + strings.Join(hosts, ",") + "/main"
}

// eventually asks until the answer is yes.
func eventually(tb testing.TB, within time.Duration, what string, yes func() bool) {
	tb.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !yes() {
		select {
		case <-again.C:
		case <-deadline.C:
			tb.Fatalf("not within %v: %s", within, what)
		}
	}
}

// after lets real time pass: servers have clocks of their own.
func after(tb testing.TB, d time.Duration) {
	tb.Helper()
	select {
	case <-time.After(d):
	case <-tb.Context().Done():
		tb.Fatal(tb.Context().Err())
	}
}

// connect opens a store and runs it until the test ends.
func connect(tb testing.TB, url string, opts Options) *Store {
	tb.Helper()
	s, err := Open(url, opts)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// linked waits until notices flow.
func linked(tb testing.TB, s *Store) {
	tb.Helper()
	eventually(tb, 10*time.Second, "notices flow", s.Linked)
}

// keysWithoutExpiry lists every key of a server that would stay for ever, and counts all.
func keysWithoutExpiry(tb testing.TB, s *server) (endless []string, all int) {
	tb.Helper()
	script := `local endless, all = {}, redis.call('KEYS', '*')
for _, key in ipairs(all) do if redis.call('PTTL', key) == -1 then endless[#endless + 1] = key end end
return {#all, endless}`
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.addr()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	answer, err := c.Do(tb.Context(), c.B().Eval().Script(script).Numkeys(0).Build()).ToArray()
	if err != nil || len(answer) != 2 {
		tb.Fatal(err, len(answer))
	}
	n, errN := answer[0].AsInt64()
	endless, errE := answer[1].AsStrSlice()
	if err := errors.Join(errN, errE); err != nil {
		tb.Fatal(err)
	}
	return endless, int(n)
}
