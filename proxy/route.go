package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// route is a Route that is ready to serve.
type route struct {
	Route
	methods    []string // allowed ones; empty: everyMethod
	strip      string   // without a slash at its end
	base       string   // path of the upstream, without a slash at its end
	sets       []setting
	assertions *assertions // nil: the upstream gets none
	mapping    *mapping    // nil: answers are as the upstream wrote them
	removes    map[string]bool
	demand     map[string]string // what the login must have been; nil: any will do
	hygiene    *hygiene
	pool       *pool             // of the upstreams; nil: there is one
	upstream   http.RoundTripper // or
	files      *files
}

// target is where a path leads: the routes that share it and differ in methods, or the
// gateway's own endpoints.
type target struct {
	path   string
	own    bool
	keep   bool // every route takes encoded slashes
	routes []*route
}

// pick returns the route for the method, or nil and what would have been allowed.
func (t *target) pick(method string) (*route, string) {
	var allow []string
	for _, rt := range t.routes {
		if len(rt.methods) == 0 || slices.Contains(rt.methods, method) {
			return rt, ""
		}
		allow = append(allow, rt.methods...)
	}
	slices.Sort(allow)
	return nil, strings.Join(slices.Compact(allow), ", ")
}

// table finds the target of a path on one host. Lookup takes one step for each "/" of the
// path, however many routes there are.
type table struct {
	paths  map[string]*target // a prefix ends in "/", an exact path does not
	folded map[string]*target
}

// match returns the target with the longest path, or nil.
func (t *table) match(path string) *target { return longest(t.paths, path) }

// matchFolded does the same for a path in folded case.
func (t *table) matchFolded(path string) *target { return longest(t.folded, path) }

func longest(paths map[string]*target, path string) *target {
	if found, ok := paths[path]; ok {
		return found
	}
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			if found, ok := paths[path[:i+1]]; ok {
				return found
			}
		}
	}
	return nil
}

// add puts a route into the table.
func (t *table) add(rt *route) error {
	found := t.paths[rt.Path]
	if found == nil {
		if other := t.folded[fold(rt.Path)]; other != nil {
			return fmt.Errorf("proxy: routes %s and %s differ in letter case only", other.path, rt.Path)
		}
		found = &target{path: rt.Path, keep: true}
		t.paths[rt.Path], t.folded[fold(rt.Path)] = found, found
	}
	for _, other := range found.routes {
		if found.own || overlap(other.methods, rt.methods) {
			return fmt.Errorf("proxy: route %s: there is another one with this path and the same methods", rt.Path)
		}
	}
	found.routes = append(found.routes, rt)
	found.keep = found.keep && rt.KeepEncodedSlashes
	return nil
}

func overlap(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(m string) bool { return slices.Contains(b, m) })
}

func newTable() *table {
	return &table{paths: map[string]*target{}, folded: map[string]*target{}}
}

// compile prepares the routes, and what leads to their upstreams.
func (g *Gateway) compile(routes []Route) (hosts, error) {
	hs := newHosts(g.cfg.PublicURL)
	own := &target{path: g.base + "/", own: true}
	hs.public.paths[own.path], hs.public.folded[fold(own.path)] = own, own
	g.hygiene = g.newHygiene(routes)
	for _, r := range routes {
		rt, err := newRoute(r, g.hygiene)
		if err != nil {
			return hs, err
		}
		if rt.mapping = newMapping(rt, g.base); rt.Upstream != nil {
			rt.upstream = &replayer{g, g.followed(g.wayTo(rt))}
		} else if rt.files, err = openFiles(rt.Files, rt.Access != Public); err != nil {
			return hs, fmt.Errorf("proxy: route %s: %w", rt.Path, err)
		}
		if hs.of(rt.Host).paths[rt.Path] == own {
			return hs, fmt.Errorf("proxy: route %s: the gateway's own endpoints live there", rt.Path)
		}
		if err := hs.of(rt.Host).add(rt); err != nil {
			return hs, err
		}
	}
	return hs, nil
}

// wayTo is how requests get to the upstream of a route: straight, or by a choice of many.
func (g *Gateway) wayTo(rt *route) http.RoundTripper {
	if len(rt.Replicas) == 0 {
		return &prover{g.ways.proofs, g.ways.transport(rt.Upstream, rt.Timeout, rt.UpstreamTLS)}
	}
	rt.pool = g.ways.pool(&rt.Route, g.cfg)
	return &balancer{rt.pool, rt.Balance.Sticky}
}

