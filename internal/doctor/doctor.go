// Package doctor looks at a set-up the way that its users will: it asks the provider, the
// store, the upstreams and the listeners, and says of each whether it will do, and what to
// do if not.
//
//	config.Config ──▶ Examine ──┬─ gateway, listeners, public_url, cookies, proxies, files
//	oidc.Config                 ├─ session store
//	                            ├─ provider: documents, keys, clock ─▶ the gateway's own client
//	                            └─ upstreams                            asks what it will ask
//	                                   │
//	                                   ▼
//	                                Report: lines, each pass, warn or fail, with its remedy
//
// It changes nothing: no record is written, nobody is signed in or out, no grant is used
// up. What has to be asked of the provider is asked so that the answer is a refusal, and
// the kind of the refusal tells: a made-up code and a made-up refresh token to the token
// endpoint, an authorization request with prompt=none from a browser that has no cookies.
//
// No line holds a secret. What others said is quoted within bounds.
package doctor

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/preset"
)

// Patient is what is examined.
type Patient struct {
	Config   *config.Config
	Warnings config.Problems // what works but weakens, as Load found it

	// Provider is what the gateway's provider client is told. ProviderProblem, if there
	// is one, is why there is none.
	Provider        oidc.Config
	ProviderProblem error

	// UpstreamTLS reads the files of a route; nil without an error is what Go does.
	UpstreamTLS func(config.Route) (*tls.Config, error)

	Now func() time.Time // nil: time.Now
}

// Examine makes every check. It takes as long as the slowest of what it asks, at most some
// calls of provider.timeout one after the other, and ends early with ctx.
func Examine(ctx context.Context, p Patient) Report {
	e := newExam(p)
	defer e.hang()
	e.running = e.alive(ctx)
	// Nobody must call an address while it is being tried.
	lines := together(ctx, e.configuration, e.gateway, e.listeners)
	return Report{append(lines, together(ctx, e.publicURL, e.cookies, e.proxies, e.files, e.keys, e.store, e.provider, e.routes, e.telemetry)...)}
}

// together makes parts of an examination at the same time, and returns their lines in
// order.
func together(ctx context.Context, parts ...func(context.Context, *chart)) (lines []Line) {
	charts := make([]chart, len(parts))
	var asked sync.WaitGroup
	for i, part := range parts {
		asked.Go(func() { part(ctx, &charts[i]) })
	}
	asked.Wait()
	for _, c := range charts {
		lines = append(lines, c.lines...)
	}
	return lines
}

// Unreadable is the report on a configuration that cannot be read: there is nothing else
// to examine.
func Unreadable(problems, warnings config.Problems) Report {
	var c chart
	for _, p := range problems {
		c.fail("config", p.String(), "mend the file; nothing else was examined")
	}
	for _, p := range warnings {
		c.warn("config", p.String(), "")
	}
	return Report{Lines: c.lines}
}

// exam is one examination. Its parts run at the same time and change nothing in it.
type exam struct {
	Patient
	cfg     *config.Config
	known   preset.Preset // the zero Preset knows nothing
	now     func() time.Time
	web     *browser
	running bool // the gateway of this configuration answers on its admin listener
}

func newExam(p Patient) *exam {
	e := &exam{Patient: p, cfg: p.Config, now: p.Now}
	if e.now == nil {
		e.now = time.Now
	}
	e.known, _ = preset.Find(p.Config.Provider.Preset)
	e.web = newBrowser(p.Provider.Transport, p.Config.Provider.Timeout)
	return e
}

// hang gives the connections up.
func (e *exam) hang() { e.web.transport.CloseIdleConnections() }

// configuration repeats what Load warned of.
func (e *exam) configuration(_ context.Context, c *chart) {
	for _, w := range e.Warnings {
		c.warn("config", w.String(), "")
	}
	if len(e.Warnings) == 0 {
		c.pass("config", "no problem found in "+e.cfg.File())
	}
}
