//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// T1.
func TestTwoHundredCallsAtExpiryAreOneExchange(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T1 200 at expiry", bolt: bolt})
		ticket := f.expired()
		f.provider.Adjust(func(k *devidp.Knobs) { k.Timing = devidp.Timing{Mode: devidp.Slow, Delay: 500 * time.Millisecond} })
		if got := f.burst(t.Context(), 200, ticket, "/api/orders")(); !got.only("200", 200) {
			t.Errorf("got %v", got)
		}
		f.presented(1, 0, 1)
		f.neverEnded()
	})
}
