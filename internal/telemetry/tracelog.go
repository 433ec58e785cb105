package telemetry

import (
	"context"
	"log/slog"
)

// Log names in each line the trace of the request that it is about.
func (t *Tracer) Log(h slog.Handler) slog.Handler { return &traceLog{h, t} }

type traceLog struct {
	slog.Handler
	tracer *Tracer
}

// Handle implements slog.Handler.
func (l *traceLog) Handle(ctx context.Context, r slog.Record) error {
	if id := l.tracer.ID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String(traceKey, id))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *traceLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &traceLog{l.Handler.WithAttrs(attrs), l.tracer}
}

// WithGroup implements slog.Handler.
func (l *traceLog) WithGroup(name string) slog.Handler {
	return &traceLog{l.Handler.WithGroup(name), l.tracer}
}
