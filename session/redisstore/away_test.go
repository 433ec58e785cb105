//go:build e2e

package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// load is a crowd that counts in records for as long as it is told, and never gives up. An
// increment whose outcome is unknown is looked up before the next.
type load struct {
	s       *Store
	ids     []session.ID
	written []atomic.Int64 // increments that returned nil, by record
	unknown []atomic.Int64 // increments that failed and may have happened
	failed  atomic.Int64   // calls
	last    atomic.Int64   // when the last one failed, in Unix milliseconds
	gone    atomic.Int64   // calls that said that a record is not there
}

func newLoad(t *testing.T, s *Store, records int) *load {
	t.Helper()
	l := &load{s: s, written: make([]atomic.Int64, records), unknown: make([]atomic.Int64, records)}
	for n := range records {
		r := record(byte(n), string(make([]byte, 8)))
		r.Index, r.Due = []session.Key{{byte(n)}, {255}}, time.Now().Add(time.Minute)
		must(t, s.Create(t.Context(), r))
		l.ids = append(l.ids, r.ID)
	}
	return l
}

// run counts, a worker a record, until ctx ends.
func (l *load) run(ctx context.Context) {
	var group sync.WaitGroup
	for n := range l.ids {
		group.Go(func() {
			for ctx.Err() == nil {
				l.increment(n)
			}
		})
	}
	group.Wait()
}

func (l *load) increment(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := l.s.Load(ctx, l.ids[n])
	if err != nil {
		l.note(err)
		return
	}
	binary.BigEndian.PutUint64(r.Data, binary.BigEndian.Uint64(r.Data)+1)
	switch err := l.s.Replace(ctx, r); {
	case err == nil:
		l.written[n].Add(1)
	case errors.Is(err, session.ErrConflict): // A write of unknown outcome came late.
	default:
		l.unknown[n].Add(1)
		l.note(err)
	}
}

func (l *load) note(err error) {
	if errors.Is(err, session.ErrNotFound) {
		l.gone.Add(1)
	}
	l.failed.Add(1)
	l.last.Store(time.Now().UnixMilli())
	time.Sleep(5 * time.Millisecond) // As a client would, and spare the machine.
}

// check says where a record has less than was written, or more than can have been.
func (l *load) check(t *testing.T) {
	t.Helper()
	total := int64(0)
	for n, id := range l.ids {
		r, err := l.s.Load(t.Context(), id)
		if err != nil {
			t.Errorf("record %d: %v", n, err)
			continue
		}
		got, least := int64(binary.BigEndian.Uint64(r.Data)), l.written[n].Load()
		if got < least || got > least+l.unknown[n].Load() {
			t.Errorf("record %d counts %d; %d increments succeeded, %d may have", n, got, least, l.unknown[n].Load())
		}
		if uint64(got)+1 != r.Version {
			t.Errorf("record %d counts %d in version %d", n, got, r.Version)
		}
		total += got
	}
	if n := l.gone.Load(); n > 0 {
		t.Errorf("%d calls were told that a record is not there", n)
	}
	t.Logf("%d increments; %d calls failed", total, l.failed.Load())
}

// underLoad runs a load while f disturbs the servers, and a second longer.
func underLoad(t *testing.T, l *load, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { l.run(ctx) })
	defer group.Wait()
	defer cancel()
	after(t, 300*time.Millisecond)
	f()
	after(t, time.Second)
}

func TestErrorsEndWithARestart(t *testing.T) {
	t.Parallel()
	server := redis(t, "--appendonly", "yes", "--appendfsync", "always")
	s := connect(t, "redis://"+server.addr(), Options{})
	linked(t, s)
	l := newLoad(t, s, 16)
	var back time.Time
	underLoad(t, l, func() {
		for range 3 {
			server.kill()
			after(t, 300*time.Millisecond)
			server.up()
			back = time.Now()
			after(t, 500*time.Millisecond)
		}
	})
	if l.failed.Load() == 0 {
		t.Error("no call has failed while the server was away")
	}
	if late := l.last.Load() - back.UnixMilli(); late > 250 {
		t.Errorf("a call failed %d ms after the server was back", late)
	}
	l.check(t)
	linked(t, s)
}

func TestAServerThatIsDownAtTheStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := newServer(t, program(t, "redis-server"))
	s := connect(t, "redis://:hush@"+server.addr(), Options{})
	_, err := s.Load(t.Context(), session.ID{1})
	if err == nil || errors.Is(err, session.ErrNotFound) || !strings.Contains(err.Error(), server.addr()) || strings.Contains(err.Error(), "hush") {
		t.Errorf("Load without a server: %v", err)
	}
	if s.Linked() {
		t.Error("there is a link to nothing")
	}
	server.args = append(server.args, "--requirepass", "hush")
	server.auth = []string{"-a", "hush", "--no-auth-warning"}
	server.up()
	linked(t, s)
	must(t, s.Create(t.Context(), record(1, "at last")))
}

