//go:build e2e

package deploy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The recipes' Redis is started by their own command, and asked what it makes of it.
func TestTheRedisOfTheRecipesWantsItsPasswordAndEvictsNobody(t *testing.T) {
	t.Parallel()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is missing: .ci/run packages installs it")
		}
		t.Skip("redis-server is missing: install it")
	}
	plain, err := os.ReadFile("kubernetes/redis.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		file []byte
		of   string
	}{
		{"plain", plain, "cloakroom-redis"},
		{"chart", rendering{"gateway.yaml", ""}.render(t), "shop-cloakroom-redis"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			all := parse(t, row.file)
			r := startRedis(t, server, named(t, all, "ConfigMap", row.of).Data["redis.conf"], named(t, all, "StatefulSet", row.of).Spec.Template.Spec.Containers[0].Command)
			if got := r.ask("PING"); !strings.Contains(got, "NOAUTH") {
				t.Errorf("without a password it answers %q", got)
			}
			if got := r.ask("AUTH a-redis-password", "CONFIG GET maxmemory-policy", "CONFIG GET appendonly"); !strings.Contains(got, "noeviction") || !strings.Contains(got, "yes") {
				t.Errorf("it says of itself %q", got)
			}
			r.stop()
		})
	}
}

// redis is a server that a recipe started.
type redis struct {
	t    *testing.T
	port int
	cmd  *exec.Cmd
}

// startRedis runs a container's command, with the paths and the port of this machine.
func startRedis(t *testing.T, server, config string, command []string) *redis {
	t.Helper()
	dir := t.TempDir()
	r := &redis{t: t, port: freePort(t)}
	for name, text := range map[string]string{
		"redis-password": "a-redis-password\n",
		"redis.conf":     strings.Replace(config, "dir /data", fmt.Sprintf("dir %s\nbind 127.0.0.1\nport %d", dir, r.port), 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("/etc/redis/", dir+"/", "/run/secrets/redis/", dir+"/", "redis-server", server)
	args := make([]string, len(command))
	for i := range args {
		args[i] = here.Replace(command[i])
	}
	r.cmd = exec.Command(args[0], args[1:]...) // without a context: its end is part of the test
	r.cmd.Stdout, r.cmd.Stderr = t.Output(), t.Output()
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }) // a shell's children, too
	return r
}

// ask sends commands and returns all answers.
func (r *redis) ask(commands ...string) string {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte(strings.Join(append(commands, "QUIT", ""), "\r\n"))); err != nil {
		r.t.Fatal(err)
	}
	var all strings.Builder
	for part := make([]byte, 4096); ; {
		n, err := c.Read(part)
		all.Write(part[:n])
		if err != nil {
			return all.String() // QUIT ends the connection
		}
	}
}

// dial waits for the server.
func (r *redis) dial() net.Conn {
	r.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for range 500 {
		c, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
		if err == nil {
			return c
		}
		<-again.C
	}
	r.t.Fatal("Redis does not listen")
	return nil
}

// stop is what a cluster does. The first process of a container ignores a signal that it
// does not handle, so that must be Redis and not its shell.
func (r *redis) stop() {
	r.t.Helper()
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", r.cmd.Process.Pid)); err == nil && !strings.HasPrefix(string(name), "redis") {
		r.t.Fatalf("the container's first process is %s", name)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("it ends badly: %v", err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
