package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// statusClientLeft is what the log says where nobody was left to answer; nginx made the
// number known.
const statusClientLeft = 499

// finish writes the one log line of a request, tells the observer, and turns a panic of a
// handler into an answer. panicked is what recover returned.
func (g *Gateway) finish(x *exchange, r *http.Request, panicked any) {
	abort := panicked != nil
	if panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint // the very value, as the server compares it
		abort = g.recovered(x, r, panicked)
	}
	if x.status == 0 {
		x.status = http.StatusOK // The server's own choice for a handler that says nothing.
		if abort {
			x.status = statusClientLeft
		}
	}
	now := g.cfg.Now()
	took := now.Sub(x.began)
	g.logRequest(x, r, now, took)
	if !x.opened.IsZero() {
		took = x.opened.Sub(x.began) // an hour of a WebSocket is no slow answer
	}
	served := Served{Route: x.name, Method: r.Method, Status: x.status, Code: string(x.code), Replayed: x.replayed, Took: took, Decided: g.decided(x, r)}
	if g.cfg.Observe != nil {
		g.cfg.Observe(served)
	}
	if g.cfg.Tracer != nil {
		g.cfg.Tracer.Answered(r.Context(), served)
	}
	if x.incoming != nil && !abort {
		abort = x.incoming.settle() != nil
	}
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// logRequest writes the line. It makes the record itself, since the logger's own methods
// look for the caller on the stack, on every request, and it is always this one.
func (g *Gateway) logRequest(x *exchange, r *http.Request, now time.Time, took time.Duration) {
	level := slog.LevelInfo
	if x.code.status() >= 500 && x.code != "" {
		level = slog.LevelWarn
	}
	ctx, handler := r.Context(), g.cfg.Log.Handler()
	if !handler.Enabled(ctx, level) {
		return
	}
	line := Line{
		At: now, Level: level, Method: r.Method, Host: x.client.host, Path: shortened(x.path), Route: x.name,
		Status: x.status, Took: took, Client: x.client.addr, Code: string(x.code),
	}
	if x.err != nil {
		line.Error = x.err.Error()
	}
	// A log that cannot be written has nobody to tell.
	if quick, ok := handler.(LineHandler); ok {
		_ = quick.HandleLine(ctx, line)
	} else {
		_ = handler.Handle(ctx, line.Record())
	}
}

// recovered answers for a handler that panicked and reports whether the connection has to
// be cut, since the answer had begun. A panic's text can hold anything, a token too; the
// log gets its type, the text of Go's own run-time errors, and the stack.
func (g *Gateway) recovered(x *exchange, r *http.Request, panicked any) (abort bool) {
	text := fmt.Sprintf("panic of type %T", panicked)
	if e, ok := panicked.(runtime.Error); ok {
		text = "panic: " + e.Error()
	}
	g.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("error", text), slog.String("stack", string(debug.Stack())))
	if x.status != 0 {
		x.code, x.err = GatewayMisconfigured, errors.New(text)
		return true
	}
	defer func() { abort = recover() != nil }()
	g.fail(x, r, &Problem{Code: GatewayMisconfigured, Detail: "The gateway cannot answer this request.", Err: errors.New(text)})
	return false
}

// shortened bounds what a client can write into the log.
func shortened(path string) string {
	const most = 1024
	if len(path) > most {
		return path[:most] + "…"
	}
	return path
}
