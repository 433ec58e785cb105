package proxy

import (
	"context"
	"log/slog"
	"time"
)

// Line is the log line of a request.
type Line struct {
	At                        time.Time
	Level                     slog.Level
	Method, Host, Path, Route string
	Status                    int
	Took                      time.Duration
	Client                    string
	Code                      string // of an error of the gateway's own; empty: none
	Error                     string // empty: none
}

// LineHandler is a slog.Handler that writes the line of a request from its parts. A slog.Record
// has room for five attributes; with more it allocates. Like Handle, HandleLine is called only if
// the handler is enabled for the level, and is safe for concurrent use.
type LineHandler interface {
	slog.Handler
	HandleLine(ctx context.Context, l Line) error
}

// Record is the line as any other handler takes it.
func (l *Line) Record() slog.Record {
	r := slog.NewRecord(l.At, l.Level, "request", 0)
	r.AddAttrs(
		slog.String("method", l.Method),
		slog.String("host", l.Host),
		slog.String("path", l.Path),
		slog.String("route", l.Route),
		slog.Int("status", l.Status),
		slog.Duration("took", l.Took),
		slog.String("client", l.Client))
	if l.Code != "" {
		r.AddAttrs(slog.String("code", l.Code))
	}
	if l.Error != "" {
		r.AddAttrs(slog.String("error", l.Error))
	}
	return r
}
