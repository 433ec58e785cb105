//go:build e2e

package redisstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// score is a hint's score, made some minutes ago.
func score(at time.Time, minutesAgo int64) int64 {
	return at.UnixMilli()<<10 | (time.Now().Unix()/60-minutesAgo)&15<<6
}

// raw gives the driver's client of a store.
func raw(t *testing.T, s *Store) rueidis.Client {
	t.Helper()
	c, err := s.conn.client(t.Context())
	must(t, err)
	return c
}

// plant writes a hint by hand.
func plant(t *testing.T, s *Store, key string, id session.ID, score int64) {
	t.Helper()
	c := raw(t, s)
	must(t, c.Do(t.Context(), c.B().Zadd().Key(key).ScoreMember().ScoreMember(float64(score), string(id[:])).Build()).Error())
	must(t, c.Do(t.Context(), c.B().Pexpire().Key(key).Milliseconds(3600_000).Build()).Error())
}

// hinted reads a hint's score; 0 if there is none.
func hinted(t *testing.T, s *Store, key string, id session.ID) int64 {
	t.Helper()
	c := raw(t, s)
	f, err := c.Do(t.Context(), c.B().Zscore().Key(key).Member(string(id[:])).Build()).AsFloat64()
	if rueidis.IsRedisNil(err) {
		return 0
	}
	must(t, err)
	return int64(f)
}

func TestAStaleHintFindsNothingAndGoesWhenItIsOld(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	key, hour := session.Key{7}, time.Now().Add(time.Hour)
	other := record(2, "has another key")
	other.Index = []session.Key{{8}}
	must(t, s.Create(t.Context(), other))
	young, old, differs := session.ID{1, 1}, session.ID{1, 2}, other.ID
	set := s.indexKey(key)
	plant(t, s, set, young, score(hour, 0))
	plant(t, s, set, old, score(hour, 2))
	plant(t, s, set, differs, score(hour, 9))
	found, err := s.Find(t.Context(), key)
	if err != nil || len(found) != 0 {
		t.Errorf("Find: %d records, %v", len(found), err)
	}
	if hinted(t, s, set, young) == 0 {
		t.Error("a hint was taken away whose writer may be at work")
	}
	if hinted(t, s, set, old) != 0 || hinted(t, s, set, differs) != 0 {
		t.Error("stale hints that are old are still there")
	}
}

func TestADueHintIsRaisedToItsRecordWhenItIsOld(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	now := time.Now()
	later, never, gone := record(1, "later"), record(2, "never"), session.ID{3}
	later.Due = now.Add(time.Minute).Truncate(time.Millisecond)
	must(t, s.Create(t.Context(), later))
	must(t, s.Create(t.Context(), never))
	for _, id := range []session.ID{later.ID, never.ID, gone} {
		plant(t, s, s.dueKey(shardOf(id)), id, score(now.Add(-time.Second), 3))
	}
	due, err := s.Due(t.Context(), now, 10)
	if err != nil || len(due) != 0 {
		t.Errorf("Due: %d records, %v", len(due), err)
	}
	if got := hinted(t, s, s.dueKey(shardOf(later.ID)), later.ID) >> 10; got != later.Due.UnixMilli() {
		t.Errorf("the hint is for %d, want %d", got, later.Due.UnixMilli())
	}
	for _, id := range []session.ID{never.ID, gone} {
		if hinted(t, s, s.dueKey(shardOf(id)), id) != 0 {
			t.Errorf("the hint of %s is still there", id)
		}
	}
	if due, err = s.Due(t.Context(), later.Due, 10); err != nil || len(due) != 1 {
		t.Errorf("Due at the time: %d records, %v", len(due), err)
	}
}

// What is done must not stand in the way of what is still to do, or each look at what is
// due goes through all of it.
func TestWhatIsDoneLeavesTheFrontOfTheQueue(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	now := time.Now().Truncate(time.Millisecond)
	for name, next := range map[string]time.Time{"it is due later": now.Add(time.Hour), "it is never due again": {}} {
		r := session.Record{ID: session.ID{byte(len(name)), 1}, Due: now.Add(-time.Minute), Expires: now.Add(2 * time.Hour)}
		must(t, s.Create(t.Context(), r))
		set := s.dueKey(shardOf(r.ID))
		r.Version, r.Due = 1, now.Add(-time.Second) // Somebody must look again at once.
		must(t, s.Replace(t.Context(), r))
		if got := hinted(t, s, set, r.ID) >> 10; got != r.Due.UnixMilli() {
			t.Errorf("%s: the hint is for %d, want %d", name, got, r.Due.UnixMilli())
		}
		if due, err := s.Due(t.Context(), now, 10); err != nil || len(due) != 1 {
			t.Errorf("%s: %d are due, %v", name, len(due), err)
		}
		r.Version, r.Due = 2, next
		must(t, s.Replace(t.Context(), r))
		want := int64(0)
		if !next.IsZero() {
			want = next.UnixMilli()
		}
		if got := hinted(t, s, set, r.ID) >> 10; got != want {
			t.Errorf("%s: the hint is for %d, want %d", name, got, want)
		}
		r.Version, r.Due = 3, now.Add(-time.Second)
		must(t, s.Replace(t.Context(), r))
		if due, err := s.Due(t.Context(), now, 10); err != nil || len(due) != 1 || due[0].Version != 4 {
			t.Errorf("%s, and then it is: %d are due, %v", name, len(due), err)
		}
		must(t, s.Delete(t.Context(), r.ID, 4))
	}
}

