//go:build e2e

package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// firstForm is the commit that closed the first form of sessions in both stores. It stands for
// the release before this one as long as no release has a tag.
const firstForm = "d31a49d50189b39abb25b1788517d7ee8e561d3c"

// earlierBinary is the release before this one, built once from the history.
var earlierBinary struct {
	sync.Mutex
	path string
}

// earlier builds that release, without touching the tree.
func earlier(t *testing.T) string {
	t.Helper()
	earlierBinary.Lock()
	defer earlierBinary.Unlock()
	if earlierBinary.path != "" {
		return earlierBinary.path
	}
	release := firstForm
	if tag, err := exec.CommandContext(t.Context(), "git", "describe", "--tags", "--abbrev=0", "HEAD^").Output(); err == nil {
		release = strings.TrimSpace(string(tag))
	}
	if err := exec.CommandContext(t.Context(), "git", "cat-file", "-e", release+"^{tree}").Run(); err != nil {
		missing(t, "the history, with "+release, "git fetch --unshallow --tags")
	}
	// Beside the binary of this release, which outlives the test.
	dir := filepath.Join(filepath.Dir(binary), "earlier")
	path := filepath.Join(dir, "cloakroom")
	for _, line := range []string{
		`mkdir "$1" && git -C .. archive --format=tar "$2" | tar -x -C "$1"`,
		`cd "$1" && go build -buildvcs=false -o "$3" ./cmd/cloakroom`,
	} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", line, "sh", dir, release, path).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	earlierBinary.path = path
	return path
}

// shift waits until all tokens have run out, and calls with each ticket on each replica: some
// call refreshes.
func (f *fleet) shift(tickets []string) {
	f.t.Helper()
	after(f.t, 1100*time.Millisecond)
	for i, g := range f.replicas {
		for n, ticket := range tickets {
			if a := f.ask(f.t.Context(), g, ticket, http.MethodGet, "/api/orders"); a.status != http.StatusOK {
				f.t.Errorf("replica %d, of %q: session %d got %v", i, g.program, n, a)
			}
		}
	}
}

func TestAReleaseAndTheOneBeforeTakeTurnsOnAFileWithoutALogout(t *testing.T) {
	t.Parallel()
	before := earlier(t)
	f := launch(t, setting{scenario: "upgrade, downgrade, upgrade", bolt: true, prepare: func(f *fleet) { f.replicas[0].program = before }})
	f.tokensLast(time.Second)
	tickets := []string{f.signIn("user00")}
	f.shift(tickets)
	for round, release := range []string{binary, before, binary} {
		f.replicas[0].stop()
		f.replicas[0].program = release
		f.replicas[0].start()
		f.shift(tickets)
		tickets = append(tickets, f.signIn([]string{"user01", "user02", "user03"}[round]))
		f.shift(tickets)
		f.neverEnded()
	}
	if p := f.provider.Stats(); p.Reuses != 0 || p.MaxPresentations != 1 {
		t.Errorf("the provider counts %+v", p)
	}
}

func TestAReleaseAndTheOneBeforeShareARedisWithoutALogout(t *testing.T) {
	t.Parallel()
	before := earlier(t)
	f := launch(t, setting{scenario: "two releases at once", prepare: func(f *fleet) { f.replicas[1].program = before }})
	f.tokensLast(time.Second)
	tickets := f.signInAll(4)
	for range 3 {
		f.shift(tickets)
	}
	f.neverEnded()
	if p := f.provider.Stats(); p.Reuses != 0 || p.MaxPresentations != 1 {
		t.Errorf("the provider counts %+v", p)
	}
	// A logout at either is one at both.
	for i, g := range f.replicas {
		if a := f.ask(t.Context(), g, tickets[i], http.MethodPost, "/bff/logout"); a.status != http.StatusOK {
			t.Fatalf("replica %d: the logout got %v", i, a)
		}
		eventually(t, time.Second, "the other release refuses the session", func() bool {
			return f.ask(t.Context(), f.replicas[1-i], tickets[i], http.MethodGet, "/api/orders").String() == "401 session_expired"
		})
	}
	// The rollout ends, and is taken back.
	for i, release := range []string{before, binary} {
		f.replicas[i].stop()
		f.replicas[i].program = release
		f.replicas[i].start()
		f.shift(tickets[2:])
	}
}
