//go:build e2e

package redisstore

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// answer runs a script that answers with a number.
func answer(t *testing.T, s *Store, sc script, key string, args ...string) int64 {
	t.Helper()
	n, err := run(t.Context(), raw(t, s), call{sc, key, args})[0].AsInt64()
	must(t, err)
	return n
}

// schedule runs scheduleScript and returns the server's clock and the score.
func schedule(t *testing.T, s *Store, key string, id session.ID, due, until string) (now, score int64) {
	t.Helper()
	n, err := run(t.Context(), raw(t, s), call{scheduleScript, key, []string{string(id[:]), due, until}})[0].AsIntSlice()
	must(t, err)
	return n[0], n[1]
}

// lives is how long a key still has.
func lives(t *testing.T, s *Store, key string) time.Duration {
	t.Helper()
	c := raw(t, s)
	ms, err := c.Do(t.Context(), c.B().Pttl().Key(key).Build()).AsInt64()
	must(t, err)
	return time.Duration(ms) * time.Millisecond
}

func in(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).UnixMilli(), 10) }

func TestAHintIsCorrectedOnlyIfItIsOldAndAsItWasSeen(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	key, id := s.indexKey(session.Key{1}), session.ID{1}
	at := time.Now().Add(time.Hour)
	seen := score(at, 2)
	for _, row := range []struct {
		name         string
		there, asked int64
		want         int64
	}{
		{"of this minute", score(at, 0), score(at, 0), 0},
		{"of the last minute", score(at, 1), score(at, 1), 0},
		{"touched since it was seen", seen + 1, seen, 0},
		{"moved since it was seen", seen + 1024, seen, 0},
		{"gone", 0, seen, 0},
		{"old", seen, seen, 1},
		{"very old", score(at, 15), score(at, 15), 1},
	} {
		c := raw(t, s)
		must(t, c.Do(t.Context(), c.B().Del().Key(key).Build()).Error())
		if row.there != 0 {
			plant(t, s, key, id, row.there)
		}
		if got := answer(t, s, correctScript, key, string(id[:]), strconv.FormatInt(row.asked, 10), ""); got != row.want {
			t.Errorf("a hint that is %s: %d corrected, want %d", row.name, got, row.want)
		}
		if got := hinted(t, s, key, id); (got == 0) != (row.want == 1 || row.there == 0) {
			t.Errorf("a hint that is %s has score %d afterwards", row.name, got)
		}
	}
}

func TestAWriterLowersADueTimeAndNeverRaisesIt(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	key, id := s.dueKey(1), session.ID{31: 1}
	for _, step := range []struct{ due, want int64 }{{5000, 5000}, {9000, 5000}, {3000, 3000}, {3001, 3000}} {
		now, told := schedule(t, s, key, id, strconv.FormatInt(step.due, 10), in(time.Hour))
		if off := time.Since(time.UnixMilli(now)).Abs(); off > time.Minute {
			t.Errorf("the script's clock is off by %v", off)
		}
		got := hinted(t, s, key, id)
		if got>>10 != step.want {
			t.Errorf("due at %d, the hint is for %d, want %d", step.due, got>>10, step.want)
		}
		if (entry{score: got}).aged(time.Now()) {
			t.Error("a hint that was touched just now is old")
		}
		if told != got {
			t.Errorf("the score is %d, and the script says %d", got, told)
		}
	}
}

func TestEveryTouchOfAHintShows(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	key, id := s.dueKey(1), session.ID{31: 1}
	if _, score := schedule(t, s, key, id, "", in(time.Hour)); score != 0 || hinted(t, s, key, id) != 0 {
		t.Error("a touch has made a hint")
	}
	_, last := schedule(t, s, key, id, "5000", in(time.Hour))
	for n := range 200 {
		_, score := schedule(t, s, key, id, []string{"", "5000", "9000"}[n%3], in(time.Hour))
		if score == last || score>>10 != 5000 {
			t.Fatalf("touch %d: score %d after %d", n, score, last)
		}
		if answer(t, s, settleScript, key, string(id[:]), strconv.FormatInt(last, 10), "") != 0 {
			t.Fatalf("touch %d: who touched it before has settled it", n)
		}
		last = score
	}
	if answer(t, s, settleScript, key, string(id[:]), strconv.FormatInt(last, 10), "7000") != 1 || hinted(t, s, key, id)>>10 != 7000 {
		t.Error("who touched it last has not settled it")
	}
}

func TestASetOutlivesEveryRecordThatItPointsTo(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	due, index := s.dueKey(0), s.indexKey(session.Key{1})
	a, b := session.ID{1}, session.ID{2}
	for _, step := range []struct {
		id    session.ID
		lasts time.Duration
		want  time.Duration
	}{{a, time.Hour, time.Hour}, {b, 3 * time.Hour, 3 * time.Hour}, {a, time.Minute, 3 * time.Hour}, {b, time.Second, 3 * time.Hour}} {
		schedule(t, s, due, step.id, "1000", in(step.lasts))
		answer(t, s, pointScript, index, string(step.id[:]), in(step.lasts))
		for _, key := range []string{due, index} {
			if got := lives(t, s, key); (got - step.want).Abs() > 30*time.Second {
				t.Errorf("%s lives for %v, want %v", key, got, step.want)
			}
		}
	}
}

func TestAnExpiredHintGoesWithTheNextWrite(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	index, old, young := s.indexKey(session.Key{1}), session.ID{1}, session.ID{2}
	plant(t, s, index, old, score(time.Now().Add(-time.Second), 0))
	answer(t, s, pointScript, index, string(young[:]), in(time.Hour))
	if hinted(t, s, index, old) != 0 || hinted(t, s, index, young) == 0 {
		t.Error("the expired hint is there, or the new one is not")
	}
	// A record that has expired as it is written leaves a set neither.
	stillborn := s.dueKey(5)
	schedule(t, s, stillborn, old, "1000", in(-time.Hour))
	eventually(t, time.Second, "the set expires", func() bool { return lives(t, s, stillborn) == -2*time.Millisecond })
}

func TestTheScriptsAreKnownByTheNamesThatServersGiveThem(t *testing.T) {
	t.Parallel()
	s := connect(t, "redis://"+redis(t).addr(), Options{})
	c := raw(t, s)
	for _, sc := range []script{createScript, replaceScript, deleteScript, pointScript, scheduleScript, correctScript, settleScript, nowScript} {
		sha, err := c.Do(t.Context(), c.B().ScriptLoad().Script(sc.text).Build()).ToString()
		if err != nil || sha != sc.sha {
			t.Errorf("the server says %s, %v, and we say %s", sha, err, sc.sha)
		}
	}
	_, answered := rueidis.IsRedisErr(c.Do(t.Context(), c.B().Evalsha().Sha1("0").Numkeys(0).Build()).Error())
	if !answered {
		t.Error("a name that no script has was accepted")
	}
}