// newRoute checks a Route and works out what does not change from request to request.
func newRoute(r Route, h *hygiene) (*route, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("proxy: route %s: %w", r.Path, err)
	}
	if r.Timeout == 0 {
		r.Timeout = 30 * time.Second
	}
	if r.MaxBody == 0 {
		r.MaxBody = 10 << 20
	}
	rt := &route{
		Route: r, methods: methodsOf(r), strip: strings.TrimSuffix(r.StripPrefix, "/"),
		demand: r.Require.demand(), hygiene: h,
	}
	if r.Upstream != nil {
		rt.base = strings.TrimSuffix(r.Upstream.EscapedPath(), "/")
	}
	var err error
	if rt.sets, err = newSettings(r.SetHeaders); err != nil {
		return nil, fmt.Errorf("proxy: route %s: %w", r.Path, err)
	}
	rt.assertions = newAssertions(&r)
	rt.removes = map[string]bool{}
	for _, name := range r.RemoveHeaders {
		rt.removes[http.CanonicalHeaderKey(name)] = true
	}
	return rt, nil
}

// methodsOf returns the methods that a route takes. Who may GET may HEAD (RFC 9110 §9.1).
func methodsOf(r Route) []string {
	methods := slices.Clone(r.Methods)
	if len(methods) == 0 && r.Files != "" {
		methods = []string{http.MethodGet}
	}
	if slices.Contains(methods, http.MethodGet) && !slices.Contains(methods, http.MethodHead) {
		methods = append(methods, http.MethodHead)
	}
	return methods
}

// allow is the route's methods as the Allow header lists them.
func (rt *route) allow() string {
	if len(rt.methods) == 0 {
		return everyMethod
	}
	return strings.Join(rt.methods, ", ")
}

// check finds contradictions.
func (r *Route) check() error {
	switch {
	case !plainPath(r.Path):
		return errors.New("the path must begin with a slash and have one reading: no escapes, dot segments, doubled slashes or parameters")
	case (r.Upstream == nil) == (r.Files == ""):
		return errors.New("write either an upstream or files")
	case r.Token == Passthrough && r.Access != Public:
		return errors.New("token passthrough goes with access public only")
	case r.Token == ExchangedToken && r.Access == Public:
		return errors.New("token exchange needs a session, and access public asks for none")
	case r.Token == UserOrClientToken && r.Access == Required:
		return errors.New("token user_or_client is for requests without a session, too, and access required lets none in")
	case r.Target != session.Target{} && !r.sendsToken():
		return errors.New("audience, resource, scopes and authorization details are those of a token, and the route sends none")
	case r.Target.Actor && r.Token != ExchangedToken:
		return errors.New("an actor is named in tokens that are traded, and token is no exchange")
	case r.Timeout < 0:
		return errors.New("the timeout is negative")
	case r.MaxBody < 0:
		return errors.New("max_body is negative")
	}
	if s := strings.TrimSuffix(r.StripPrefix, "/"); s != "" && r.Path != s && !strings.HasPrefix(r.Path, s+"/") {
		return fmt.Errorf("strip_prefix %s is no beginning of the path", r.StripPrefix)
	}
	for _, m := range r.Methods {
		if m != strings.ToUpper(m) || !headerToken(m) || forbiddenMethod(m) {
			return fmt.Errorf("method %q cannot be routed", m)
		}
	}
	if r.Target.Details != "" {
		if _, err := oidc.DetailTypes(r.Target.Details); err != nil {
			return err
		}
	}
	if err := r.Require.check(r); err != nil {
		return err
	}
	if err := r.checkCredentials(); err != nil {
		return err
	}
	if err := r.Assertion.check(r); err != nil {
		return err
	}
	if err := r.checkUpstream(r.Upstream); err != nil {
		return err
	}
	return r.checkReplicas()
}

// checkCredentials looks at what goes on in Authorization that is no token of the gateway's.
func (r *Route) checkCredentials() error {
	switch own := r.Authorization != ""; {
	case own && r.Upstream == nil:
		return errors.New("a credential is for an upstream, and files have none")
	case own && (r.sendsToken() || r.Token == Passthrough):
		return errors.New("a credential stands where the token would: the route can have one of the two")
	case own && escaped(r.Authorization.Reveal(), "") != r.Authorization.Reveal():
		return errors.New("the credential has characters that no header may have")
	case r.AllowBearer && r.Upstream == nil:
		return errors.New("a client's bearer token is for an upstream, and files have none")
	case r.AllowBearer && !r.asksTicket():
		return errors.New("a client's bearer token passes in the place of a ticket, and the route asks for none")
	}
	return nil
}

// sendsToken reports whether the gateway puts a token on any request of the route.
func (r *Route) sendsToken() bool {
	switch r.Token {
	case NoToken, Passthrough:
		return false
	case UserToken, ExchangedToken:
		return r.Upstream != nil && r.Access != Public
	}
	return r.Upstream != nil
}

func (r *Route) checkUpstream(u *url.URL) error {
	switch {
	case u == nil:
		return nil
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c", u.Host == "":
		return fmt.Errorf("upstream %s is no http, https or h2c URL with a host", u.Redacted())
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return fmt.Errorf("upstream %s has more than scheme, host, port and path", u.Redacted())
	case u.Path != "" && !plainPath(u.EscapedPath()):
		return fmt.Errorf("upstream %s has a path with more than one reading", u.Redacted())
	}
	return nil
}
