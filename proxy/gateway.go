// Package proxy is the gateway's HTTP side: requests come in, are judged, get their token
// from package session and go out to an upstream.
//
//	request ─▶ path and host ─▶ route ─▶ classify ─▶ ticket ─▶ token ─▶ Rewrite ─▶ upstream
//	                  │
//	                  └▶ /bff/login  /bff/callback  /bff/user  /bff/session …
//
// A [Gateway] is a value: several can live in one process. Handlers return errors; one
// place (problem.go) turns an error into status, code, page and log line, and what the
// client sees never holds the detail.
package proxy

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// ownRoute is the name of the gateway's own endpoints among the routes.
const ownRoute = "bff"

// Served tells of one request that was answered.
type Served struct {
	Route  string // the route's path, "bff" for an endpoint of the gateway, "" for none
	Method string
	Status int    // 499 if the client left before there was an answer
	Code   string // of an error of the gateway's own
	// Replayed says that the upstream refused the token, and got the request once more
	// with another one.
	Replayed bool
	// Took is the time to the end of the answer; of a stream, to its beginning.
	Took time.Duration
	// Decided is nil without a Tracer, or where no route was found.
	Decided *Decided
}

// Gateway is an http.Handler. It is safe for concurrent use.
//
// It never changes; another one comes in its place (Config.After). Requests that it has begun
// to answer it answers to the end, and streams that were opened through it go on, by its rules.
// Both have their streams, the logins under way, the connections to upstreams and what is
// known of those in common.
type Gateway struct {
	cfg     Config
	base    string // base path without a slash at its end
	origin  string // the public origin, as browsers write it
	hosts   hosts
	hygiene *hygiene
	pages   *pages
	own     map[string]map[string]endpoint // endpoint's path below base → method → handler
	logins  *logins
	logouts turnstile // before the back-channel logout
	signals turnstile // before the security events
	guesses *guesses  // at ExplainToken
	streams *streams
	signer  signer
	ways    *ways
	buffers *buffers
}

// endpoint is a handler that returns what went wrong instead of answering it.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// New returns a Gateway, or an error that says what is wrong with the configuration.
// Nothing is fetched or dialled; the directories of static files are opened.
func New(cfg Config) (*Gateway, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg.withDefaults(), buffers: newBuffers()}
	g.cfg.After = nil // or all that ever were would stay
	g.succeed(cfg.After)
	g.base = strings.TrimSuffix(g.cfg.BasePath, "/")
	g.origin = g.cfg.PublicURL.Scheme + "://" + canonicalHost(g.cfg.PublicURL.Scheme, g.cfg.PublicURL.Host)
	g.own = g.endpoints()
	if _, err := g.signer.keys(g.cfg.Sessions.Keys()); err != nil {
		return nil, err
	}
	helper, err := moduleEndpoints()
	if err != nil {
		return nil, err
	}
	maps.Copy(g.own, helper)
	if g.cfg.Signals.Receiver != nil {
		g.own["/signals"] = map[string]endpoint{http.MethodPost: g.securityEvents}
	}
	if g.pages, err = newPages(originOf(g.cfg.Provider.Issuer())); err != nil {
		return nil, err
	}
	if g.hosts, err = g.compile(g.cfg.Routes); err != nil {
		return nil, err
	}
	g.ways.before = nil
	return g, nil
}

// Run watches over the upstreams that have replicas until ctx ends, and brings those back
// that were left out. It returns ctx's error.
func (g *Gateway) Run(ctx context.Context) error {
	var watchers sync.WaitGroup
	for _, p := range g.ways.pools {
		watchers.Go(func() { p.run(ctx) })
	}
	watchers.Wait()
	<-ctx.Done()
	return ctx.Err()
}

