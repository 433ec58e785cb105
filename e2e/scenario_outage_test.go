//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// outageLasts is a minute where there is time.
func outageLasts() time.Duration {
	if long() {
		return time.Minute
	}
	return 8 * time.Second
}

// The provider is away, in every way that there is, while some sessions have an access token
// that holds and some have not.
func TestAnOutageOfTheProviderLogsNobodyOut(t *testing.T) {
	t.Parallel()
	canned := func(status int, contentType, body string, more ...string) func(f *fleet) {
		headers := map[string]string{"Content-Type": contentType}
		for i := 0; i+1 < len(more); i += 2 {
			headers[more[i]] = more[i+1]
		}
		return func(f *fleet) {
			f.provider.Adjust(func(k *devidp.Knobs) {
				k.ErrorNext = []devidp.CannedAnswer{{Status: status, Headers: headers, Body: body, Times: -1}}
			})
		}
	}
	cure := func(f *fleet) {
		f.provider.Adjust(func(k *devidp.Knobs) { k.ErrorNext, k.Timing = nil, devidp.Timing{} })
	}
	for _, row := range []struct {
		name     string
		begin    func(f *fleet)
		end      func(f *fleet)
		want     string
		operator bool
	}{
		{"500", canned(500, "application/json", `{"error":"server_error"}`), cure, "503 idp_unavailable", false},
		{"429 (T8)", canned(429, "application/json", `{"error":"too_many_requests"}`, "Retry-After", "2"), cure, "503 idp_unavailable", false},
		{"HTML", canned(403, "text/html", "<!doctype html><title>Attention required</title>"), cure, "503 idp_unavailable", false},
		{"hang", func(f *fleet) {
			f.provider.Adjust(func(k *devidp.Knobs) { k.Timing = devidp.Timing{Mode: devidp.Hang} })
		}, cure, "503 idp_unavailable", false},
		{"connection refused", func(f *fleet) { f.token.cut() }, func(f *fleet) { f.token.mend() }, "503 idp_unavailable", false},
		{"invalid_client", canned(401, "application/json", `{"error":"invalid_client"}`), cure, "503 gateway_misconfigured", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			everyStore(t, func(t *testing.T, bolt bool) {
				f := launch(t, setting{scenario: fmt.Sprintf("outage of %v: %s", outageLasts(), row.name), bolt: bolt, timeout: "1s", wait: "5s"})
				f.tokensLast(10 * time.Minute)
				valid := f.signInAll(10)
				f.tokensLast(time.Second)
				expired := make([]string, 20)
				for i := range expired {
					expired[i] = f.signIn(fmt.Sprintf("user%02d", 10+i))
				}
				f.tokensLast(10 * time.Minute)
				after(t, 1100*time.Millisecond)
				before := f.provider.Stats()

				row.begin(f)
				began := time.Now()
				stopValid, stopExpired := f.load(valid, 50*time.Millisecond), f.load(expired, 50*time.Millisecond)
				if row.operator {
					eventually(t, 10*time.Second, "/readyz tells", func() bool { return strings.Contains(f.readiness(), "invalid_client") })
					if f.metric("cloakroom_provider_ready")[""] >= len(f.replicas) {
						t.Error("by the metric every replica's provider is ready")
					}
				}
				after(t, outageLasts()-time.Since(began))
				if got := sum(stopValid()); len(got.but("200")) > 0 || got["200"] == 0 {
					t.Errorf("with tokens that hold: %v", got)
				}
				if got := sum(stopExpired()); len(got.but(row.want)) > 0 || got[row.want] == 0 {
					t.Errorf("with tokens that have run out: %v", got)
				}
				attempts, lasted := f.attempts(), time.Since(began)
				f.neverEnded()

				row.end(f)
				recovered := f.recover(expired)
				if recovered > 10*time.Second {
					t.Errorf("it took %v until all were served again", recovered)
				}
				f.neverEnded()
				now := f.provider.Stats()
				if now.AuthorizeRequests != before.AuthorizeRequests || now.Reuses != 0 || now.Refreshes != before.Refreshes+len(expired) {
					t.Errorf("the provider counts %+v, before it was %+v", now, before)
				}
				// The breaker lets five failures pass, those that were under way beside
				// them, and then a probe at a time.
				if most := len(f.replicas) * (len(expired) + 5 + 2*int(lasted.Seconds())); attempts > most {
					t.Errorf("%d attempts in %v, want at most %d", attempts, lasted, most)
				}
				if row.operator {
					eventually(t, 5*time.Second, "/readyz is content again", func() bool { return !strings.Contains(f.readiness(), "invalid_client") })
				}
				f.remark = fmt.Sprintf("%d attempts in it, all served %v after it", attempts, recovered.Round(10*time.Millisecond))
			})
		})
	}
}

// attempts is how often a refresh token was presented, by the replicas' own count.
func (f *fleet) attempts() (n int) {
	f.t.Helper()
	for _, count := range f.metric("cloakroom_refreshes_total") {
		n += count
	}
	return n
}

// recover calls with every ticket until all are served, and returns how long that took.
func (f *fleet) recover(tickets []string) time.Duration {
	f.t.Helper()
	began := time.Now()
	eventually(f.t, 40*time.Second, "all sessions are served again", func() bool {
		good := 0
		for _, ticket := range tickets {
			a := f.get(f.t.Context(), ticket, "/api/orders")
			if a.status == http.StatusUnauthorized {
				f.t.Fatalf("somebody has to log in again: %v", a)
			}
			if a.status == http.StatusOK {
				good++
			}
		}
		return good == len(tickets)
	})
	return time.Since(began)
}

// readiness returns what all replicas' /readyz say.
func (f *fleet) readiness() string {
	f.t.Helper()
	var all strings.Builder
	for _, g := range f.replicas {
		req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, g.admin+"/readyz", nil)
		if err != nil {
			f.t.Fatal(err)
		}
		res, err := f.client.Do(req)
		if err != nil {
			f.t.Fatal(err)
		}
		fmt.Fprintln(&all, res.Status)
		if _, err := io.Copy(&all, res.Body); err != nil {
			f.t.Error(err)
		}
		_ = res.Body.Close()
	}
	return all.String()
}

// T9. The new secret is read at a restart, one replica after the other.
func TestAClientSecretThatWasChangedIsTheOperatorsToMend(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		f := launch(t, setting{scenario: "T9 the client secret is changed", bolt: bolt})
		f.tokensLast(10 * time.Minute)
		valid := f.signIn("user01")
		ticket := f.expired()
		secret, ok := f.provider.RotateClientSecret("cloakroom")
		if !ok {
			t.Fatal("the provider knows no such client")
		}
		if got := f.burst(t.Context(), 20, ticket, "/api/orders")(); !got.only("503 gateway_misconfigured", 20) {
			t.Errorf("got %v", got)
		}
		f.call(valid)
		if all := f.readiness(); !strings.Contains(all, "503 ") || !strings.Contains(all, `"what":"provider"`) || !strings.Contains(all, "invalid_client") {
			t.Errorf("/readyz does not say so:\n%s", all)
		}
		f.neverEnded()
		for _, g := range f.replicas {
			g.write("client.secret", []byte(secret))
			g.stop()
			g.start()
		}
		f.recover([]string{ticket, valid})
		if all := f.readiness(); strings.Contains(all, "503 ") {
			t.Errorf("/readyz still complains:\n%s", all)
		}
		if got := f.provider.Stats(); got.Refreshes != 1 || got.Reuses != 0 || got.SignIns != 2 {
			t.Errorf("the provider counts %+v", got)
		}
		f.neverEnded()
	})
}
