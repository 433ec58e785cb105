package telemetry_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// tracer sends to where nobody listens.
func tracer(t *testing.T) *telemetry.Tracer {
	t.Helper()
	tr, err := telemetry.NewTracer(t.Context(), "http://127.0.0.1:1", "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		over, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		stop()
		_ = tr.Close(over) // nothing can be sent
	})
	return tr
}

const theirs = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestATraceGoesOnFromWhoIsBelievedOnly(t *testing.T) {
	t.Parallel()
	tr := tracer(t)
	caller := http.Header{"Traceparent": {"00-" + theirs + "-00f067aa0ba902b7-01"}, "Tracestate": {"vendor=1"}}
	for _, row := range []struct {
		name   string
		caller http.Header
		goesOn bool
	}{
		{"a trusted proxy", caller, true},
		{"a client", nil, false},
		{"a trusted proxy that writes nonsense", http.Header{"Traceparent": {"00-x"}}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ctx := tr.Request(t.Context(), row.caller)
			to := caller.Clone() // as the client sent it, to be forwarded
			_, end := tr.Upstream(ctx, to)
			end(nil, nil)
			tr.Answered(ctx, proxy.Served{Route: "/api/", Method: "GET", Status: 200})
			parts := strings.Split(to.Get("Traceparent"), "-")
			if len(parts) != 4 || parts[1] != tr.ID(ctx) || parts[2] == "00f067aa0ba902b7" {
				t.Fatalf("the upstream gets %q in the trace %s", to, tr.ID(ctx))
			}
			if goesOn := parts[1] == theirs; goesOn != row.goesOn || (to.Get("Tracestate") == "vendor=1") != row.goesOn {
				t.Errorf("the upstream gets %q", to)
			}
		})
	}
}

// Else a sweep of the store would be a trace each second.
func TestWhatNoRequestCausedIsInNoTrace(t *testing.T) {
	t.Parallel()
	tr := tracer(t)
	ctx, part := tr.Begin(t.Context(), "refresh")
	part.End(nil)
	ctx, part = tr.Call(ctx, "store due")
	part.End(nil)
	if id := tr.ID(ctx); id != "" {
		t.Errorf("it is in the trace %s", id)
	}
}

func TestAnEndpointThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"collector:4318", "grpc://collector:4317", "http://", "%"} {
		if _, err := telemetry.NewTracer(t.Context(), endpoint, "1.2.3", slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q is taken", endpoint)
		}
	}
}
