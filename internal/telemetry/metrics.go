// Package telemetry hears what happens and counts it. The core reports events through
// plain functions (session.Config.Observe, proxy.Config.Observe, oidc.Config.Observe);
// here they become Prometheus metrics, all named cloakroom_….
//
//	metrics := telemetry.NewMetrics("1.2.3")
//	session.Config{Observe: metrics.Session}
//	http.Handle("/metrics", metrics.Handler())
//
// No label grows with users: routes and reasons come from the configuration and the code.
package telemetry

import (
	"cmp"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Metrics counts events. Its methods are quick, never block and are safe for concurrent
// use.
type Metrics struct {
	registry *prometheus.Registry
	series   series // of every request

	requests       *prometheus.CounterVec
	requestTimes   *prometheus.HistogramVec
	errors         *prometheus.CounterVec
	replays        *prometheus.CounterVec
	streams        *prometheus.GaugeVec
	refreshes      *prometheus.CounterVec
	refreshTimes   prometheus.Histogram
	begun          prometheus.Counter
	ended          *prometheus.CounterVec
	revocations    *prometheus.CounterVec
	locked         prometheus.Counter
	signals        *prometheus.CounterVec
	providerCalls  *prometheus.CounterVec
	providerTimes  *prometheus.HistogramVec
	providerReady  prometheus.Gauge
	storeCalls     *prometheus.CounterVec
	storeTimes     *prometheus.HistogramVec
	storeReachable prometheus.Gauge
	reloaded       prometheus.Gauge
}

// NewMetrics returns metrics on a registry of their own, with those of the process and of
// the Go runtime.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_requests_total", Help: "Requests that were answered, by route (its path, bff for the gateway's own endpoints), method and status class.",
		}, []string{"route", "method", "status"}),
		requestTimes: prometheus.NewHistogramVec(histogram(
			"cloakroom_request_duration_seconds", "Time from a request to the end of its answer, of a stream to its beginning, by route.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30,
		), []string{"route"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_errors_total", Help: "Answers that were the gateway's own errors, by code.",
		}, []string{"code"}),
		replays: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_upstream_replays_total", Help: "Requests that were sent to the upstream once more since it refused their token, by route and outcome (refused: the fresh token, too).",
		}, []string{"route", "outcome"}),
		streams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloakroom_streams_open", Help: "Streams that are open, by kind: websocket, event_stream (an upstream's), bff_events (the gateway's own).",
		}, []string{"kind"}),
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_refreshes_total", Help: "Presentations of a refresh token, by outcome.",
		}, []string{"outcome"}),
		refreshTimes: prometheus.NewHistogram(histogram(
			"cloakroom_refresh_duration_seconds", "Time that the provider took for a refresh.", providerBuckets()...,
		)),
		begun: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloakroom_sessions_begun_total", Help: "Sessions that began.",
		}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_sessions_ended_total", Help: "Sessions that ended, by reason.",
		}, []string{"reason"}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_revocations_total", Help: "Attempts to revoke a refresh token, by outcome.",
		}, []string{"outcome"}),
		locked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloakroom_records_locked_total", Help: "Attempts to open a session record that no key of session.keys opens. Nobody is signed out by it; look at the keys.",
		}),
		signals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_signals_total", Help: "Security events that were taken, by kind (other: not known here) and outcome.",
		}, []string{"event", "outcome"}),
		providerCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_provider_calls_total", Help: "Calls to the provider, by endpoint and outcome.",
		}, []string{"endpoint", "outcome"}),
		providerTimes: prometheus.NewHistogramVec(histogram(
			"cloakroom_provider_call_duration_seconds", "Time that a call to the provider took, by endpoint.", providerBuckets()...,
		), []string{"endpoint"}),
		storeCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_store_operations_total", Help: "Operations on the session store, by kind and outcome (not_found, conflict and exists are answers, error is none).",
		}, []string{"operation", "outcome"}),
		storeTimes: prometheus.NewHistogramVec(histogram(
			"cloakroom_store_operation_duration_seconds", "Time that an operation on the session store took, by kind.",
			.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5,
		), []string{"operation"}),
		providerReady: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cloakroom_provider_ready", Help: "1 if the provider's metadata are known and it accepts the gateway as a client.",
		}),
		storeReachable: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cloakroom_store_ready", Help: "1 if the session store answers.",
		}),
	}
	m.series.requests, m.series.times = m.requests, m.requestTimes
	m.reloaded = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cloakroom_config_last_reload_ok", Help: "1 unless the last reload of the configuration was refused; then the one before goes on.",
	})
	m.reloaded.Set(1)
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cloakroom_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(
		m.requests, m.requestTimes, m.errors, m.replays, m.streams, m.refreshes, m.refreshTimes, m.begun, m.ended, m.revocations, m.locked, m.signals,
		m.providerCalls, m.providerTimes, m.storeCalls, m.storeTimes, m.providerReady, m.storeReachable, m.reloaded, info,
	)
	// Those of the runtime and the process, too, are told apart from another program's.
	prometheus.WrapRegistererWithPrefix("cloakroom_", m.registry).MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// histogram describes one that has both kinds of buckets: the classic ones, and native ones
// a tenth apart for a Prometheus that asks for them.
func histogram(name, help string, buckets ...float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}

// providerBuckets are seconds; a provider is far away and slow.
func providerBuckets() []float64 { return []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20} }

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request counts a request that was answered.
func (m *Metrics) Request(s proxy.Served) {
	own := m.series.of(s.Route)
	own.count(s.Method, s.Status).Inc()
	own.times.Observe(s.Took.Seconds())
	if s.Code != "" {
		m.errors.WithLabelValues(string(s.Code)).Inc()
	}
	if s.Replayed {
		outcome := "ok"
		if s.Status == http.StatusUnauthorized {
			outcome = "refused"
		}
		m.replays.WithLabelValues(s.Route, outcome).Inc()
	}
}

// Stream counts a stream that opened (+1) or ended (-1).
func (m *Metrics) Stream(kind proxy.StreamKind, change int) {
	m.streams.WithLabelValues(string(kind)).Add(float64(change))
}

// Session counts an event of a session.
func (m *Metrics) Session(e session.Event) {
	switch e.Kind {
	case session.Began:
		m.begun.Inc()
	case session.Ended:
		m.ended.WithLabelValues(string(e.Reason)).Inc()
	case session.Refreshed:
		m.refreshes.WithLabelValues(e.Outcome).Inc()
		m.refreshTimes.Observe(e.Took.Seconds())
	case session.Revoked:
		m.revocations.WithLabelValues(e.Outcome).Inc()
	case session.Locked:
		m.locked.Inc()
	}
}

// Signal counts a security event that was taken.
func (m *Metrics) Signal(s proxy.Signal) {
	m.signals.WithLabelValues(cmp.Or(s.Name, "other"), string(s.Outcome)).Inc()
}

// ProviderCall counts a call to the provider.
func (m *Metrics) ProviderCall(c oidc.Call) {
	m.providerCalls.WithLabelValues(c.Endpoint, c.Outcome).Inc()
	m.providerTimes.WithLabelValues(c.Endpoint).Observe(c.Took.Seconds())
}

// Readiness notes what a look at the provider and the store found.
func (m *Metrics) Readiness(provider, store error) {
	m.providerReady.Set(one(provider == nil))
	m.storeReachable.Set(one(store == nil))
}

// Reloaded notes how a reload of the configuration ended.
func (m *Metrics) Reloaded(err error) { m.reloaded.Set(one(err == nil)) }

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
