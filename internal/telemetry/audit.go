package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Audit writes the audit log: one line for each event in the life of a session, for each
// login and request that was refused, and for each act of an operator. The lines go where
// the log goes, marked with "log": "audit", whatever the log's level. Their schema is in
// docs/audit.md; names in it are kept.
//
// What stands in a line is bounded and escaped by the handler, so that a claim or a header
// can neither break a line nor make one up. Its methods are safe for concurrent use.
type Audit struct {
	to  slog.Handler
	now func() time.Time
}

// NewAudit returns an Audit that writes to a log's handler; nil means nowhere.
func NewAudit(to slog.Handler) *Audit { return &Audit{to, time.Now} }

// Session writes an event of a session.
func (a *Audit) Session(e session.Event) {
	if e.Kind == session.Locked {
		return // it happened to a key; each request for the session tells it anew
	}
	event, level := auditOf(e)
	attrs := []slog.Attr{
		slog.String("session", e.ID.String()),
		slog.String("issuer", e.Issuer), slog.String("client", e.Client), slog.String("subject", e.Subject),
		slog.String("outcome", e.Outcome), slog.String("reason", string(e.Reason)),
	}
	switch e.Kind {
	case session.Began:
		attrs = append(attrs, slog.String("acr", e.ACR))
		if !e.Continues.IsZero() {
			attrs = append(attrs, slog.String("continues", e.Continues.String()))
		}
	case session.Ended:
		attrs = append(attrs, slog.String("actor", actor(e.Reason)), slog.String("by", e.By))
	case session.WentStale:
		attrs = append(attrs, slog.String("by", e.By))
	}
	if e.Reason == session.OutcomeLost {
		attrs = append(attrs, slog.String("cause", outcomeUnknown))
	}
	if failed, ok := errors.AsType[*session.RefreshError](e.Err); ok {
		attrs = append(attrs, slog.String("provider_code", failed.Code))
	}
	a.write(context.Background(), level, event, append(append(attrs, ofDevice(e.Device)...), ofError(e.Err), slog.String(traceKey, e.Trace))...)
}

// outcomeUnknown says that a refresh token was presented and the answer never came.
const outcomeUnknown = "refresh_outcome_unknown"

// auditOf is the name of a session's event in the audit log. A warning is what somebody
// should look at.
func auditOf(e session.Event) (name string, level slog.Level) {
	switch e.Kind {
	case session.Began:
		if !e.Continues.IsZero() {
			return "step_up", slog.LevelInfo
		}
		return "login", slog.LevelInfo
	case session.Refreshed:
		if e.Outcome == session.Unknown.String() {
			return outcomeUnknown, slog.LevelWarn
		}
		return "refresh", slog.LevelInfo
	case session.Revoked:
		return "token_revoked", slog.LevelInfo
	case session.WentStale:
		return "session_outdated", slog.LevelInfo
	case session.Ended:
		if e.Reason == session.NotSameUser || e.Reason == session.OutcomeLost {
			return "session_ended", slog.LevelWarn
		}
		return "session_ended", slog.LevelInfo
	}
	return string(e.Kind), slog.LevelInfo
}

// actor is whose doing the end of a session was.
func actor(why session.Reason) string {
	switch why {
	case session.LoggedOut, session.ByUser, session.Replaced:
		return "user"
	case session.ByOperator:
		return "operator"
	case session.TokenRefused, session.AccessDenied, session.OutcomeLost, session.ByProvider, session.BySignal, session.FrontChannel, session.ProviderLimit:
		return "provider"
	}
	return "gateway" // by its limits and checks
}

// Refused writes that a request was refused.
func (a *Audit) Refused(r proxy.Refusal) {
	level := slog.LevelInfo
	if r.Kind == proxy.CSRFBlocked || r.Kind == proxy.SignalRefused {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("code", string(r.Code)), slog.String("method", r.Method), slog.String("route", r.Route)}
	a.write(context.Background(), level, string(r.Kind), append(append(attrs, ofDevice(r.Device)...), ofError(r.Err), slog.String(traceKey, r.Trace))...)
}

// Signal writes what came of a security event.
func (a *Audit) Signal(s proxy.Signal) {
	level := slog.LevelInfo
	if s.Outcome == proxy.SignalFailed {
		level = slog.LevelWarn
	}
	a.write(context.Background(), level, "signal",
		slog.String("type", s.Type), slog.String("transmitter", s.Issuer), slog.String("jti", s.Token),
		slog.String("outcome", string(s.Outcome)), slog.Int("sessions", s.Sessions), ofError(s.Err), slog.String(traceKey, s.Trace))
}

// Act is what an operator did over the admin listener, or asked of the gateway.
type Act struct {
	Name    string // list, show, end, end_many, backup, explain
	By      string // the peer's address
	Session string // that was named, if one was
	Filter  string // that chose the sessions, if one did
	Ended   int    // how many sessions that ended
	Status  int    // of the answer
	Err     error  // why it failed; nil if it did not
	Trace   string // names the request's trace; empty if there is none
}

// Operator writes an act of an operator, also one that was refused.
func (a *Audit) Operator(ctx context.Context, act Act) {
	level := slog.LevelInfo
	if act.Status >= 400 {
		level = slog.LevelWarn
	}
	a.write(ctx, level, "operator", slog.String("act", act.Name), slog.String("by", act.By),
		slog.String("session", act.Session), slog.String("filter", act.Filter),
		slog.Int("ended", act.Ended), slog.Int("status", act.Status), ofError(act.Err), slog.String(traceKey, act.Trace))
}

// Explained writes that somebody asked the gateway what becomes of a request, which is an act
// of an operator.
func (a *Audit) Explained(e proxy.Explained) {
	act := Act{Name: "explain", By: e.By, Status: e.Status, Err: e.Err, Trace: e.Trace}
	if !e.Session.IsZero() {
		act.Session = e.Session.String()
	}
	a.Operator(context.Background(), act)
}

func ofDevice(d session.Device) []slog.Attr {
	return []slog.Attr{slog.String("address", d.Address), slog.String("browser", d.Browser), slog.String("system", d.System)}
}

func ofError(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.String("error", err.Error())
}

// write writes a line of what is not empty. It asks no level: an audit has no gaps.
func (a *Audit) write(ctx context.Context, level slog.Level, event string, attrs ...slog.Attr) {
	if a.to == nil {
		return
	}
	line := slog.NewRecord(a.now(), level, "audit", 0)
	line.AddAttrs(slog.String("log", "audit"), slog.String("event", event))
	for _, attr := range attrs {
		if attr.Value.Kind() == slog.KindString {
			attr.Value = slog.StringValue(bounded(attr.Value.String()))
		}
		if !attr.Equal(slog.Attr{}) && !attr.Value.Equal(slog.StringValue("")) {
			line.AddAttrs(attr)
		}
	}
	_ = a.to.Handle(ctx, line) // a log that cannot be written has nobody to tell
}

// bounded cuts what somebody else may have made long.
func bounded(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
