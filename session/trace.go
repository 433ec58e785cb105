package session

import "context"

// Tracer follows a piece of work through its parts, for distributed traces. The names of
// parts are constants of the code; neither they nor an error holds a token. All methods are
// quick and safe for concurrent use. Where the work that ctx belongs to is not followed,
// they do nothing.
type Tracer interface {
	// Begin begins a part of the work that ctx belongs to. What else is to be seen with it
	// is named in with: the flight that a request waits for.
	Begin(ctx context.Context, name string, with ...Part) (context.Context, Part)

	// Call is Begin for what another system is asked to do.
	Call(ctx context.Context, name string) (context.Context, Part)

	// ID names the trace that ctx belongs to, for logs; empty if it is in none.
	ID(ctx context.Context) string
}

// Part is a part of a piece of work that has begun. It may outlive the rest.
type Part interface {
	// End ends it, once, with what went wrong; nil if nothing did.
	End(err error)
}

// untraced is a part where there is no Tracer.
type untraced struct{}

func (untraced) End(error) {}

// part begins a part of the work that ctx belongs to.
func (m *Manager) part(ctx context.Context, name string, with ...Part) (context.Context, Part) {
	if m.cfg.Tracer == nil {
		return ctx, untraced{}
	}
	return m.cfg.Tracer.Begin(ctx, name, with...)
}

// traceOf names the trace that ctx belongs to.
func (m *Manager) traceOf(ctx context.Context) string {
	if m.cfg.Tracer == nil {
		return ""
	}
	return m.cfg.Tracer.ID(ctx)
}
