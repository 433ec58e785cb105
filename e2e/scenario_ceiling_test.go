//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// T18. The session ends half a minute before the time that the ID token of the login names.
func TestTheProvidersCeilingEndsTheSession(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T18 session_expiry", bolt: bolt})
		f.tokensLast(time.Second)
		const lives = 8 * time.Second
		f.provider.Adjust(func(k *devidp.Knobs) { k.SessionExpiry = 30*time.Second + lives })
		began := time.Now()
		ticket := f.signIn("user00")
		f.provider.Adjust(func(k *devidp.Knobs) { k.SessionExpiry = time.Hour }) // what a refresh says counts for nothing
		var told struct {
			Limit     string `json:"limit"`
			ExpiresIn int    `json:"expires_in"`
		}
		if err := json.Unmarshal([]byte(f.get(t.Context(), ticket, "/bff/session").body), &told); err != nil {
			t.Fatal(err)
		}
		if told.Limit != "provider" || told.ExpiresIn > int(lives/time.Second) {
			t.Errorf("/bff/session tells %+v", told)
		}
		refreshes := f.provider.Stats().Refreshes
		last := answer{status: http.StatusOK}
		for last.status == http.StatusOK && time.Since(began) < 2*lives {
			after(t, 50*time.Millisecond)
			last = f.get(t.Context(), ticket, "/api/orders")
		}
		// The claim has whole seconds.
		if took := time.Since(began); last.String() != "401 session_expired" || took < lives-time.Second || took > lives+2*time.Second {
			t.Errorf("after %v: %v", took, last)
		}
		if n := f.provider.Stats().Refreshes - refreshes; n < 3 {
			t.Errorf("%d refreshes meanwhile", n)
		}
		f.isOver(ticket)
		eventually(t, 10*time.Second, "the refresh token is revoked", func() bool { return f.provider.Stats().LiveGrants == 0 })
		f.endedOnce("provider_limit")
	})
}

func TestACeilingInMillisecondsOrThePastRefusesTheLogin(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "T18 session_expiry in milliseconds, or past", bolt: true})
	for says, knob := range map[string]func(*devidp.Knobs){
		"in milliseconds?": func(k *devidp.Knobs) { k.SessionExpiry, k.SessionExpiryMillis = time.Hour, true },
		"over already":     func(k *devidp.Knobs) { k.SessionExpiry, k.SessionExpiryMillis = -time.Hour, false },
	} {
		f.provider.Adjust(knob)
		b := newBrowser(t, f.url)
		if p := b.signIn("user00", "/"); p.status != http.StatusBadRequest || p.header.Get("Cloakroom-Error") != "login_failed" || b.ticket() != "" {
			t.Errorf("the login got %d %s", p.status, p.header.Get("Cloakroom-Error"))
		}
		eventually(t, 5*time.Second, "the log says why", func() bool { return strings.Contains(f.logs(), says) })
	}
}
