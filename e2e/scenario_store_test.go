//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// The store breaks under load, while the provider forgives nothing: whoever has to log in
// again has lost a session.

// A restart of Redis, killed with kill -9.
func TestARestartOfRedisLogsNobodyOut(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "Redis killed and restarted under load"})
	rounds := 2
	if long() {
		rounds = 20
	}
	f.breakUnderLoad(rounds, func(int) {
		f.redis.kill()
		after(t, 3*time.Second)
		f.redis.up()
	})
}

// A Redis that reads and does not write: nobody is sent in circles.
func TestARedisThatDoesNotWriteLogsNobodyOut(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "Redis refuses writes under load"})
	f.breakUnderLoad(1, func(int) {
		f.redis.must("config", "set", "maxmemory", "1")
		after(t, 3*time.Second)
		b := newBrowser(t, f.url)
		if p := b.signIn("user39", "/"); p.status != http.StatusServiceUnavailable || p.header.Get("Cloakroom-Error") != "store_unavailable" {
			t.Errorf("a login got %d %s at %s", p.status, p.header.Get("Cloakroom-Error"), p.url.Path)
		}
		f.redis.must("config", "set", "maxmemory", "0")
	})
}

func TestAFailoverBySentinelLogsNobodyOut(t *testing.T) {
	t.Parallel()
	onlyLong(t)
	master, replica, url := startSentinels(t)
	f := launch(t, setting{scenario: "Sentinel fails over under load", store: url, session: "  wait_replicas: 1"})
	f.breakUnderLoad(1, func(int) {
		master.kill()
		eventually(t, 60*time.Second, "the replica is the master", func() bool {
			out, err := replica.cli("role")
			return err == nil && strings.HasPrefix(out, "master")
		})
	})
}

func TestSlotsThatMoveLogNobodyOut(t *testing.T) {
	t.Parallel()
	onlyLong(t)
	nodes := startCluster(t)
	f := launch(t, setting{scenario: "Cluster slots move under load", store: fmt.Sprintf("redis-cluster://%s,%s", nodes[0].addr(), nodes[1].addr())})
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = n.must("cluster", "myid")
	}
	f.breakUnderLoad(3, func(round int) {
		from, to := round%3, (round+1)%3
		nodes[0].must("--cluster", "reshard", nodes[0].addr(), "--cluster-from", ids[from], "--cluster-to", ids[to], "--cluster-slots", "3000", "--cluster-yes")
	})
}

// onlyLong leaves to .ci/full what takes long.
func onlyLong(t *testing.T) {
	t.Helper()
	if !long() {
		t.Skip("runs where E2E_LONG is set")
	}
}

// breakUnderLoad breaks the store, round by round, while every session refreshes each
// second. All sessions must live, and the provider must see no refresh token twice.
func (f *fleet) breakUnderLoad(rounds int, breakIt func(round int)) {
	f.t.Helper()
	f.tokensLast(time.Second)
	tickets := f.signInAll(12)
	total, slowest := tally{}, time.Duration(0)
	for round := range rounds {
		stop := f.load(tickets, 30*time.Millisecond)
		after(f.t, time.Second)
		breakIt(round)
		slowest = max(slowest, f.recover(tickets))
		total = sum(append(stop(), total))
	}
	if rest := total.but("200", "503 store_unavailable"); len(rest) > 0 || total["200"] == 0 {
		f.t.Errorf("got %v", total)
	}
	if slowest > 10*time.Second {
		f.t.Errorf("it took %v until all were served again", slowest)
	}
	got := f.provider.Stats()
	if got.Reuses != 0 || got.MaxPresentations != 1 {
		f.t.Errorf("the provider counts %+v", got)
	}
	f.neverEnded()
	f.remark = fmt.Sprintf("%d times, %v, all served %v after it", rounds, total, slowest.Round(10*time.Millisecond))
}

