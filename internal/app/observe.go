package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// openTracer returns what follows requests; nil if nobody wants to know.
func openTracer(ctx context.Context, c config.Telemetry, x extras) (*telemetry.Tracer, error) {
	if c.OTLPEndpoint == "" {
		return nil, nil
	}
	tracer, err := telemetry.NewTracer(ctx, c.OTLPEndpoint, x.Version, x.Log)
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
	}
	return tracer, nil
}

// showCounts lets a scrape see what the parts count of themselves.
func (a *App) showCounts() {
	a.metrics.Sessions(a.sessions.Counts)
	a.metrics.Revocations(a.sessions.Backlog)
	a.metrics.Upstreams(func() []proxy.UpstreamState { return a.now.Load().gateway.Upstreams() })
}

// following is the tracer as the other parts know it: one that is not there is a nil
// interface.
func (a *App) following() proxy.Tracer {
	if a.tracer == nil {
		return nil
	}
	return a.tracer
}

// lastTraces is how long a shutdown waits for a collector.
const lastTraces = 5 * time.Second

// closeTracer sends the last traces.
func (a *App) closeTracer(ctx context.Context) {
	if a.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastTraces)
	defer cancel()
	if err := a.tracer.Close(ctx); err != nil {
		a.log.Warn("traces: some are lost", "err", err)
	}
}

// storePatience is how long a scrape waits for the store's sign of life.
const storePatience = time.Second

// scrape answers a scrape. What /readyz would say is looked up for it, so that the gauges
// are true where nobody asks /readyz.
func (a *App) scrape() http.Handler {
	metrics := a.metrics.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), storePatience)
		defer cancel()
		a.ready(r.WithContext(ctx))
		metrics.ServeHTTP(w, r)
	})
}
