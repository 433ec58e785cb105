package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-bff/cloakroom/session"
)

// nowhere is an address at which nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func TestWithoutAServerEveryCallFailsWithTheAddressAndNoDecision(t *testing.T) {
	t.Parallel()
	addr := nowhere(t)
	for _, url := range []string{"redis://u:hUsh7@" + addr, "redis-sentinel://:hUsh7@" + addr + "/main", "redis-cluster://:hUsh7@" + addr} {
		s := newStore(t, url)
		for what, err := range calls(t.Context(), s) {
			switch {
			case err == nil, errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrConflict), errors.Is(err, session.ErrExists):
				t.Errorf("%s: %s: %v", url, what, err)
			case !strings.HasPrefix(err.Error(), "redisstore: ") || !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), secret):
				t.Errorf("%s: %s: %v", url, what, err)
			}
		}
		if s.Linked() {
			t.Errorf("%s: there is a link to nothing", url)
		}
	}
}

// calls makes each call once.
func calls(ctx context.Context, s *Store) map[string]error {
	r := session.Record{ID: session.ID{1}, Version: 1, Expires: time.Now().Add(time.Hour), Index: []session.Key{{1}}, Due: time.Now()}
	_, load := s.Load(ctx, r.ID)
	_, find := s.Find(ctx, r.Index[0])
	_, due := s.Due(ctx, time.Now(), 1)
	_, now := s.Now(ctx)
	return map[string]error{
		"Create": s.Create(ctx, r), "Load": load, "Replace": s.Replace(ctx, r), "Delete": s.Delete(ctx, r.ID, 1),
		"Find": find, "Due": due, "Now": now,
	}
}

func TestAfterCloseEveryCallSaysSo(t *testing.T) {
	t.Parallel()
	s := newStore(t, "redis://"+nowhere(t))
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(t.Context()); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	must(t, s.Close())
	must(t, s.Close())
	running.Wait() // It ends with the store.
	for what, err := range calls(t.Context(), s) {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A server, or a proxy before it, that does not know HELLO may quote it.
func TestAnErrorThatQuotesThePasswordIsCleaned(t *testing.T) {
	t.Parallel()
	s := newStore(t, "redis-sentinel://u:hUsh7@h/main?sentinel_password=4lsoHush")
	err := s.fail(t.Context(), "load", fmt.Errorf("ERR bad command: HELLO 3 AUTH u %s, %s", secret, "4lsoHush"))
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "4lsoHush") || !strings.Contains(err.Error(), "bad command") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := newStore(t, "redis://h")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		ctx  context.Context
		err  error
		want string
	}{
		{t.Context(), rueidis.ErrNoCache, "6.2"},
		{t.Context(), context.DeadlineExceeded, "no answer in time"},
		{t.Context(), os.ErrDeadlineExceeded, "no answer in time"},
		{ended, errors.New("whatever"), "context canceled"},
	} {
		err := s.fail(row.ctx, "load", row.err)
		if !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v becomes %v", row.err, err)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v looks as if the caller had left", err)
		}
	}
	for _, word := range []string{"NOAUTH", "WRONGPASS", "NOPERM", "READONLY", "NOREPLICAS", "OOM", "MISCONF", "MOVED", "ASK", "CROSSSLOT", "WRONGTYPE"} {
		if remedies(word) == "" {
			t.Errorf("there is no remedy for %s", word)
		}
	}
}

func TestAHintIsOldAfterAMinuteAlsoWhenTheMinutesWrap(t *testing.T) {
	t.Parallel()
	for _, minute := range []int64{1023, 1024, 1025, 29_000_007} {
		made := time.Unix(minute*60+59, 0)
		e := entry{score: 12345<<10 | minute&15<<6 | 63}
		if e.milli() != 12345 {
			t.Errorf("the time is %d", e.milli())
		}
		for after, want := range map[time.Duration]bool{0: false, time.Minute: false, 61 * time.Second: true, 13 * time.Minute: true} {
			if got := e.aged(made.Add(after)); got != want {
				t.Errorf("made in minute %d: old after %v: %v", minute, after, got)
			}
		}
	}
}
