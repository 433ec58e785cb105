//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary is the gateway, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	if address, file, ok := strings.Cut(os.Getenv(beUpstream), " "); ok {
		fmt.Fprintln(os.Stderr, serveUpstream(address, file))
		return 1
	}
	dir, err := os.MkdirTemp("", "cloakroom-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, hauled.dir = filepath.Join(dir, "cloakroom"), filepath.Join(dir, "haul")
	if err := os.Mkdir(hauled.dir, 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "../cmd/cloakroom")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the gateway:", err)
		return 1
	}
	code := m.Run()
	report, err := hauled.search()
	fmt.Fprintln(os.Stderr, report)
	if err != nil {
		fmt.Fprintln(os.Stderr, "searching for secrets:", err)
		code = 1
	}
	if err := scores.publish(os.Getenv("E2E_TABLE")); err != nil {
		fmt.Fprintln(os.Stderr, "writing the table of scenarios:", err)
		return 1
	}
	return code
}

// missing ends a test that lacks one of its parts.
func missing(t *testing.T, part, remedy string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %s", part, remedy)
	}
	t.Skipf("%s is missing: %s", part, remedy)
}

// ports are given out once in a run, from below those that outgoing connections take: the
// tests' many clients would else sit on what was just found free.
var ports = struct {
	sync.Mutex
	next int
}{next: 20000 + rand.N(6000)}

// freePort returns a port of 127.0.0.1 that nobody uses.
func freePort(t *testing.T) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 2000 {
		if ports.next++; ports.next >= 32000 {
			ports.next = 20000
		}
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", ports.next))
		if err != nil {
			continue
		}
		defer l.Close()
		return ports.next
	}
	t.Fatal("no free port")
	return 0
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, within time.Duration, what string, yes func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for again := time.NewTicker(50 * time.Millisecond); !yes(); {
		select {
		case <-again.C:
		case <-deadline.C:
			again.Stop()
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// after waits for real time to pass: the processes under test have clocks of their own.
func after(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