// startSentinels starts a master, a replica and three Sentinels that watch them.
func startSentinels(t *testing.T) (master, replica *redisServer, url string) {
	t.Helper()
	master = startRedis(t)
	replica = startRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	eventually(t, 15*time.Second, "the replica follows", func() bool {
		out, err := replica.cli("role")
		return err == nil && strings.Contains(out, "connected")
	})
	var hosts []string
	var sentinels []*redisServer
	for range 3 {
		s := newRedis(t, "redis-sentinel")
		dir := t.TempDir()
		conf := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %d 2\n"+
			"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n", s.port, dir, master.port)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.args = []string{conf}
		s.up()
		sentinels, hosts = append(sentinels, s), append(hosts, s.addr())
	}
	for _, s := range sentinels {
		eventually(t, 30*time.Second, "the Sentinels know each other and the replica", func() bool {
			out, err := s.cli("sentinel", "ckquorum", "main")
			about, errAbout := s.cli("sentinel", "master", "main")
			return err == nil && errAbout == nil && strings.HasPrefix(out, "OK 3") && strings.Contains(about, "num-slaves\n1")
		})
	}
	return master, replica, "redis-sentinel://" + strings.Join(hosts, ",") + "/main"
}

// startCluster starts a Cluster of three masters.
func startCluster(t *testing.T) []*redisServer {
	t.Helper()
	var nodes []*redisServer
	create := []string{"--cluster", "create"}
	for range 3 {
		n := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", strconv.Itoa(freePort(t)))
		nodes, create = append(nodes, n), append(create, n.addr())
	}
	nodes[0].must(append(create, "--cluster-yes")...)
	for _, n := range nodes {
		eventually(t, 30*time.Second, "the Cluster is whole", func() bool {
			out, err := n.cli("cluster", "info")
			return err == nil && strings.Contains(out, "cluster_state:ok") && strings.Contains(out, "cluster_known_nodes:3")
		})
	}
	return nodes
}

// A full disk, as a limit to the size of the process's files.
func TestAFullDiskLosesNoSession(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "full disk under load", bolt: true, log: "warn"})
	f.tokensLast(time.Second)
	tickets := f.signInAll(8)
	stop := f.load(tickets, 30*time.Millisecond)
	after(t, time.Second)

	f.limitFiles("16384") // no page of the store but its first ones
	after(t, 3*time.Second)
	b := newBrowser(t, f.url)
	if p := b.signIn("user39", "/"); p.status != http.StatusServiceUnavailable || p.header.Get("Cloakroom-Error") != "store_unavailable" || b.ticket() != "" {
		t.Errorf("a login got %d %s at %s", p.status, p.header.Get("Cloakroom-Error"), p.url.Path)
	}
	eventually(t, 5*time.Second, "the log says why", func() bool { return strings.Contains(f.logs(), "file too large") })
	f.limitFiles("unlimited")
	recovered := f.recover(tickets)
	got := sum(stop())
	if rest := got.but("200", "503 store_unavailable"); len(rest) > 0 || got["200"] == 0 || got["503 store_unavailable"] == 0 {
		t.Errorf("got %v", got)
	}
	if recovered > 10*time.Second {
		t.Errorf("it took %v until all were served again", recovered)
	}
	if p := f.provider.Stats(); p.Reuses != 0 || p.MaxPresentations != 1 {
		t.Errorf("the provider counts %+v", p)
	}
	f.neverEnded()
	f.signIn("user39")

	// What was answered before is on the disk, and nothing of it is torn.
	f.provider.Adjust(func(k *devidp.Knobs) { k.AccessTokenTTL = 10 * time.Minute })
	f.replicas[0].kill()
	f.replicas[0].start()
	f.recover(tickets)
	f.neverEnded()
	f.remark = fmt.Sprintf("%v, all served %v after it", got, recovered.Round(10*time.Millisecond))
}

// limitFiles sets how large the gateway's files may be.
func (f *fleet) limitFiles(size string) {
	f.t.Helper()
	pid := strconv.Itoa(f.replicas[0].cmd.Process.Pid)
	if out, err := exec.CommandContext(f.t.Context(), "prlimit", "--pid", pid, "--fsize="+size+":unlimited").CombinedOutput(); err != nil {
		f.t.Fatalf("prlimit: %v\n%s", err, out)
	}
}
