//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"strings"
	"syscall"
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
		f.answersTake(500 * time.Millisecond)
		if got := f.burst(t.Context(), 200, ticket, "/api/orders")(); !got.only("200", 200) {
			t.Errorf("got %v", got)
		}
		f.presented(1, 0, 1)
		f.neverEnded()
	})
}

// T2. All audiences share one chain of refresh tokens, so the exchanges come in a row.
func TestThreeAudiencesAreThreeExchangesInARow(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T2 three audiences", bolt: bolt, routes: `
  - {path: /a/, upstream: UPSTREAM, audience: "https://a.example.com"}
  - {path: /b/, upstream: UPSTREAM, audience: "https://b.example.com"}
  - {path: /c/, upstream: UPSTREAM, audience: "https://c.example.com"}`})
		ticket := f.expired()
		const takes = 300 * time.Millisecond
		f.answersTake(takes)
		if got := f.burst(t.Context(), 201, ticket, "/a/x", "/b/x", "/c/x")(); !got.only("200", 201) {
			t.Errorf("got %v", got)
		}
		if n := f.provider.Stats().Refreshes; n > 3 {
			t.Errorf("%d refreshes", n)
		}
		var last time.Time
		for _, r := range f.provider.Requests() {
			if r.Form.Get("refresh_token") == "" {
				continue
			}
			if r.Time.Sub(last) < takes {
				t.Errorf("two presentations within %v", r.Time.Sub(last))
			}
			last = r.Time
		}
		f.presented(f.provider.Stats().Refreshes, 0, 1)
		f.neverEnded()
	})
}

// T3.
func TestBrowsersThatHangUpCancelNothing(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T3 browsers hang up", bolt: bolt})
		ticket := f.expired()
		held := f.provider.Hold(devidp.TokenEndpoint)
		ctx, hangUp := context.WithCancel(t.Context())
		gather := f.burst(ctx, 200, ticket, "/api/orders")
		<-held.Arrived()
		hangUp()
		if got := gather(); !got.only("no answer", 200) {
			t.Errorf("got %v", got)
		}
		held.Release()
		f.call(ticket)
		f.presented(1, 0, 1)
		f.neverEnded()
	})
}

// T5.
func TestAnUpstreamThatIsAwayCostsNoToken(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T5 upstream refuses at the refresh", bolt: bolt})
		ticket := f.expired()
		f.upstream.cut()
		if a := f.get(t.Context(), ticket, "/api/orders"); a.String() != "502 upstream_unreachable" {
			t.Errorf("got %v", a)
		}
		f.upstream.mend()
		f.call(ticket)
		f.presented(1, 0, 1)
		f.neverEnded()
	})
}

// T6.
func TestALogoutDuringARefreshIsFinal(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T6 logout during a refresh", bolt: bolt})
		ticket := f.expired()
		held := f.provider.Hold(devidp.TokenEndpoint)
		gather := f.burst(t.Context(), 20, ticket, "/api/orders")
		<-held.Arrived()
		newest := f.provider.RefreshToken("user00")
		began := time.Now()
		if a := f.ask(t.Context(), f.replicas[len(f.replicas)-1], ticket, http.MethodPost, "/bff/logout"); a.status != http.StatusOK {
			t.Errorf("the logout got %v\n%s", a, a.body)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the logout waited for the provider: %v", took)
		}
		held.Release()
		if got := gather(); !got.only("401 session_expired", 20) {
			t.Errorf("who waited got %v", got)
		}
		f.isOver(ticket)
		eventually(t, 20*time.Second, "the new refresh token is revoked", func() bool {
			return f.revoked(newest) && f.provider.Stats().LiveGrants == 0
		})
		f.isOver(ticket)
		f.presented(1, 0, 1)
		f.endedOnce("logout")
	})
}

// isOver checks that no replica takes a ticket any more, from a second after its end.
func (f *fleet) isOver(ticket string) {
	f.t.Helper()
	for _, g := range f.replicas {
		eventually(f.t, time.Second, "the session is over on every replica", func() bool {
			return f.ask(f.t.Context(), g, ticket, http.MethodGet, "/api/orders").status == http.StatusUnauthorized
		})
	}
	calls := len(f.api.got())
	for range 3 {
		for _, g := range f.replicas {
			if a := f.ask(f.t.Context(), g, ticket, http.MethodGet, "/api/orders"); a.code != "session_expired" && a.code != "no_session" {
				f.t.Errorf("a ticket whose session is over got %v", a)
			}
		}
	}
	if n := len(f.api.got()); n != calls {
		f.t.Errorf("%d calls were forwarded for a session that is over", n-calls)
	}
}

// revoked says whether the provider was asked to revoke a token.
func (f *fleet) revoked(token string) bool {
	for _, r := range f.provider.Requests() {
		if r.Endpoint == devidp.RevocationEndpoint && r.Form.Get("token") == token {
			return true
		}
	}
	return false
}

// T10.
func TestARotatedKeySetIsFetchedOnceAndForgedKeysAreNot(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T10 the key set rotates", bolt: bolt})
		f.tokensLast(time.Second)
		tickets := f.signInAll(6)
		f.tokensLast(10 * time.Minute)
		after(t, 1100*time.Millisecond)
		if err := f.provider.RotateKeys(); err != nil {
			t.Fatal(err)
		}
		f.provider.Adjust(func(k *devidp.Knobs) {
			k.ClaimsScript = func(_ context.Context, _ string, claims map[string]any) error {
				claims["name"] = "renamed"
				return nil
			}
		})
		before := f.provider.Stats().JWKSRequests
		for _, ticket := range tickets {
			f.call(ticket)
			if a := f.get(t.Context(), ticket, "/bff/user"); !strings.Contains(a.body, "renamed") {
				t.Errorf("the new ID token's claims are not there: %v\n%s", a, a.body)
			}
		}
		if n := f.provider.Stats().JWKSRequests - before; n > len(f.replicas) {
			t.Errorf("%d fetches of the key set by %d replicas", n, len(f.replicas))
		}
		before = f.provider.Stats().JWKSRequests
		f.provider.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = devidp.ForeignKey })
		for _, ticket := range tickets {
			f.ask(t.Context(), f.next(), ticket, http.MethodPost, "/bff/refresh")
		}
		if n := f.provider.Stats().JWKSRequests - before; n > len(f.replicas) {
			t.Errorf("%d forged key ids caused %d fetches by %d replicas", len(tickets), n, len(f.replicas))
		}
		f.presented(2*len(tickets), 0, 1)
	})
}

// T11.
func TestAProviderWithAnotherClockEndsNothing(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T11 clock 90 s ahead and behind", bolt: bolt})
		f.tokensLast(3 * time.Second)
		ticket := f.signIn("user00")
		for _, offset := range []time.Duration{90 * time.Second, -90 * time.Second} {
			f.provider.Adjust(func(k *devidp.Knobs) { k.ClockOffset, k.IDTokenTTL = offset, 20*time.Second })
			before := f.provider.Stats().Refreshes
			for range 60 {
				f.call(ticket)
				after(t, 100*time.Millisecond)
			}
			if n := f.provider.Stats().Refreshes - before; n < 2 || n > 4 {
				t.Errorf("%v: %d refreshes in six seconds with tokens that live for three", offset, n)
			}
			b, logged := newBrowser(t, f.url), len(f.logs())
			if p := b.signIn("user01", "/"); p.header.Get("Cloakroom-Error") != "login_failed" || b.ticket() != "" {
				t.Errorf("%v: a login got %d %s", offset, p.status, p.header.Get("Cloakroom-Error"))
			}
			eventually(t, 5*time.Second, "the log names the clock", func() bool { return strings.Contains(f.logs()[logged:], "clock") })
		}
		f.neverEnded()
		if f.provider.MaxPresentations() != 1 {
			t.Errorf("a refresh token was presented %d times", f.provider.MaxPresentations())
		}
	})
}

// logs returns what the replicas have logged, one after the other.
func (f *fleet) logs() string {
	var all strings.Builder
	for _, g := range f.replicas {
		all.Write(g.log())
	}
	return all.String()
}

// T12. Auth0 drops a user's other static refresh tokens when rotation is switched on.
func TestARotationThatIsSwitchedOnIsNoTheft(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T12 rotation is switched on", bolt: bolt})
		f.provider.Adjust(func(k *devidp.Knobs) { k.RefreshTokenMode, k.AccessTokenTTL = devidp.Static, time.Second })
		other := f.signIn("user00")
		grants := f.provider.Grants()
		this := f.signIn("user00")
		f.call(this)
		f.provider.Adjust(func(k *devidp.Knobs) { k.RefreshTokenMode = devidp.Rotating })
		f.provider.RevokeGrant(grants[0].ID)
		for range 3 {
			after(t, 1100*time.Millisecond)
			f.call(this)
		}
		if a := f.get(t.Context(), other, "/api/orders"); a.String() != "401 session_expired" {
			t.Errorf("the other device got %v", a)
		}
		f.endedOnce("refused")
		if strings.Contains(f.logs(), "security") {
			t.Error("the log speaks of an attack")
		}
		if got := f.provider.Stats(); got.Reuses != 0 || f.provider.Presentations(f.provider.RefreshToken("user00")) > 1 {
			t.Errorf("the provider counts %+v", got)
		}
	})
}

// T14.
func TestATicketOfAnEndedSessionIsWorthNothing(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T14 a ticket comes again", bolt: bolt})
		ticket := f.signIn("user00")
		for range 2 * len(f.replicas) { // into the memory of each
			f.call(ticket)
		}
		if a := f.ask(t.Context(), f.replicas[0], ticket, http.MethodPost, "/bff/logout"); a.status != http.StatusOK {
			t.Errorf("the logout got %v", a)
		}
		f.isOver(ticket)
		eventually(t, 10*time.Second, "the refresh token is revoked", func() bool { return f.provider.Stats().LiveGrants == 0 })
		f.endedOnce("logout")
	})
}

// T15.
func TestAnotherSubjectAtARefreshEndsTheSession(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T15 another subject at a refresh", bolt: bolt})
		ticket := f.expired()
		f.provider.Adjust(func(k *devidp.Knobs) { k.IDTokenFault, k.IDTokenFaultAt = devidp.WrongSubject, devidp.AtRefresh })
		if got := f.burst(t.Context(), 50, ticket, "/api/orders")(); !got.only("401 session_expired", 50) {
			t.Errorf("got %v", got)
		}
		if n := len(f.api.got()); n != 0 {
			t.Errorf("%d calls were forwarded", n)
		}
		eventually(t, 10*time.Second, "the new refresh token is revoked", func() bool { return f.provider.Stats().LiveGrants == 0 })
		events := func() int { return strings.Count(f.logs(), "security: a refresh brought another identity") }
		eventually(t, time.Second, "a security event", func() bool { return events() > 0 })
		if n := events(); n != 1 {
			t.Errorf("%d security events, want 1", n)
		}
		f.presented(1, 0, 1)
		f.endedOnce("not_same_user")
	})
}

// T16.
func TestATokenForAnotherAudienceGoesNowhere(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T16 the audience is ignored", bolt: bolt, routes: `
  - {path: /other/, upstream: UPSTREAM, audience: "https://unknown.example.com"}`})
		f.provider.Adjust(func(k *devidp.Knobs) {
			k.Audiences, k.DefaultAudience, k.AudienceFallback = []string{"https://known.example.com"}, "https://known.example.com", true
		})
		ticket := f.signIn("user00")
		for range 4 {
			if a := f.get(t.Context(), ticket, "/other/x"); a.String() != "502 wrong_audience" {
				t.Errorf("got %v", a)
			}
		}
		if n := len(f.api.got()); n != 0 {
			t.Errorf("the upstream got %d calls", n)
		}
		f.call(ticket)
		if a := f.ask(t.Context(), f.replicas[0], ticket, http.MethodPost, "/bff/refresh"); a.status != http.StatusOK {
			t.Errorf("with the refresh token that came along: %v", a)
		}
		if got := f.provider.Stats(); got.Reuses != 0 || got.MaxPresentations != 1 {
			t.Errorf("the provider counts %+v", got)
		}
		f.neverEnded()
	})
}

// T17, with a limit of 10 instead of 200.
func TestEndedSessionsMakeRoomForTheOldestDevice(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T17 eleven logins, ten refresh tokens", bolt: bolt, session: "  idle_timeout: 6s"})
		f.provider.Adjust(func(k *devidp.Knobs) { k.RefreshTokenLimit, k.AccessTokenTTL = 10, time.Second })
		oldest := f.signIn("user00")
		stop := f.load([]string{oldest}, 500*time.Millisecond)
		for range 5 { // these leave by logout
			if a := f.ask(t.Context(), f.replicas[0], f.signIn("user00"), http.MethodPost, "/bff/logout"); a.status != http.StatusOK {
				t.Errorf("a logout got %v", a)
			}
		}
		for range 5 { // these by their idle limit
			f.signIn("user00")
		}
		eventually(t, 30*time.Second, "the refresh tokens of all that ended are revoked", func() bool { return f.provider.Stats().LiveGrants == 1 })
		for range 9 {
			f.signIn("user00")
		}
		if got := sum(stop()).but("200"); len(got) > 0 {
			t.Errorf("the oldest device got %v", got)
		}
		f.call(oldest)
	})
}

// T19.
func TestAPrefetchBeginsNoLogin(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T19 100 prefetches", bolt: bolt})
		for _, purpose := range []string{"prefetch", "prefetch;prerender"} {
			for range 50 {
				a := f.get(t.Context(), "", "/api/page", "Accept", "text/html", "Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Purpose", purpose)
				if a.String() != "401 no_session" || len(a.header.Values("Set-Cookie")) > 0 {
					t.Fatalf("got %v, cookies %q", a, a.header.Values("Set-Cookie"))
				}
			}
		}
	})
}

// T20. Stopped processes are a laptop that sleeps: the wall clock goes on without them.
func TestASleepThatIsShorterThanTheIdleLimitEndsNothing(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T20 sleep (seconds for hours)", bolt: bolt, session: "  idle_timeout: 8s"})
		f.tokensLast(time.Second)
		ticket := f.signIn("user00")
		f.sleep(4 * time.Second)
		calls := len(f.api.got())
		if got := f.burst(t.Context(), 20, ticket, "/api/orders")(); !got.only("200", 20) {
			t.Errorf("after a short sleep: %v", got)
		}
		for _, c := range f.api.got()[calls:] {
			if !f.provider.Active(strings.TrimPrefix(c.authorization, "Bearer ")) {
				t.Error("an access token was forwarded that had run out")
			}
		}
		f.presented(1, 0, 1)
		f.sleep(9 * time.Second)
		if got := f.burst(t.Context(), 20, ticket, "/api/orders")(); !got.only("401 session_expired", 20) {
			t.Errorf("after a long sleep: %v", got)
		}
		f.endedOnce("idle")
	})
}

// sleep stops all replicas for a while.
func (f *fleet) sleep(d time.Duration) {
	f.t.Helper()
	for _, g := range f.replicas {
		if err := g.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			f.t.Fatal(err)
		}
	}
	after(f.t, d)
	for _, g := range f.replicas {
		if err := g.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			f.t.Fatal(err)
		}
	}
}
