package telemetry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	return w.Body.String()
}

func TestEventsAreCounted(t *testing.T) {
	m := telemetry.NewMetrics("1.2.3")
	m.Request(proxy.Served{Route: "/api/", Method: "GET", Status: 200, Took: time.Millisecond})
	m.Request(proxy.Served{Route: "/api/", Method: "BREW", Status: 401, Code: "no_session"})
	m.Request(proxy.Served{Route: "/api/", Method: "POST", Status: 201, Replayed: true})
	m.Request(proxy.Served{Route: "/api/", Method: "POST", Status: 401, Replayed: true})
	for _, change := range []int{1, 1, -1} {
		m.Stream(proxy.WebSocket, change)
	}
	m.Session(session.Event{Kind: session.Began})
	m.Session(session.Event{Kind: session.Ended, Reason: session.LoggedOut})
	m.Session(session.Event{Kind: session.Refreshed, Outcome: "ok", Took: time.Second})
	m.Session(session.Event{Kind: session.Revoked, Outcome: "failed"})
	m.Revocations(func() (int, time.Time) { return 3, time.Now() })
	m.Session(session.Event{Kind: session.Locked})
	m.Reloaded(errors.New("a mistake"))
	m.ProviderCall(oidc.Call{Endpoint: "token", Outcome: "ok"})
	m.Upstreams(func() []proxy.UpstreamState {
		return []proxy.UpstreamState{{Host: "a:9000"}, {Host: "b:9000", Out: true}}
	})
	m.Sessions(func() session.Counts {
		return session.Counts{
			Live: 7, Hits: 5, Misses: 2, Waiting: 3, Flights: 1, TakenOver: 4, BreakerOpen: true,
			Budget: session.BudgetCounts{InLine: 6, AtOnce: 9, Waited: 8, GaveUp: 1, StoodBack: 2},
		}
	})
	got := scrape(t, m)
	for _, want := range []string{
		`cloakroom_requests_total{method="GET",route="/api/",status="2xx"} 1`,
		`cloakroom_requests_total{method="other",route="/api/",status="4xx"} 1`,
		`cloakroom_errors_total{code="no_session"} 1`,
		`cloakroom_upstream_replays_total{outcome="ok",route="/api/"} 1`,
		`cloakroom_upstream_replays_total{outcome="refused",route="/api/"} 1`,
		`cloakroom_streams_open{kind="websocket"} 1`,
		`cloakroom_sessions_begun_total 1`,
		`cloakroom_sessions_ended_total{reason="logout"} 1`,
		`cloakroom_refreshes_total{outcome="ok"} 1`,
		`cloakroom_refresh_duration_seconds_count 1`,
		`cloakroom_revocations_total{outcome="failed"} 1`,
		`cloakroom_revocations_waiting 3`,
		`cloakroom_revocations_waiting_oldest_seconds `,
		`cloakroom_records_locked_total 1`,
		`cloakroom_config_last_reload_ok 0`,
		`cloakroom_provider_calls_total{endpoint="token",outcome="ok"} 1`,
		`cloakroom_build_info{goversion="go`,
		`cloakroom_upstream_ready{upstream="a:9000"} 1`,
		`cloakroom_upstream_ready{upstream="b:9000"} 0`,
		`cloakroom_sessions_live 7`,
		`cloakroom_session_lookups_total{outcome="hit"} 5`,
		`cloakroom_session_lookups_total{outcome="miss"} 2`,
		`cloakroom_refresh_waiters 3`,
		`cloakroom_refresh_flights 1`,
		`cloakroom_leases_taken_over_total 4`,
		`cloakroom_provider_budget_waiting 6`,
		`cloakroom_provider_budget_total{outcome="at_once"} 9`,
		`cloakroom_provider_budget_total{outcome="waited"} 8`,
		`cloakroom_provider_budget_total{outcome="gave_up"} 1`,
		`cloakroom_provider_budget_total{outcome="stood_back"} 2`,
		`cloakroom_provider_breaker_open 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
}

func TestEveryNameIsOurs(t *testing.T) {
	for line := range strings.Lines(scrape(t, telemetry.NewMetrics("1.2.3"))) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "cloakroom_") {
			t.Errorf("a metric of another name: %s", line)
		}
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	m := telemetry.NewMetrics("1.2.3")
	m.Request(proxy.Served{Route: "/", Method: "GET", Status: 200})
	m.Sessions(func() session.Counts { return session.Counts{} })
	problems, err := promlint.New(strings.NewReader(scrape(t, m))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestSessionsThatNobodyHasCountedAreNotZero(t *testing.T) {
	m := telemetry.NewMetrics("1.2.3")
	m.Sessions(func() session.Counts { return session.Counts{Live: -1} })
	if got := scrape(t, m); strings.Contains(got, "cloakroom_sessions_live") {
		t.Error("the scrape has a number of live sessions that nobody knows")
	}
}

// A Prometheus that asks for protobuf gets native buckets beside the classic ones.
func TestHistogramsAreNativeToo(t *testing.T) {
	m := telemetry.NewMetrics("1.2.3")
	m.Request(proxy.Served{Route: "/", Method: "GET", Status: 200, Took: time.Millisecond})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	from := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header()))
	for {
		var family dto.MetricFamily
		if err := from.Decode(&family); err != nil {
			t.Fatalf("no request's time: %v", err)
		}
		if family.GetName() != "cloakroom_request_duration_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		if len(h.GetBucket()) == 0 || len(h.GetPositiveSpan()) == 0 {
			t.Errorf("%d classic buckets and %d native ones", len(h.GetBucket()), len(h.GetPositiveSpan()))
		}
		return
	}
}
