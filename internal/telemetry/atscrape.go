package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Revocations shows what waits for its revocation: backlog says how many sessions, and since
// when the oldest. It is asked at each scrape.
func (m *Metrics) Revocations(backlog func() (sessions int, oldest time.Time)) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "cloakroom_revocations_waiting", Help: "Ended sessions whose refresh token is still to be revoked, as far as this process knows.",
		}, func() float64 {
			sessions, _ := backlog()
			return float64(sessions)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "cloakroom_revocations_waiting_oldest_seconds", Help: "How long the oldest of them has waited; 0 if none does.",
		}, func() float64 {
			sessions, oldest := backlog()
			if sessions == 0 {
				return 0
			}
			return time.Since(oldest).Seconds()
		}),
	)
}

// Sessions shows what a session manager counts of itself. It is asked at each scrape.
func (m *Metrics) Sessions(counts func() session.Counts) {
	m.registry.MustRegister(&atScrape{sessionSamples(), func(emit func(string, float64, ...string)) {
		c := counts()
		if c.Live >= 0 {
			emit("cloakroom_sessions_live", float64(c.Live))
		}
		emit("cloakroom_session_lookups_total", float64(c.Hits), "hit")
		emit("cloakroom_session_lookups_total", float64(c.Misses), "miss")
		emit("cloakroom_refresh_waiters", float64(c.Waiting))
		emit("cloakroom_refresh_flights", float64(c.Flights))
		emit("cloakroom_leases_taken_over_total", float64(c.TakenOver))
		emit("cloakroom_provider_budget_waiting", float64(c.Budget.InLine))
		emit("cloakroom_provider_budget_total", float64(c.Budget.AtOnce), "at_once")
		emit("cloakroom_provider_budget_total", float64(c.Budget.Waited), "waited")
		emit("cloakroom_provider_budget_total", float64(c.Budget.GaveUp), "gave_up")
		emit("cloakroom_provider_budget_total", float64(c.Budget.StoodBack), "stood_back")
		emit("cloakroom_provider_breaker_open", one(c.BreakerOpen))
	}})
}

func sessionSamples() samples {
	return samples{
		"cloakroom_sessions_live":           gauge("Live sessions in the store, of all processes that use it, as counted seconds ago. One that has ended counts for up to five minutes more."),
		"cloakroom_session_lookups_total":   counter("Sessions that were asked for, by whether memory had them (hit) or the store was read (miss).", "outcome"),
		"cloakroom_refresh_waiters":         gauge("Requests that wait for a token at this moment."),
		"cloakroom_refresh_flights":         gauge("Refreshes and other calls for tokens that are under way."),
		"cloakroom_leases_taken_over_total": counter("Refresh tokens whose last holder never said what came of its refresh: it was killed, or cut off from the store."),
		"cloakroom_provider_budget_waiting": gauge("Refreshes that wait for their turn at the provider (session.refresh.rate)."),
		"cloakroom_provider_budget_total":   counter("Refreshes by what the budget for the provider (session.refresh.rate) made of them: at_once, waited, gave_up (waited in vain, or would have), stood_back (had a token that held, and left their turn to others).", "outcome"),
		"cloakroom_provider_breaker_open":   gauge("1 while the provider has failed so often that only probes are sent."),
	}
}

// Upstreams shows which servers of the routes with several upstreams get requests. It is
// asked at each scrape.
func (m *Metrics) Upstreams(states func() []proxy.UpstreamState) {
	ready := samples{"cloakroom_upstream_ready": gauge("1 if a server of a list of upstreams gets requests, 0 while it is left out.", "upstream")}
	m.registry.MustRegister(&atScrape{ready, func(emit func(string, float64, ...string)) {
		for _, s := range states() {
			emit("cloakroom_upstream_ready", one(!s.Out), s.Host)
		}
	}})
}

// samples are metrics by their names.
type samples map[string]sample

type sample struct {
	help   string
	kind   prometheus.ValueType
	labels []string
}

func gauge(help string, labels ...string) sample { return sample{help, prometheus.GaugeValue, labels} }

func counter(help string, labels ...string) sample {
	return sample{help, prometheus.CounterValue, labels}
}

// atScrape is a collector of what others count.
type atScrape struct {
	samples samples
	collect func(emit func(name string, value float64, labels ...string))
}

func (s sample) desc(name string) *prometheus.Desc {
	return prometheus.NewDesc(name, s.help, s.labels, nil)
}

// Describe implements prometheus.Collector.
func (a *atScrape) Describe(to chan<- *prometheus.Desc) {
	for name, s := range a.samples {
		to <- s.desc(name)
	}
}

// Collect implements prometheus.Collector.
func (a *atScrape) Collect(to chan<- prometheus.Metric) {
	a.collect(func(name string, value float64, labels ...string) {
		s := a.samples[name]
		to <- prometheus.MustNewConstMetric(s.desc(name), s.kind, value, labels...)
	})
}
