package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Tracer follows requests with OpenTelemetry, and sends the traces to a collector (OTLP over
// HTTP). A trace begins with a request: what the gateway does by itself, in the background,
// is in none. No attribute holds a path, a query, a header or a claim. It implements
// proxy.Tracer and is safe for concurrent use.
//
// What OpenTelemetry's own environment variables say counts: OTEL_TRACES_SAMPLER and
// OTEL_TRACES_SAMPLER_ARG (all requests, if nothing is said), OTEL_EXPORTER_OTLP_HEADERS,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, OTEL_BSP_*.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	wire     propagation.TraceContext
}

var _ proxy.Tracer = (*Tracer)(nil)

// traceKey is what a trace is named by in the log and in the audit log.
const traceKey = "trace_id"

// NewTracer returns a Tracer that sends to a collector's endpoint, such as
// http://localhost:4318. A collector that is away costs the traces and nothing else; log
// hears of it.
func NewTracer(ctx context.Context, endpoint, version string, log *slog.Logger) (*Tracer, error) {
	to, err := tracesAt(endpoint)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "cloakroom"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("telemetry: what the environment says of the service: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&told{SpanExporter: exporter, log: log}),
		sdktrace.WithResource(about))
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/cloakroom-bff/cloakroom", trace.WithInstrumentationVersion(version))}, nil
}

// tracesAt is where a collector takes traces: an endpoint without a path means OTLP's own.
func tracesAt(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("telemetry: the endpoint for traces must be an http or https URL, such as http://localhost:4318")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// Close sends what has gathered, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("telemetry: the last traces were not sent: %w", err)
	}
	return nil
}

// Request implements proxy.Tracer.
func (t *Tracer) Request(ctx context.Context, caller http.Header) context.Context {
	if caller != nil {
		ctx = t.wire.Extract(ctx, propagation.HeaderCarrier(caller))
	}
	// The route, and so the name, is known at the end.
	ctx, _ = t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx
}

// Answered implements proxy.Tracer.
func (t *Tracer) Answered(ctx context.Context, s proxy.Served) {
	span := trace.SpanFromContext(ctx)
	defer span.End()
	if !span.IsRecording() {
		return
	}
	m := methods[methodIndex(s.Method)]
	if m == "other" {
		m = "_OTHER"
	}
	span.SetName(strings.TrimSpace(m + " " + s.Route))
	span.SetAttributes(
		attribute.String("http.request.method", m),
		attribute.String("http.route", s.Route),
		attribute.Int("http.response.status_code", s.Status))
	if s.Code != "" {
		span.SetAttributes(attribute.String("error.type", s.Code))
	}
	if s.Replayed {
		span.SetAttributes(attribute.Bool("cloakroom.replayed", true))
	}
	if s.Status >= 500 {
		span.SetStatus(codes.Error, s.Code)
	}
	if s.Decided != nil {
		span.AddEvent("explain", trace.WithAttributes(explanationOf(s.Decided)...))
	}
}

// explanationOf is what was decided of a request, by the names of docs/explain.md.
func explanationOf(d *proxy.Decided) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("cloakroom.request.class", d.Class),
		attribute.String("cloakroom.csrf.verdict", d.CSRF),
		attribute.String("cloakroom.csrf.why", d.CSRFWhy),
		attribute.String("cloakroom.session.state", d.Session),
		attribute.String("cloakroom.token.kind", d.Token),
	}
	if d.Session == "live" {
		all = append(all,
			attribute.Int64("cloakroom.session.age", int64(d.Age/time.Second)),
			attribute.Int64("cloakroom.session.idle_expires_in", int64(d.IdleLeft/time.Second)),
			attribute.Int64("cloakroom.session.expires_in", int64(d.Remaining/time.Second)))
	}
	if d.Decision != "" {
		all = append(all, attribute.String("cloakroom.token.decision", string(d.Decision)))
	}
	return all
}

// Upstream implements proxy.Tracer.
func (t *Tracer) Upstream(ctx context.Context, header http.Header) (context.Context, func(*http.Response, error)) {
	ctx, span := t.start(ctx, "upstream", trace.SpanKindClient)
	for _, name := range t.wire.Fields() {
		header.Del(name)
	}
	t.wire.Inject(ctx, propagation.HeaderCarrier(header))
	return ctx, func(res *http.Response, err error) {
		if res != nil {
			span.SetAttributes(attribute.Int("http.response.status_code", res.StatusCode))
			if res.StatusCode >= 500 {
				span.SetStatus(codes.Error, "")
			}
		}
		part{span}.End(err)
	}
}

// Begin implements session.Tracer.
func (t *Tracer) Begin(ctx context.Context, name string, with ...session.Part) (context.Context, session.Part) {
	links := make([]trace.Link, 0, len(with))
	for _, other := range with {
		if p, ok := other.(part); ok {
			links = append(links, trace.Link{SpanContext: p.span.SpanContext()})
		}
	}
	ctx, span := t.start(ctx, name, trace.SpanKindInternal, links...)
	return ctx, part{span}
}

// Call implements session.Tracer.
func (t *Tracer) Call(ctx context.Context, name string) (context.Context, session.Part) {
	ctx, span := t.start(ctx, name, trace.SpanKindClient)
	return ctx, part{span}
}

// start begins a span in the trace that ctx belongs to. Without one there is nothing to
// follow, and the span is one that notes nothing.
func (t *Tracer) start(ctx context.Context, name string, kind trace.SpanKind, links ...trace.Link) (context.Context, trace.Span) {
	if within := trace.SpanFromContext(ctx); !within.SpanContext().IsValid() {
		return ctx, within
	}
	return t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithLinks(links...))
}

// ID implements session.Tracer.
func (t *Tracer) ID(ctx context.Context) string {
	if within := trace.SpanContextFromContext(ctx); within.HasTraceID() {
		return within.TraceID().String()
	}
	return ""
}

// part is a span as the session's Manager knows it.
type part struct{ span trace.Span }

// End implements session.Part. The texts of errors are those that the log has.
func (p part) End(err error) {
	if err != nil {
		p.span.SetStatus(codes.Error, bounded(err.Error()))
	}
	p.span.End()
}

// told tells the log when traces cannot be delivered, once until they can again. The SDK's
// own handler of errors is the whole process's.
type told struct {
	sdktrace.SpanExporter
	log  *slog.Logger
	lost atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *told) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch lost := e.lost.Swap(err != nil); {
	case err != nil && !lost:
		e.log.WarnContext(ctx, "traces cannot be delivered and are lost", "err", err)
	case err == nil && lost:
		e.log.InfoContext(ctx, "traces are delivered again")
	}
	return nil
}
