package doctor

import (
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/session/redisstore"
)

func storeOf(t *testing.T, url string) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(url, redisstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// expect holds the worst line of a check.
func expect(t *testing.T, c *chart, v Verdict, check, found string) {
	t.Helper()
	for _, l := range c.lines {
		if l.Check == check && l.Verdict == v && strings.Contains(l.Found, found) {
			return
		}
	}
	t.Errorf("nothing says %s %s “%s”: %q", v, check, found, c.lines)
}

func TestAServerIsJudgedByWhatItSaysOfItself(t *testing.T) {
	t.Parallel()
	sound := redisstore.Server{Address: "redis:6379", Program: "Redis", Version: "7.2.4", Role: "master", Policy: "noeviction", AppendOnly: true}
	for _, row := range []struct {
		name, url, check, found string
		change                  func(*redisstore.Server)
		verdict                 Verdict
	}{
		{"a sound one", "redis://redis", "session.store", "Redis 7.2.4 at redis:6379 answers", func(*redisstore.Server) {}, Pass},
		{"an old one", "redis://redis", "session.store", "too old", func(v *redisstore.Server) { v.Version = "6.0.20" }, Fail},
		{"a Valkey", "redis://redis", "session.store", "Valkey 1.0", func(v *redisstore.Server) { v.Program, v.Version = "Valkey", "1.0" }, Pass},
		{"a replica", "redis://redis", "session.store", "is a replica", func(v *redisstore.Server) { v.Role = "slave" }, Fail},
		{"a replica of a Cluster", "redis-cluster://redis", "session.store", "answers", func(v *redisstore.Server) { v.Role = "slave" }, Pass},
		{"one that drops", "redis://redis", "session.store.eviction", "allkeys-lru", func(v *redisstore.Server) { v.Policy = "allkeys-lru" }, Fail},
		{"one that is nearly full", "redis://redis", "session.store.memory", "95 of 100 MiB", func(v *redisstore.Server) { v.Limit, v.Used = 100<<20, 95<<20 }, Warn},
		{"one whose disk is full", "redis://redis", "session.store.persistence", "could not write", func(v *redisstore.Server) { v.WriteFailed = true }, Fail},
		{"one that writes everything", "redis://redis", "session.store.persistence", "every change", func(*redisstore.Server) {}, Pass},
		{"one that forgets", "redis://redis", "session.store.persistence", "nothing on disk", func(v *redisstore.Server) { v.AppendOnly = false }, Warn},
		{"one with snapshots", "redis://redis", "session.store.persistence", "save 900 1", func(v *redisstore.Server) { v.AppendOnly, v.Snapshots = false, "900 1" }, Warn},
		{"one that keeps it to itself", "redis://redis", "session.store.persistence", "does not tell", func(v *redisstore.Server) { v.AppendOnly, v.NotTold = false, true }, Warn},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			v, c, e := sound, new(chart), new(exam)
			row.change(&v)
			e.server(c, storeOf(t, row.url), v)
			expect(t, c, row.verdict, row.check, row.found)
		})
	}
}

func TestTheWayToTheServersIsJudged(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct {
		v     Verdict
		found string
	}{
		"redis://localhost":                        {Pass, "on this machine"},
		"redis-cluster://127.0.0.1,redis:6380":     {Warn, "redis:6380 is on another machine, and the URL has no password"},
		"redis://:hunter2@redis":                   {Warn, "in the clear"},
		"rediss://:hunter2@redis":                  {Pass, "by TLS"},
		"redis-sentinel://:hunter2@s:1/m?tls=true": {Pass, "by TLS"},
	} {
		c, e := new(chart), new(exam)
		e.exposure(c, storeOf(t, url))
		expect(t, c, want.v, "session.store.exposure", want.found)
	}
}

func TestReplicasThatAreWaitedForHaveToBeThere(t *testing.T) {
	t.Parallel()
	e := &exam{cfg: &config.Config{Session: config.Session{WaitReplicas: 2}}}
	for followers, v := range map[int]Verdict{1: Fail, 2: Pass} {
		c := new(chart)
		e.replicas(c, []redisstore.Server{{Role: "slave"}, {Role: "master", Replicas: followers}})
		expect(t, c, v, "session.wait_replicas", "")
	}
	c := new(chart)
	(&exam{cfg: new(config.Config)}).replicas(c, nil)
	if len(c.lines) != 0 {
		t.Errorf("nobody is waited for, and it says %q", c.lines)
	}
}
