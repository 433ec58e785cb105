package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/cloakroom-bff/cloakroom/session"
)

// recorder is a Tracer that writes down what it is told.
type recorder struct {
	mu     sync.Mutex
	said   []string // guarded by mu
	caller string   // guarded by mu: the traceparent that the last request was believed to have
}

func (r *recorder) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said)
}

type tracedKey struct{}

func (r *recorder) Request(ctx context.Context, caller http.Header) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caller = caller.Get("Traceparent")
	return context.WithValue(ctx, tracedKey{}, true)
}

func (r *recorder) Answered(ctx context.Context, s Served) {
	r.say("answered %s %d, followed: %v", s.Route, s.Status, ctx.Value(tracedKey{}))
}

func (r *recorder) Upstream(ctx context.Context, header http.Header) (context.Context, func(*http.Response, error)) {
	header.Set("Traceparent", "ours")
	return ctx, func(res *http.Response, err error) { r.say("upstream %v %v", res.StatusCode, err) }
}

func (r *recorder) Begin(ctx context.Context, name string, with ...session.Part) (context.Context, session.Part) {
	return ctx, recorded{r, name}
}

func (r *recorder) Call(ctx context.Context, name string) (context.Context, session.Part) {
	return ctx, recorded{r, name}
}

func (r *recorder) ID(ctx context.Context) string {
	if ctx.Value(tracedKey{}) == nil {
		return ""
	}
	return "trace-1"
}

type recorded struct {
	r    *recorder
	name string
}

func (p recorded) End(err error) { p.r.say("%s %v", p.name, err) }

// The attack: a client that makes the gateway record all of its requests, or that writes into
// the trace of somebody else.
func TestOnlyATrustedProxyNamesTheTrace(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		trusted []netip.Prefix
		want    string
	}{
		{"a client", nil, ""},
		{"a trusted proxy", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "theirs"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			up, rec := api(t, nil), &recorder{}
			f := open(t, public(up), func(c *Config) { c.TrustedProxies, c.Tracer = row.trusted, rec })
			f.get(t, "/x", "Traceparent: theirs")
			got := up.last(t).Header
			if rec.caller != row.want {
				t.Errorf("the trace goes on from %q, want %q", rec.caller, row.want)
			}
			if !slices.Equal(got["Traceparent"], []string{"ours"}) {
				t.Errorf("the upstream hears of the trace %q", got["Traceparent"])
			}
			if want := []string{"upstream 200 <nil>", "answered / 200, followed: true"}; !slices.Equal(rec.lines(), want) {
				t.Errorf("got %q, want %q", rec.lines(), want)
			}
		})
	}
}
