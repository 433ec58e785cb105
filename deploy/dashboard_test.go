//go:build e2e

package deploy

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// examined is what tools/promql says.
type examined struct {
	Series, Native int
	Queries        []struct {
		Panel, Expr string
		Samples     int
	}
	Alerts []struct {
		Name, Held string
		Fires      bool
	}
}

// A day in the life of a gateway, as Prometheus sees it: every query of the dashboard has
// something to show, and those alerts fire that should.
func TestTheDashboardAndTheAlertsShowWhatHappens(t *testing.T) {
	t.Parallel()
	s := openScene(t)
	s.play()
	for _, row := range []struct {
		name    string
		scrapes []string
		native  bool
	}{
		{"text", s.text, false},
		{"protobuf, with native histograms", s.protobuf, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got examined
			args := append([]string{"-dashboard", "grafana/cloakroom.json", "-rules", "prometheus/alerts.yaml", "-step", "30s"}, row.scrapes...)
			if err := json.Unmarshal(must(t, parts.promql, args...), &got); err != nil {
				t.Fatal(err)
			}
			if got.Series < 100 || (got.Native > 0) != row.native {
				t.Errorf("%d series, %d of them native histograms", got.Series, got.Native)
			}
			got.check(t)
		})
	}
}

func (got examined) check(t *testing.T) {
	t.Helper()
	if len(got.Queries) < 40 {
		t.Errorf("the dashboard has %d queries", len(got.Queries))
	}
	for _, q := range got.Queries {
		if q.Samples == 0 {
			t.Errorf("the panel %q shows nothing: %s", q.Panel, q.Expr)
		}
	}
	// The outage, the upstream that is gone and the file with a mistake are told; the store
	// is well, and so are the keys and the identities.
	fire := []string{"CloakroomErrors", "CloakroomProviderDown", "CloakroomProviderFailing", "CloakroomReloadRefused", "CloakroomUpstreamLeftOut"}
	if len(got.Alerts) < 15 {
		t.Errorf("%d alerts", len(got.Alerts))
	}
	for _, a := range got.Alerts {
		if want := slices.Contains(fire, a.Name); a.Fires != want {
			t.Errorf("%s fires: %v, want %v; it held for %s", a.Name, a.Fires, want, a.Held)
		}
	}
}

// play is the script. What is scraped counts as half a minute apart.
func (s *scene) play() {
	s.t.Helper()
	s.scrape()
	var users []*http.Client
	for _, name := range []string{"alice", "bob", "alice", "bob", "alice", "bob"} {
		users = append(users, s.signIn(name))
	}
	s.everybodyCalls(users)
	s.scrape()

	// Tokens live for two seconds: several lifetimes.
	for _, refreshes := range []int{6, 12} {
		s.until("refreshes", func() bool {
			s.everybodyCalls(users)
			return s.provider.Stats().Refreshes >= refreshes
		})
		s.scrape()
	}

	s.moody.Store(true) // so that a request is replayed
	s.ask(users[0], http.MethodGet, "/api/orders", "cors")
	s.ask(users[1], http.MethodGet, "/api/stream", "cors")
	s.ask(users[2], http.MethodGet, "/bff/events", "cors")
	s.ask(&http.Client{}, http.MethodGet, "/api/orders", "cors") // nobody is signed in there
	s.ask(users[5], http.MethodPost, "/bff/logout", "cors")
	users = users[:5]
	s.until("its refresh token is revoked", func() bool { return s.counts(`cloakroom_revocations_total{outcome="ok"} 1`) })
	s.second.CloseClientConnections()
	s.second.Close()
	s.everybodyCalls(users)
	s.scrape()

	s.configure("public_url: nonsense")
	if err := s.gateway.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	s.until("the file is refused", func() bool { return s.counts("cloakroom_config_last_reload_ok 0") })
	s.scrape()

	s.provider.Adjust(func(k *devidp.Knobs) { // its pages go on, as they often do
		k.ErrorNext = []devidp.CannedAnswer{
			{At: devidp.TokenEndpoint, Status: http.StatusServiceUnavailable, Times: -1},
			{At: devidp.RevocationEndpoint, Status: http.StatusServiceUnavailable, Times: -1},
		}
	})
	s.until("the breaker opens", func() bool {
		s.everybodyCalls(users)
		return s.counts("cloakroom_provider_breaker_open 1")
	})
	s.ask(users[4], http.MethodPost, "/bff/logout", "cors") // its refresh token has to wait
	users = users[:4]
	s.until("a revocation waits", func() bool { return s.counts("cloakroom_revocations_waiting 1") })
	for range 24 {
		s.everybodyCalls(users)
		if _, answer := s.login("bob"); answer.StatusCode != http.StatusServiceUnavailable {
			s.t.Errorf("a login in the outage is answered with %s", answer.Status)
		}
		s.scrape()
	}
}

// everybodyCalls sends a few calls of each user, side by side.
func (s *scene) everybodyCalls(users []*http.Client) {
	var all sync.WaitGroup
	for _, c := range users {
		for _, path := range []string{"/api/orders", "/many/things", "/bff/session"} {
			all.Go(func() { s.ask(c, http.MethodGet, path, "cors") })
		}
	}
	all.Wait()
}
