//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// The browser is out at once, and what the provider has to hear is told when it is back,
// also by processes that have been killed meanwhile.
func TestALogoutWhileTheProviderIsDownIsToldLater(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "logout with the provider down, kill -9", bolt: bolt})
		ticket, other := f.signIn("user01"), f.signIn("user02")
		newest := f.provider.RefreshToken("user01")
		f.provider.Adjust(func(k *devidp.Knobs) { k.Down = true })
		began := time.Now()
		if a := f.ask(t.Context(), f.next(), ticket, http.MethodPost, "/bff/logout"); a.status != http.StatusOK {
			t.Errorf("the logout got %v\n%s", a, a.body)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the logout waited for the provider: %v", took)
		}
		f.isOver(ticket)
		for _, g := range f.replicas {
			g.kill()
		}
		for _, g := range f.replicas {
			g.launch()
			eventually(t, 10*time.Second, "it serves", func() bool { return f.ask(t.Context(), g, "", http.MethodGet, "/").status == http.StatusOK })
		}
		f.isOver(ticket)
		if n := f.provider.Stats().LiveGrants; n != 2 {
			t.Errorf("a provider that is down has revoked something: %d grants live", n)
		}
		f.provider.Adjust(func(k *devidp.Knobs) { k.Down = false })
		eventually(t, 30*time.Second, "the refresh token is revoked", func() bool {
			return f.revoked(newest) && f.provider.Stats().LiveGrants == 1
		})
		f.isOver(ticket)
		f.call(other)
	})
}

// T6, from another device of the same user.
func TestADeviceThatIsRemovedDuringARefreshStaysOut(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T6 a device removed during a refresh", bolt: bolt})
		other := f.signIn("user00")
		ticket := f.expired()
		held := f.provider.Hold(devidp.TokenEndpoint)
		gather := f.burst(t.Context(), 20, ticket, "/api/orders")
		<-held.Arrived()
		newest := f.provider.RefreshToken("user00")
		last := f.replicas[len(f.replicas)-1]
		var devices []struct {
			ID      string
			Current bool
		}
		list := f.ask(t.Context(), last, other, http.MethodGet, "/bff/sessions")
		if err := json.Unmarshal([]byte(list.body), &devices); err != nil || len(devices) != 2 || !devices[0].Current {
			t.Fatalf("the devices are %v: %s", list, list.body)
		}
		if a := f.ask(t.Context(), last, other, http.MethodDelete, "/bff/sessions/"+devices[1].ID); a.status != http.StatusNoContent {
			t.Errorf("the removal got %v\n%s", a, a.body)
		}
		held.Release()
		if got := gather(); !got.only("401 session_expired", 20) {
			t.Errorf("who waited got %v", got)
		}
		f.isOver(ticket)
		eventually(t, 20*time.Second, "the new refresh token is revoked", func() bool {
			return f.revoked(newest) && f.provider.Stats().LiveGrants == 1
		})
		f.isOver(ticket)
		f.call(other)
		f.endedOnce("device")
	})
}
