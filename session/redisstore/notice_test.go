//go:build e2e

package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// ear remembers what a store's owner was told.
type ear struct {
	mu    sync.Mutex
	heard []session.ID
}

func listen(s *Store) *ear {
	e := &ear{}
	s.Notify(func(id session.ID) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, id)
	})
	return e
}

func (e *ear) has(id session.ID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.heard, id)
}

func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = nil
}

func (e *ear) all() []session.ID {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// record returns a record that lives for an hour.
func record(n byte, data string) session.Record {
	return session.Record{ID: session.ID{n, 1}, Data: []byte(data), Expires: time.Now().Add(time.Hour)}
}

func TestEachHearsOfTheOthersWritesAndNotOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		url  func(t *testing.T) string
	}{
		{"redis", func(t *testing.T) string { return "redis://" + redis(t).addr() }},
		{"valkey", func(t *testing.T) string { return "redis://" + valkey(t).addr() }},
		{"cluster", func(t *testing.T) string { return clusterURL(startCluster(t)) }},
		{"sentinel", func(t *testing.T) string { _, _, url := startSentinels(t); return url }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			url := row.url(t)
			a, b := connect(t, url, Options{}), connect(t, url, Options{})
			earA, earB := listen(a), listen(b)
			linked(t, a)
			linked(t, b)
			earA.forget()
			earB.forget()
			for n := range byte(12) { // Enough to meet every node of a Cluster.
				exchange(t, a, b, earA, earB, n)
			}
		})
	}
}

// exchange lets a and b change one record in turn.
func exchange(t *testing.T, a, b *Store, earA, earB *ear, n byte) {
	t.Helper()
	ctx := t.Context()
	r := record(n, "a's")
	must(t, a.Create(ctx, r))
	r.Version = 1
	within := func(e *ear, who, what string) {
		t.Helper()
		eventually(t, 100*time.Millisecond, who+" hears of "+what, func() bool { return e.has(r.ID) })
		e.forget()
	}
	if _, err := b.Load(ctx, r.ID); err != nil {
		t.Fatal(err)
	}
	if got := earA.all(); len(got) > 0 {
		t.Fatalf("a has heard of its own Create: %v", got)
	}
	must(t, b.Replace(ctx, r))
	r.Version++
	within(earA, "a", "b's replace of what a has created")
	must(t, b.Replace(ctx, r)) // Not read since: a need not hear, b must not.
	r.Version++
	if got := earB.all(); len(got) > 0 {
		t.Fatalf("b has heard of its own Replace: %v", got)
	}
	_, err := a.Load(ctx, r.ID)
	must(t, err)
	must(t, a.Replace(ctx, r))
	r.Version++
	within(earB, "b", "a's replace of what b has written")
	must(t, b.Delete(ctx, r.ID, r.Version))
	within(earA, "a", "b's delete of what a has written")
	earB.forget()
}

func TestAnExpiryAndAFlushAreHeardOf(t *testing.T) {
	t.Parallel()
	server := redis(t)
	s := connect(t, "redis://"+server.addr(), Options{})
	heard := listen(s)
	linked(t, s)
	r := record(1, "short")
	r.Expires = time.Now().Add(300 * time.Millisecond)
	must(t, s.Create(t.Context(), r))
	heard.forget()
	eventually(t, 2*time.Second, "the expiry is heard of", func() bool { return heard.has(r.ID) })

	must(t, s.Create(t.Context(), record(2, "long")))
	heard.forget()
	server.must("FLUSHALL")
	eventually(t, 100*time.Millisecond, "the flush is heard of", func() bool { return heard.has(session.ID{}) })
	if _, err := s.Load(t.Context(), record(2, "").ID); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load after FLUSHALL: %v", err)
	}
}

func TestAnIdleLinkStaysUpAndDropsNothing(t *testing.T) {
	t.Parallel()
	_, _, sentinels := startSentinels(t)
	for name, url := range map[string]string{
		"sentinel": sentinels,
		"cluster":  clusterURL(startCluster(t)),
		"single":   "redis://" + redis(t).addr(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := connect(t, url, Options{})
			heard := listen(s)
			linked(t, s)
			after(t, 500*time.Millisecond) // The driver may sort out its connections at first.
			heard.forget()
			for range 120 { // Longer than the driver's rounds.
				after(t, 50*time.Millisecond)
				if !s.Linked() {
					t.Fatal("the link is said to be down")
				}
			}
			if got := heard.all(); len(got) > 0 {
				t.Errorf("an idle link has dropped everything %d times", len(got))
			}
		})
	}
}

func TestAServerThatHangsIsNoticedWithinASecond(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"redis", "cluster"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var hung *server
			var url string
			if kind == "redis" {
				hung = redis(t)
				url = "redis://" + hung.addr()
			} else {
				nodes := startCluster(t)
				hung, url = nodes[2], clusterURL(nodes)
			}
			s := connect(t, url, Options{})
			heard := listen(s)
			linked(t, s)
			var mine session.Record
			for n := range byte(20) {
				mine = record(n, "here")
				must(t, s.Create(t.Context(), mine))
			}
			heard.forget()
			hung.signal(syscall.SIGSTOP)
			began := time.Now()
			t.Cleanup(func() { hung.signal(syscall.SIGCONT) })
			eventually(t, time.Second, "the link is down", func() bool { return !s.Linked() })
			t.Logf("the link was down after %v", time.Since(began))
			eventually(t, 2*time.Second, "everything is dropped", func() bool { return heard.has(session.ID{}) })
			for n := range byte(6) {
				called := time.Now()
				_, err := s.Load(t.Context(), record(n, "").ID)
				if took := time.Since(called); took > 1200*time.Millisecond {
					t.Errorf("a call took %v", took)
				}
				if errors.Is(err, session.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a call at a hung server: %v", err)
				}
			}
			hung.signal(syscall.SIGCONT)
			linked(t, s)
			if _, err := s.Load(t.Context(), mine.ID); err != nil {
				t.Errorf("Load after the server went on: %v", err)
			}
		})
	}
}

func TestAWriteThatMayHaveHappenedIsToldToItsOwner(t *testing.T) {
	t.Parallel()
	server := redis(t)
	s := connect(t, "redis://"+server.addr(), Options{})
	heard := listen(s)
	linked(t, s)
	r, other := record(1, "goes"), record(2, "goes first")
	must(t, s.Create(t.Context(), r))
	must(t, s.Create(t.Context(), other))
	must(t, s.Delete(t.Context(), other.ID, 1)) // Now the server knows the script.
	heard.forget()
	server.signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Delete(ctx, r.ID, 1)
	server.signal(syscall.SIGCONT)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Delete at a hung server: %v", err)
	}
	if !heard.has(r.ID) {
		t.Error("nobody was told")
	}
	// What reads again goes behind the write, on the same connection.
	if _, err := s.Load(t.Context(), r.ID); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
}