func TestAFailoverBySentinelLosesNoSession(t *testing.T) {
	t.Parallel()
	master, replica, url := startSentinels(t)
	s := connect(t, url, Options{WaitReplicas: 1})
	heard := listen(s)
	linked(t, s)
	l := newLoad(t, s, 16)
	began := time.Now()
	underLoad(t, l, func() {
		heard.forget()
		master.kill()
		eventually(t, 20*time.Second, "the replica is the master", func() bool {
			out, err := replica.cli("role")
			return err == nil && strings.HasPrefix(out, "master")
		})
		t.Logf("failed over after %v", time.Since(began))
		linked(t, s)
	})
	if !heard.has(session.ID{}) {
		t.Error("nothing was dropped when the master went")
	}
	if age := time.Now().UnixMilli() - l.last.Load(); age < 500 {
		t.Errorf("calls still fail after the failover")
	}
	l.check(t)
}

func TestASlotMovesUnderLoadAndNoUpdateIsLost(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	s := connect(t, clusterURL(nodes), Options{})
	other := connect(t, clusterURL(nodes), Options{})
	heard := listen(other)
	linked(t, s)
	linked(t, other)
	l := newLoad(t, s, 16)
	moved := l.ids[3]
	underLoad(t, l, func() {
		_, err := other.Load(t.Context(), moved)
		must(t, err)
		moveSlot(t, nodes, s.recordKey(moved))
	})
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d calls failed", n)
	}
	l.check(t)
	// What has moved is still reported on.
	r, err := other.Load(t.Context(), moved)
	must(t, err)
	heard.forget()
	must(t, s.Replace(t.Context(), r))
	eventually(t, 100*time.Millisecond, "a write to what has moved is heard of", func() bool { return heard.has(moved) })
}

// moveSlot moves the slot of a key to another master, as redis-cli --cluster reshard does.
func moveSlot(t *testing.T, nodes []*server, key string) {
	t.Helper()
	slot := nodes[0].must("cluster", "keyslot", key)
	var from, to *server
	for _, n := range nodes {
		if out, err := n.cli("get", key); err == nil && !strings.HasPrefix(out, "MOVED") {
			from = n
		} else {
			to = n
		}
	}
	if from == nil || to == nil {
		t.Fatal("no node has the key")
	}
	fromID, toID := from.must("cluster", "myid"), to.must("cluster", "myid")
	to.must("cluster", "setslot", slot, "importing", fromID)
	from.must("cluster", "setslot", slot, "migrating", toID)
	after(t, 200*time.Millisecond) // The load goes on over a slot that is half here, half there.
	for {
		keys := strings.Fields(from.must("cluster", "getkeysinslot", slot, "100"))
		if len(keys) == 0 {
			break
		}
		args := append([]string{"migrate", "127.0.0.1", fmt.Sprint(to.port), "", "0", "5000", "keys"}, keys...)
		from.must(args...)
		after(t, 50*time.Millisecond)
	}
	for _, n := range []*server{to, from} {
		n.must("cluster", "setslot", slot, "node", toID)
	}
	after(t, 300*time.Millisecond)
}

func TestAReplicaRefusesAndNothingIsMissing(t *testing.T) {
	t.Parallel()
	master := redis(t)
	s := connect(t, "redis://"+master.addr(), Options{})
	heard := listen(s)
	linked(t, s)
	r := record(1, "here")
	must(t, s.Create(t.Context(), r))
	heard.forget()
	master.must("replicaof", "127.0.0.1", fmt.Sprint(freePort(t)))
	eventually(t, time.Second, "the link is down", func() bool { return !s.Linked() })
	r.Version = 1
	err := s.Replace(t.Context(), r)
	if err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) {
		t.Errorf("Replace at a replica: %v", err)
	}
	t.Log(err)
	master.must("replicaof", "no", "one")
	linked(t, s)
	if !heard.has(session.ID{}) {
		t.Error("nothing was dropped")
	}
	must(t, s.Replace(t.Context(), r))
}

func TestAFullServerSaysSo(t *testing.T) {
	t.Parallel()
	server := redis(t, "--maxmemory-policy", "noeviction")
	s := connect(t, "redis://"+server.addr(), Options{})
	r := record(1, "here")
	must(t, s.Create(t.Context(), r))
	server.must("config", "set", "maxmemory", "1")
	r.Version = 1
	err := s.Replace(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "memory is full") {
		t.Errorf("Replace at a full server: %v", err)
	}
	if _, err := s.Load(t.Context(), r.ID); err != nil {
		t.Errorf("Load at a full server: %v", err)
	}
	server.must("config", "set", "maxmemory", "0")
	must(t, s.Replace(t.Context(), r))
}
