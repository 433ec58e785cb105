package demo_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func newOutageBench(t *testing.T) *bench {
	t.Helper()
	idp, err := devidp.New(devidp.Config{Issuer: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return newBenchFor(t, idp.Issuer(), idp)
}

// press presses the desk's "break the provider".
func (b *bench) press(t *testing.T) int {
	t.Helper()
	return b.ask(t, http.MethodPost, "/demo/break", alice()...).Code
}

// broken asks the provider what a gateway asks, and reports whether it fails.
func (b *bench) broken(t *testing.T) bool {
	t.Helper()
	failed := 0
	asked := [][2]string{{http.MethodPost, "/token"}, {http.MethodPost, "/revoke"}, {http.MethodGet, "/.well-known/openid-configuration"}}
	for _, c := range asked {
		w := httptest.NewRecorder()
		b.idp.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c[0], c[1], nil))
		if w.Code == http.StatusServiceUnavailable {
			failed++
		}
	}
	if failed > 0 && failed < len(asked) {
		t.Errorf("%d of %d endpoints are down", failed, len(asked))
	}
	return failed > 0
}

// expect compares the provider with what should be, and with what the desk tells.
func (b *bench) expect(t *testing.T, broken bool, backIn float64) {
	t.Helper()
	synctest.Wait()
	if got := b.broken(t); got != broken {
		t.Errorf("the provider is broken: %v, want %v", got, broken)
	}
	s := decode[state](t, b.ask(t, http.MethodGet, "/demo/state", alice()...))
	if s.Provider.Up == broken || s.Provider.BackIn != backIn {
		t.Errorf("the desk says %+v, want back in %v s", s.Provider, backIn)
	}
}

func TestABrokenProviderHealsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newOutageBench(t)
		b.expect(t, false, 0)
		if got := b.press(t); got != http.StatusOK {
			t.Fatal(got)
		}
		b.expect(t, true, 20)
		time.Sleep(6 * time.Second)
		b.expect(t, true, 14)
		time.Sleep(14 * time.Second)
		b.expect(t, false, 0)
	})
}

func TestBreakingABrokenProviderProlongsTheOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newOutageBench(t)
		b.press(t)
		time.Sleep(15 * time.Second)
		b.press(t)
		time.Sleep(15 * time.Second)
		b.expect(t, true, 5)
		time.Sleep(5 * time.Second)
		b.expect(t, false, 0)
	})
}

func TestCloseMendsTheProviderAndLetsNobodyBreakItAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newOutageBench(t)
		b.press(t)
		b.Close()
		b.expect(t, false, 0)
		if got := b.press(t); got != http.StatusServiceUnavailable {
			t.Errorf("breaking after Close: %d", got)
		}
		b.expect(t, false, 0)
	})
}
