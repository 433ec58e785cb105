//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Keys rotate as docs/configuration.md says: a new one comes last, then moves to the front,
// then the oldest goes; each time every replica gets a SIGHUP, one after the other.

func TestKeysRotateTwiceUnderLoadAndLogNobodyOut(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "keys rotate twice under load", bolt: bolt, log: "info"})
		const first = `"${file:./session.key}"`
		second, third := newKey(t), newKey(t)
		f.tokensLast(time.Second)
		old := f.signInAll(8)
		stop := f.load(old, 30*time.Millisecond)
		after(t, time.Second)
		f.setKeys(f.replicas, first, second)
		f.setKeys(f.replicas, second, first)
		middle := f.signIn("user20")
		after(t, 2*time.Second)
		f.setKeys(f.replicas, second, first, third)
		f.setKeys(f.replicas, third, second, first)
		young := f.signIn("user21")
		after(t, 2*time.Second)
		got := sum(stop())
		if rest := got.but("200"); len(rest) > 0 || got["200"] == 0 {
			t.Errorf("during the rotations: %v", got)
		}
		if p := f.provider.Stats(); p.Reuses != 0 || p.MaxPresentations != 1 {
			t.Errorf("the provider counts %+v", p)
		}

		f.setKeys(f.replicas, third, second)
		for _, g := range f.replicas {
			for _, ticket := range old {
				if a := f.ask(t.Context(), g, ticket, http.MethodGet, "/api/orders"); a.String() != "401 no_session" {
					t.Errorf("a ticket whose key is gone got %v", a)
				}
			}
			for _, ticket := range []string{middle, young} {
				if a := f.ask(t.Context(), g, ticket, http.MethodGet, "/api/orders"); a.status != http.StatusOK {
					t.Errorf("a ticket whose key is there got %v", a)
				}
			}
		}
		// Nothing has ended: with the key put back, they go on.
		f.setKeys(f.replicas, third, second, first)
		for _, ticket := range old {
			f.call(ticket)
		}
		f.neverEnded()
	})
}

// A record that a replica has no key for yet is no ended session.
func TestAReplicaWithoutTheNewKeyEndsNobody(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "one of two replicas lacks the new key", log: "info"})
	const first = `"${file:./session.key}"`
	second := newKey(t)
	f.tokensLast(time.Second)
	ticket := f.signIn("user00")
	f.tokensLast(10 * time.Minute)
	after(t, 1100*time.Millisecond)
	other := f.signIn("user01")
	early, late := f.replicas[:1], f.replicas[1:]
	f.setKeys(early, second, first)
	if a := f.ask(t.Context(), early[0], ticket, http.MethodGet, "/api/orders"); a.status != http.StatusOK {
		t.Fatalf("the replica that has the key: %v", a)
	}
	eventually(t, 5*time.Second, "the other one cannot open what was written", func() bool {
		a := f.ask(t.Context(), late[0], ticket, http.MethodGet, "/api/orders")
		return a.String() == "503 store_unavailable" && len(a.header.Values("Set-Cookie")) == 0
	})
	if a := f.ask(t.Context(), late[0], other, http.MethodGet, "/api/orders"); a.status != http.StatusOK {
		t.Errorf("a session that nobody wrote got %v", a)
	}
	if n := f.metric("cloakroom_records_locked_total")[""]; n == 0 {
		t.Error("no metric tells of it")
	}
	f.setKeys(late, second, first)
	for _, g := range f.replicas {
		if a := f.ask(t.Context(), g, ticket, http.MethodGet, "/api/orders"); a.status != http.StatusOK {
			t.Errorf("once the key has come: %v", a)
		}
	}
	f.neverEnded()
	f.presented(1, 0, 1)
}

// newKey is a key as it stands in YAML.
func newKey(t *testing.T) string {
	t.Helper()
	key, err := exec.CommandContext(t.Context(), binary, "keys", "new").Output()
	if err != nil {
		t.Fatalf("cloakroom keys new: %v", err)
	}
	return `"` + strings.TrimSpace(string(key)) + `"`
}

var keysLine = regexp.MustCompile(`(?m)^  keys: .*$`)

// setKeys writes these keys into the replicas' configurations, and has them reloaded.
func (f *fleet) setKeys(replicas []*gateway, keys ...string) {
	f.t.Helper()
	for _, g := range replicas {
		text, err := os.ReadFile(filepath.Join(g.dir, "config.yaml"))
		if err != nil {
			f.t.Fatal(err)
		}
		line := "  keys: [" + strings.Join(keys, ", ") + "]"
		g.write("config.yaml", keysLine.ReplaceAllLiteral(text, []byte(line)))
		g.reload()
	}
}

// reload is SIGHUP, and waits until it has had its effect.
func (g *gateway) reload() {
	g.t.Helper()
	done := func() int { return strings.Count(string(g.log()), "configuration: reloaded") }
	before := done()
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatal(err)
	}
	eventually(g.t, 10*time.Second, "the configuration is reloaded; the log is\n"+g.logFile(), func() bool { return done() > before })
}