func TestAnEarlyHintDoesNotPushOthersOutOfTheOrder(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	now := time.Now().Truncate(time.Millisecond)
	var want []session.Record
	for n := range byte(60) { // More than a page; all in one shard.
		r := session.Record{ID: session.ID{n, 1}, Expires: now.Add(time.Hour), Due: now.Add(-time.Duration(n) * time.Second)}
		must(t, s.Create(t.Context(), r))
		want = append(want, r)
	}
	for n := range byte(30) { // Their hints are the first, their records the last.
		plant(t, s, s.dueKey(0), session.ID{n, 1}, score(now.Add(-time.Hour), 0))
	}
	slices.Reverse(want)
	due, err := s.Due(t.Context(), now, 3)
	must(t, err)
	for i := range 3 {
		if i >= len(due) || due[i].ID != want[i].ID {
			t.Fatalf("Due: record %d is another", i)
		}
	}
}

func TestAWriteThatComesTooLateAfterItsHintsIsRefused(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	r := record(1, "late")
	value, err := encode(r, 1)
	must(t, err)
	past := strconv.FormatInt(time.Now().Add(-time.Second).UnixMilli(), 10)
	err = s.write(t.Context(), "create", r.ID, call{createScript, s.recordKey(r.ID), []string{string(value), strconv.FormatInt(milli(r.Expires), 10), past}})
	if err == nil || !strings.Contains(err.Error(), "unchanged") {
		t.Errorf("the error is %v", err)
	}
	if _, err := s.Load(t.Context(), r.ID); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
}

func TestAServerThatForgetsScriptsIsTaughtAgain(t *testing.T) {
	t.Parallel()
	server := redis(t)
	s := connect(t, "redis://"+server.addr(), Options{})
	r := record(1, "here")
	r.Index, r.Due = []session.Key{{1}}, time.Now()
	must(t, s.Create(t.Context(), r))
	server.must("script", "flush")
	r.Version = 1
	must(t, s.Replace(t.Context(), r))
	server.must("script", "flush")
	if _, err := s.Now(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestARecordOfAnotherFormatIsNoDecision(t *testing.T) {
	t.Parallel()
	server := redis(t)
	s := connect(t, "redis://"+server.addr(), Options{})
	r := record(1, "ours")
	must(t, s.Create(t.Context(), r))
	server.must("set", s.recordKey(r.ID), "theirs", "EX", "60")
	r.Version = 1
	_, errLoad := s.Load(t.Context(), r.ID)
	for what, err := range map[string]error{
		"Load": errLoad, "Replace": s.Replace(t.Context(), r), "Delete": s.Delete(t.Context(), r.ID, 1),
	} {
		if err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) || !strings.Contains(err.Error(), "format") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := server.must("get", s.recordKey(r.ID)); got != "theirs" {
		t.Errorf("the record has become %q", got)
	}
}

func TestNowIsTheServersClock(t *testing.T) {
	t.Parallel()
	s := connect(t, clusterURL(startCluster(t)), Options{})
	before := time.Now().Truncate(time.Microsecond)
	for range 20 {
		now, err := s.Now(t.Context())
		must(t, err)
		if now.Before(before) || now.After(time.Now()) {
			t.Errorf("the server's clock says %v, ours %v to %v", now, before, time.Now())
		}
		before = now
	}
}

func TestTooFewReplicasAreTold(t *testing.T) {
	t.Parallel()
	master := redis(t)
	replica := redis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	eventually(t, 10*time.Second, "the replica follows", func() bool {
		out, err := replica.cli("role")
		return err == nil && strings.Contains(out, "connected")
	})
	told := make(chan int, 10)
	s := connect(t, "redis://"+master.addr(), Options{WaitReplicas: 1, Unconfirmed: func(n int) { told <- n }})
	heard := listen(s)
	linked(t, s)
	r := record(1, "kept twice")
	must(t, s.Create(t.Context(), r))
	if out := replica.must("exists", s.recordKey(r.ID)); out != "1" {
		t.Error("Create returned before the replica had the record")
	}
	r.Version = 1
	must(t, s.Replace(t.Context(), r))
	if len(told) > 0 {
		t.Errorf("told of %d replicas, when there was one", <-told)
	}
	heard.forget()
	replica.kill()
	began := time.Now()
	r.Version = 2
	must(t, s.Replace(t.Context(), r)) // It has happened.
	if took := time.Since(began); took > time.Second {
		t.Errorf("a write without its replica took %v", took)
	}
	select {
	case n := <-told:
		if n != 0 {
			t.Errorf("told of %d replicas, want 0", n)
		}
	default:
		t.Error("nobody was told that the replica lacks the write")
	}
	if got := heard.all(); len(got) > 0 {
		t.Errorf("waiting has dropped what memory held: %v", got)
	}
	// A caller that leaves while it waits has written all the same.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var leaving sync.WaitGroup
	leaving.Go(func() {
		defer cancel()
		eventually(t, 10*time.Second, "the write is there", func() bool {
			got, err := s.Load(t.Context(), r.ID)
			return err == nil && got.Version == 4
		})
	})
	r.Version = 3
	must(t, s.Replace(ctx, r))
	cancel()
	leaving.Wait()
}
