//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Beside an app in its pod the gateway has to be small, and there before the app is.

func TestASidecarServesBeforeItsProviderAnswers(t *testing.T) {
	t.Parallel()
	const within = 300 * time.Millisecond
	cold, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // it takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cold.Close() })
	g := newGateway(t)
	g.configure(client{issuer: "http://" + cold.Addr().String(), id: "cloakroom", secret: "a secret"}, startUpstream(t).url)
	took := make([]time.Duration, 9)
	for i := range took {
		took[i] = g.serves(t)
		if got := status(t, g.url+"/api/orders"); got != http.StatusUnauthorized {
			t.Errorf("an anonymous call got %d, which needs no provider", got)
		}
		if got := status(t, g.admin+"/readyz"); got != http.StatusServiceUnavailable {
			t.Errorf("/readyz said %d, with a provider that has not answered", got)
		}
		g.stop()
	}
	slices.Sort(took)
	t.Logf("serves %v after its start (the best of %d: %v)", took[len(took)/2], len(took), took[0])
	// The machine may be busy with other tests; the gateway has no say in that.
	if took[0] > within {
		t.Errorf("it serves %v after its start at best, want %v", took[0], within)
	}
}

// serves starts the gateway and returns how long it took until it answered.
func (g *gateway) serves(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	g.launch()
	for time.Since(begun) < 20*time.Second {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", port127(g.url))
		if err != nil {
			runtime.Gosched()
			continue
		}
		_ = c.Close()
		if got := status(t, g.url+"/"); got != http.StatusOK {
			t.Fatalf("the app's page got %d", got)
		}
		return time.Since(begun)
	}
	t.Fatalf("the gateway does not serve\n%s", g.log())
	return 0
}

// status asks for an address, as a script that is not signed in.
func status(t *testing.T, address string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestASidecarWithAThousandSessionsIsSmall(t *testing.T) {
	t.Parallel()
	const sessions, limit = 1000, 64 << 20
	f := launch(t, setting{scenario: "a sidecar with 1,000 sessions", bolt: true, log: "info", prepare: func(f *fleet) {
		f.replicas[0].environ = []string{fmt.Sprintf("GOMEMLIMIT=%d", limit/10*9)} // as a container's limit would have it
	}})
	f.tokensLast(10 * time.Minute)
	tickets := f.signInMany(sessions)
	afterLogins := f.replicas[0].resident()
	for range 3 {
		f.callAll(tickets)
	}
	most, now := f.replicas[0].peak(), f.replicas[0].resident()
	f.remark = fmt.Sprintf("%d MiB after the logins, %d MiB after %d calls, never more than %d MiB", afterLogins>>20, now>>20, 3*sessions, most>>20)
	t.Log(f.remark)
	if most > limit {
		t.Errorf("it had %d MiB, want at most %d MiB", most>>20, limit>>20)
	}
}

// signInMany signs n browsers in, some at a time.
func (f *fleet) signInMany(n int) []string {
	f.t.Helper()
	tickets := make([]string, n)
	f.some(n, func(i int) { tickets[i] = f.signIn(fmt.Sprintf("user%02d", i%40)) })
	return tickets
}

// callAll makes one call with each ticket, some at a time; each must succeed.
func (f *fleet) callAll(tickets []string) {
	f.t.Helper()
	f.some(len(tickets), func(i int) {
		if a := f.get(f.t.Context(), tickets[i], "/api/orders"); a.status != http.StatusOK {
			f.t.Errorf("the call got %v, %v", a, a.err)
		}
	})
}

// some does n things, sixteen at a time.
func (f *fleet) some(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// resident is the memory of the process that is in RAM, peak the most that ever was, in
// bytes.
func (g *gateway) resident() int { return g.memory("VmRSS") }
func (g *gateway) peak() int     { return g.memory("VmHWM") }

func (g *gateway) memory(line string) int {
	g.t.Helper()
	said, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		missing(g.t, "/proc", "run it on Linux")
	}
	found := regexp.MustCompile(`(?m)^` + line + `:\s+(\d+) kB$`).FindSubmatch(said)
	if found == nil {
		g.t.Fatalf("no %s in\n%s", line, said)
	}
	kilobytes, err := strconv.Atoi(string(found[1]))
	if err != nil {
		g.t.Fatal(err)
	}
	return kilobytes << 10
}
