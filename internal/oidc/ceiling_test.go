package oidc_test

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// claiming makes the provider's ID tokens have a claim.
func (b *bench) claiming(name string, value any) {
	b.idp.Adjust(func(k *devidp.Knobs) {
		k.ClaimsScript = func(_ context.Context, _ string, claims map[string]any) error {
			if value != nil {
				claims[name] = value
			}
			return nil
		}
	})
}

func TestTheProvidersCeilingIsHalfAMinuteBeforeItsOwnEnd(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	seconds := end.Unix()
	for name, value := range map[string]any{
		"a number":          seconds,
		"a fraction":        float64(seconds) + 0.9,
		"a string":          strconv.FormatInt(seconds, 10),
		"a string in space": " " + strconv.FormatInt(seconds, 10) + " ",
	} {
		t.Run(name, func(t *testing.T) {
			b.claiming("session_expiry", value)
			if got := b.login().Ceiling; !got.Equal(end.Add(-30 * time.Second)) {
				t.Errorf("got %v, want half a minute before %v", got, end)
			}
		})
	}
	b.claiming("session_expiry", nil)
	if got := b.login().Ceiling; !got.IsZero() {
		t.Errorf("without the claim: %v", got)
	}
}

func TestACeilingThatCannotBeKeptIsARefusedLogin(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for _, row := range []struct {
		name  string
		value any
		says  string
	}{
		{"milliseconds", in(time.Hour).UnixMilli(), "in milliseconds?"},
		{"milliseconds in a string", strconv.FormatInt(in(time.Hour).UnixMilli(), 10), "in milliseconds?"},
		{"the first that cannot be seconds", 10_000_000_000, "in milliseconds?"},
		{"beyond all numbers", "1e400", "in milliseconds?"},
		{"a past", in(-time.Hour).Unix(), "over already"},
		{"the margin", in(29 * time.Second).Unix(), "over already"},
		{"zero", 0, "over already"},
		{"below zero", -1, "no time"},
		{"a date", "2030-01-01T00:00:00Z", "no time"},
		{"no number", "NaN", "no time"},
		{"a truth value", true, "no time"},
		{"a list", []int{1}, "no time"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b.claiming("session_expiry", row.value)
			_, err := b.try(attempt())
			if refused := refusalOf(t, err); !strings.Contains(refused.Error(), row.says) || !strings.Contains(refused.Error(), "session_expiry") {
				t.Errorf("got %v", refused)
			}
		})
	}
}

func TestTheCeilingsClaimHasTheNameThatIsConfigured(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{SessionExpiry: -time.Hour}, func(c *oidc.Config) { c.ExpiryClaim = "https://x/ends" })
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	b.claiming("https://x/ends", end.Unix())
	if got := b.login().Ceiling; !got.Equal(end.Add(-30 * time.Second)) {
		t.Errorf("got %v", got)
	}
}

func TestAMaxAgeOfEveryLoginBoundsTheSessionAndThatOfOneDoesNot(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		configured string
		asked      string
		expiry     time.Duration
		want       time.Duration // after the sign-in; zero: no ceiling
	}{
		{name: "none"},
		{name: "one login's", asked: "600"},
		{name: "every login's", configured: "600", want: 10 * time.Minute},
		{name: "both", configured: "600", asked: "60", want: 10 * time.Minute},
		{name: "each time anew", configured: "0"},
		{name: "after the claim", configured: "600", expiry: 5 * time.Minute, want: 5*time.Minute - 30*time.Second},
		{name: "before the claim", configured: "600", expiry: time.Hour, want: 10 * time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, devidp.Knobs{SessionExpiry: row.expiry}, func(c *oidc.Config) {
				if row.configured != "" {
					c.AuthorizeParams = map[string]string{"max_age": row.configured}
				}
			})
			a := attempt()
			a.Params = url.Values{}
			if row.asked != "" {
				a.Params.Set("max_age", row.asked)
			}
			g, err := b.try(a)
			if err != nil {
				t.Fatal(err)
			}
			want := time.Time{}
			if row.want > 0 {
				want = g.AuthTime.Add(row.want)
			}
			if !g.Ceiling.Equal(want) {
				t.Errorf("got %v, want %v", g.Ceiling, want)
			}
		})
	}
}

// The provider's clock may be behind, so that it lets pass whom we hold for too old.
func TestAnOldSignInIsGoodForAMoment(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, func(c *oidc.Config) { c.AuthorizeParams = map[string]string{"max_age": "10"} })
	b.clock.advance(30 * time.Second)
	if left := time.Until(b.login().Ceiling) - 30*time.Second; left < time.Second || left > 6*time.Second {
		t.Errorf("%v left", left)
	}
}

func TestARefreshTokenThatDiesBeforeAnIdleSessionIsToldOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		hint string
		life time.Duration
		idle time.Duration
		want int
	}{
		{"Keycloak's, shorter", "refresh_expires_in", 30 * time.Minute, 8 * time.Hour, 1},
		{"Google's, shorter", "refresh_token_expires_in", 30 * time.Minute, 8 * time.Hour, 1},
		{"longer", "refresh_expires_in", 9 * time.Hour, 8 * time.Hour, 0},
		{"endless", "refresh_expires_in", 0, 8 * time.Hour, 0},
		{"without a session to compare with", "refresh_expires_in", 30 * time.Minute, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, devidp.Knobs{RefreshTokenHint: row.hint, RefreshTokenIdleTTL: row.life}, func(c *oidc.Config) { c.IdleTimeout = row.idle })
			g := b.login()
			if !g.Ceiling.IsZero() {
				t.Error("a hint bounds the session")
			}
			b.refresh(g)
			b.login()
			if n := strings.Count(b.log.String(), "session.idle_timeout"); n != row.want {
				t.Errorf("told %d times, want %d\n%s", n, row.want, b.log)
			}
		})
	}
}
