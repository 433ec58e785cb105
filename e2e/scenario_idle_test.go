//go:build e2e

package e2e

import (
	"net/http"
	"testing"
	"time"
)

// A tab that polls is no user: its session ends, and that of one who is there does not.
func TestASessionThatOnlyPollsEnds(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{
			scenario: "a session that only polls", bolt: bolt, session: "  idle_timeout: 3s",
			routes: "  - {path: /poll/, upstream: UPSTREAM, background: true}",
		})
		used, marked, polled := f.signIn("user00"), f.signIn("user01"), f.signIn("user02")
		for began := time.Now(); time.Since(began) < 4*time.Second; after(t, 500*time.Millisecond) {
			f.call(used)
			f.get(t.Context(), marked, "/api/orders", "X-Bff-Background", "1")
			f.get(t.Context(), polled, "/poll/orders")
			f.get(t.Context(), polled, "/bff/session")
		}
		f.call(used)
		for _, ticket := range []string{marked, polled} {
			if a := f.get(t.Context(), ticket, "/api/orders"); a.status != http.StatusUnauthorized || a.code != "session_expired" {
				t.Errorf("after four seconds of polling a call got %v", a)
			}
		}
	})
}