// endpoints is the table of the gateway's own endpoints below the base path.
func (g *Gateway) endpoints() map[string]map[string]endpoint {
	callback := map[string]endpoint{http.MethodGet: g.callback}
	if g.cfg.Provider.AnswersByPost() {
		callback[http.MethodPost] = g.postedCallback
	}
	return map[string]map[string]endpoint{
		"/login":     {http.MethodGet: g.login},
		"/callback":  callback,
		"/user":      {http.MethodGet: g.user},
		"/session":   {http.MethodGet: g.session},
		"/refresh":   {http.MethodPost: g.refresh},
		"/events":    {http.MethodGet: g.events},
		"/jwks.json": {http.MethodGet: g.jwks},
		"/logout":    {http.MethodGet: g.logoutGet, http.MethodPost: g.logoutPost},

		"/sessions":            {http.MethodGet: g.devices, http.MethodDelete: g.endOthers},
		"/sessions/{id}":       {http.MethodDelete: g.endDevice},
		"/frontchannel-logout": {http.MethodGet: g.frontChannelLogout},
		"/backchannel-logout":  {http.MethodPost: g.backChannelLogout},
	}
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = g.follow(r)
	x := &exchange{w: w, began: g.cfg.Now()}
	if r.ContentLength != 0 && r.Body != nil {
		x.incoming = newClientBody(x, r)
	}
	defer func() { g.finish(x, r, recover()) }()
	if err := g.serve(x, r); err != nil {
		g.fail(x, r, err)
	}
}

// serve fixes the order in which a request is judged: method, form, host, path, the gateway's
// own endpoints, route, access. Nothing below may look at the path in another way.
func (g *Gateway) serve(x *exchange, r *http.Request) error {
	if forbiddenMethod(r.Method) {
		return &Problem{Code: MethodNotAllowed, Allow: everyMethod}
	}
	x.client = g.clientOf(r)
	if g.wantsExplanation(x, r) {
		return g.explain(x, r)
	}
	if err := malformed(r); err != nil {
		return err
	}
	if len(g.cfg.Origins) > 0 {
		x.sharing = &sharing{g.pageAt(r)}
		if x.sharing.origin != "" && isPreflight(r) {
			return g.preflight(x, r)
		}
	}
	rt, err := g.find(x, r)
	switch {
	case err != nil:
		return err
	case rt == nil:
		return g.serveOwn(x, r, x.path[len(g.base):])
	}
	return g.enter(x, r, rt)
}

// forbiddenMethod reports whether a method is refused everywhere. TRACE, and what one
// server calls TRACK, echoes the ticket into a body that scripts can read; CONNECT would
// make a tunnel of us. Some servers do not mind the case.
func forbiddenMethod(method string) bool {
	switch len(method) {
	case len("TRACE"):
		return strings.EqualFold(method, "TRACE") || strings.EqualFold(method, "TRACK")
	case len("CONNECT"):
		return strings.EqualFold(method, "CONNECT")
	}
	return false
}

// find returns the route that a request takes, or nil if it leads to an endpoint of the
// gateway's own.
func (g *Gateway) find(x *exchange, r *http.Request) (*route, error) {
	table := g.hosts.find(x.client.host)
	if table == nil {
		return nil, &Problem{Code: NotFound, Detail: "This gateway does not serve that host."}
	}
	if !plainTarget(r.URL) {
		return nil, badRequest("The request's target has a user, a fragment or another scheme than http and https.")
	}
	x.path = rawPath(r.URL)
	target, err := table.judge(x.path)
	switch {
	case err != nil:
		return nil, err
	case target == nil:
		return nil, &Problem{Code: NotFound, Detail: "No route leads there."}
	case target.own:
		x.name = ownRoute
		return nil, nil
	}
	rt, allow := target.pick(r.Method)
	if rt == nil {
		x.name = target.path
		return nil, &Problem{Code: MethodNotAllowed, Allow: allow}
	}
	x.name = rt.Path
	return rt, nil
}

// serveOwn answers an endpoint of the gateway.
func (g *Gateway) serveOwn(x *exchange, r *http.Request, path string) error {
	if id, below := strings.CutPrefix(path, "/sessions/"); below {
		path = "/sessions/{id}"
		r.SetPathValue("id", id)
	}
	methods, ok := g.own[path]
	if !ok {
		return &Problem{Code: NotFound, Detail: "The gateway has no such endpoint."}
	}
	handle, ok := methods[r.Method]
	if !ok {
		return &Problem{Code: MethodNotAllowed, Allow: strings.Join(slices.Sorted(maps.Keys(methods)), ", ")}
	}
	g.ownHeaders(x.Header())
	err := handle(x, r)
	if err != nil && path == "/sessions" {
		// The one endpoint that is also a page to go to.
		return g.unauthenticated(x, r, ByRequest, err)
	}
	return err
}
