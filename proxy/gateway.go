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
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Config configures a [Gateway].
type Config struct {
	// PublicURL is what the browser sees: scheme, host and port, no path. Redirect URI,
	// cookie names, CSRF and WebSocket origin follow from it. Required.
	PublicURL *url.URL

	// BasePath is where the gateway's own endpoints live; empty means "/bff".
	BasePath string

	// PostLogoutURL is where the browser lands after a logout; empty means "/".
	PostLogoutURL string

	// Cookie shapes the ticket's cookie.
	Cookie Cookie

	// TrustedProxies are the peers whose Forwarded and X-Forwarded-* headers are
	// believed; none by default.
	TrustedProxies []netip.Prefix

	// Origins are those whose pages may call the gateway with the ticket and read its answers
	// (CORS), beside the public one: of the same site, as browsers write them. None by default.
	Origins []string

	// Routes say which request goes where. They are matched by New's rules, not by
	// their order.
	Routes []Route

	// LoginParams are the parameters that /bff/login passes on to the provider.
	LoginParams []string

	// ClaimsChallenges says that the provider's APIs ask for a login with claims of its own
	// by a 401 insufficient_claims, as those of Entra ID do.
	ClaimsChallenges bool

	Sessions *session.Manager // required
	Provider *oidc.Client     // required

	// AbsoluteTimeout is the Max-Age of a persistent ticket cookie.
	AbsoluteTimeout time.Duration

	// Observe, if set, is told of every request that was answered. It must not block.
	Observe func(Served)

	// ObserveStream, if set, is told of every stream that opens (+1) and ends (-1). It
	// must not block.
	ObserveStream func(kind StreamKind, change int)

	// Refused, if set, is told of the requests that the audit trail wants to know of, beside
	// Observe. It must not block.
	Refused func(Refusal)

	// ExplainToken lets an operator ask what becomes of a request, by sending it in
	// X-Cloakroom-Explain; empty: nobody may ask.
	ExplainToken session.Token
	// Explained, if set, is told of everybody who asked. It must not block.
	Explained func(Explained)

	// After is the Gateway in whose place the new one comes; nil if it is the first. See Gateway.
	After *Gateway

	// Tracer, if set, follows requests through the gateway and on to the upstream.
	Tracer Tracer

	Log *slog.Logger // nil: nowhere

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Cookie shapes the ticket's cookie. The zero value is the safe choice.
type Cookie struct {
	// Name of the ticket; empty means __Host-Http-cloakroom under https and cloakroom
	// on loopback http.
	Name string
	// Lax sends the ticket with cross-site navigations; false means SameSite=Strict.
	Lax bool
	// UntilBrowserCloses leaves out Max-Age; false means Max-Age is AbsoluteTimeout.
	UntilBrowserCloses bool
}

// Access says who may use a route.
type Access int

// The kinds of access.
const (
	Required Access = iota // a session, or 401, or the login
	Optional               // anonymous without a session, else like Required
	Public                 // anybody, without claims and the user's token
)

// TokenKind says what Authorization a route's upstream gets.
type TokenKind int

// The kinds of tokens.
const (
	UserToken   TokenKind = iota // the session's access token
	NoToken                      // none
	Passthrough                  // the client's own Authorization, untouched

	ClientToken       // the gateway's own (client credentials), whoever asks
	UserOrClientToken // the session's; without a ticket the gateway's own
	ExchangedToken    // one that the session's was traded for (RFC 8693)
)

// Unauthenticated says how a route answers a request that has no session.
type Unauthenticated int

// The answers to a request without a session.
const (
	ByRequest Unauthenticated = iota // the login for a navigation, 401 for the rest
	Login                            // the login for every GET
	Deny                             // always 401
)

// Route is one rule: which requests, to which upstream, with which token. Path is a prefix
// if it ends in "/", else exact; the longest wins.
type Route struct {
	Path     string
	Host     string     // empty: the public host
	Methods  []string   // empty: all but TRACE and CONNECT
	Upstream *url.URL   // this or Files
	Replicas []*url.URL // servers that do the same as Upstream, at the same path
	Files    string     // directory of static files with SPA fallback

	// UpstreamTLS is for https upstreams; nil means the system's roots and no certificate.
	// Routes with the same one share connections.
	UpstreamTLS *UpstreamTLS
	// Balance is for upstreams with replicas.
	Balance Balance

	StripPrefix     string
	Access          Access
	Token           TokenKind
	Unauthenticated Unauthenticated

	// Target is the audience, resource and scopes of the token for this upstream; the zero
	// Target is the token of the login.
	Target session.Target
	// Require is what a session must have to use the route.
	Require Require

	SetHeaders    map[string]string // name → template: "{claims.sub}"
	RemoveHeaders []string

	// Authorization is the gateway's own credential for the upstream, as the header's whole
	// value, in the place of a token. Empty: none.
	Authorization session.Token
	// Assertion tells the upstream who asks in a way that it can check.
	Assertion Assertion
	// Rewriting says whether addresses and cookies in answers are written as browsers have to
	// see them.
	Rewriting Rewriting
	// AllowBearer lets a request without a ticket pass with a bearer token of its own. The
	// upstream judges it: Require is not asked, and nothing of SetHeaders, Authorization and
	// Assertion goes along.
	AllowBearer bool

	Timeout time.Duration // until the response header; zero means 30 seconds
	// StreamMaxAge ends WebSockets and event streams; zero means that they may last as long
	// as their session.
	StreamMaxAge time.Duration
	MaxBody      int64 // bytes; zero means 10 MiB

	// InsecureNoCSRF lets any site use the route with the browser's session.
	InsecureNoCSRF bool
	// Background requests do not count as user activity.
	Background bool
	// KeepEncodedSlashes lets %2F through, as an ordinary character.
	KeepEncodedSlashes bool
}

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
	guesses *guesses  // at ExplainToken
	streams *streams
	signer  signer
	ways    *ways
}

// endpoint is a handler that returns what went wrong instead of answering it.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// New returns a Gateway, or an error that says what is wrong with the configuration.
// Nothing is fetched or dialled; the directories of static files are opened.
func New(cfg Config) (*Gateway, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg.withDefaults()}
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

// check finds what would make a gateway that nobody can use or that is not safe.
func (c *Config) check() error {
	switch u := c.PublicURL; {
	case u == nil:
		return errors.New("proxy: PublicURL is missing")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return fmt.Errorf("proxy: PublicURL %q is no http or https URL with a host", u)
	case u.User != nil, u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("proxy: PublicURL %q has more than scheme, host and port", u.Redacted())
	}
	if err := c.checkOrigins(); err != nil {
		return err
	}
	if c.Sessions == nil {
		return errors.New("proxy: Sessions is missing")
	}
	if c.Provider == nil {
		return errors.New("proxy: Provider is missing")
	}
	if c.BasePath != "" && (!plainPath(c.BasePath) || strings.Trim(c.BasePath, "/") == "") {
		return fmt.Errorf("proxy: BasePath %q must be a plain path such as /bff", c.BasePath)
	}
	return nil
}

// withDefaults fills in what the zero value means.
func (c Config) withDefaults() Config {
	if c.BasePath == "" {
		c.BasePath = "/bff"
	}
	if c.PostLogoutURL == "" {
		c.PostLogoutURL = "/"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// endpoints is the table of the gateway's own endpoints below the base path.
func (g *Gateway) endpoints() map[string]map[string]endpoint {
	return map[string]map[string]endpoint{
		"/login":     {http.MethodGet: g.login},
		"/callback":  {http.MethodGet: g.callback},
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
