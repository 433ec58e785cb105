package telemetry_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
)

// sink counts the writes that reach it.
type sink struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.text.Write(p)
}

func (s *sink) seen() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.writes
}

func TestALineOnAQuietGatewayGoesOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		lines := telemetry.NewLines(&out)
		for range 3 {
			if _, err := lines.Write([]byte("a line\n")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if text, writes := out.seen(); writes != 3 || text != "a line\na line\na line\n" {
			t.Errorf("%d writes of %q", writes, text)
		}
	})
}

func TestLinesUnderLoadGatherAndNoneIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		lines := telemetry.NewLines(&out)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				for range 100 {
					if _, err := lines.Write([]byte("a line\n")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		time.Sleep(101 * time.Millisecond)
		text, writes := out.seen()
		if got := strings.Count(text, "a line\n"); got != 10_000 || len(text) != 70_000 {
			t.Errorf("%d lines in %d bytes", got, len(text))
		}
		if writes > 5 {
			t.Errorf("%d writes", writes)
		}
	})
}

func TestCloseWritesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		lines := telemetry.NewLines(&out)
		for range 2 {
			if _, err := lines.Write([]byte("a line\n")); err != nil {
				t.Fatal(err)
			}
		}
		if err := lines.Close(); err != nil {
			t.Fatal(err)
		}
		if text, _ := out.seen(); text != "a line\na line\n" {
			t.Errorf("written: %q", text)
		}
	})
}
