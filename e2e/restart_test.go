//go:build e2e

package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// systemd opens the socket, starts the service with it, and hears when it is up and when it
// ends. Nobody meets a closed port in between.
func TestASocketOfSystemdsIsServed(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "a socket from systemd", bolt: true})
	g := f.replicas[0]
	g.stop()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(g.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close()
	hear := func(want string) {
		t.Helper()
		_ = notices.SetReadDeadline(time.Now().Add(20 * time.Second))
		got := make([]byte, 200)
		if n, err := notices.Read(got); err != nil || string(got[:n]) != want {
			t.Fatalf("systemd heard %q, %v, want %q\n%s", got[:n], err, want, tail(g.log()))
		}
	}
	// The request comes before the service: it waits in the socket's queue.
	early := make(chan answer, 1)
	go func() { early <- f.ask(t.Context(), g, "", http.MethodGet, "/") }()
	log, err := os.OpenFile(g.logFile(), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	g.cmd = exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, binary}, g.args...)...)
	g.cmd.Dir, g.cmd.Stdout, g.cmd.Stderr, g.cmd.ExtraFiles = g.dir, log, log, []*os.File{socket}
	g.cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=cloakroom.socket", "NOTIFY_SOCKET="+notices.LocalAddr().String())
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = l.Close(), socket.Close()
	g.gone = make(chan struct{})
	go func() {
		defer close(g.gone)
		g.exit = g.cmd.Wait()
	}()
	t.Cleanup(g.end)
	hear("READY=1")
	if a := <-early; a.status != http.StatusOK {
		t.Errorf("who was early got %v, %v", a, a.err)
	}
	f.call(f.signIn("user00"))
	g.stop()
	hear("STOPPING=1")
}
