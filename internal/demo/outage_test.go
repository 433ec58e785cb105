package demo_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// press presses the desk's "break the provider".
func (b *bench) press(t *testing.T) int {
	t.Helper()
	return b.ask(t, http.MethodPost, "/demo/break", alice()...).Code
}

func (b *bench) provided(t *testing.T) (up bool, backIn float64) {
	t.Helper()
	s := decode[state](t, b.ask(t, http.MethodGet, "/demo/state", alice()...))
	return s.Provider.Up, s.Provider.BackIn
}

// told is what the provider was told since the last look.
func (b *bench) told() []bool {
	synctest.Wait()
	var all []bool
	for len(b.down) > 0 {
		all = append(all, <-b.down)
	}
	return all
}

func TestABrokenProviderHealsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newLonelyBench(t, "http://127.0.0.1:1")
		if got := b.press(t); got != http.StatusOK {
			t.Fatal(got)
		}
		expect(t, b.told(), true)
		time.Sleep(6 * time.Second)
		if up, backIn := b.provided(t); up || backIn != 14 {
			t.Errorf("after 6 of 20 s: up %v, back in %v s", up, backIn)
		}
		time.Sleep(14 * time.Second)
		expect(t, b.told(), false)
		if up, _ := b.provided(t); !up {
			t.Error("after 20 s it is still down")
		}
	})
}

func TestBreakingABrokenProviderProlongsTheOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newLonelyBench(t, "http://127.0.0.1:1")
		b.press(t)
		time.Sleep(15 * time.Second)
		b.press(t)
		time.Sleep(15 * time.Second)
		expect(t, b.told(), true, true)
		time.Sleep(5 * time.Second)
		expect(t, b.told(), false)
	})
}

func TestCloseMendsTheProviderAndLetsNobodyBreakItAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newLonelyBench(t, "http://127.0.0.1:1")
		b.press(t)
		b.Close()
		expect(t, b.told(), true, false)
		if got := b.press(t); got != http.StatusServiceUnavailable {
			t.Errorf("breaking after Close: %d", got)
		}
		time.Sleep(time.Minute)
		expect(t, b.told())
	})
}

func expect(t *testing.T, got []bool, want ...bool) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("the provider was told %v, want %v", got, want)
	}
}
