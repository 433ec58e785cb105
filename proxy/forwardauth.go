package proxy

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// ForwardAuth is the entrance for front proxies: they ask here whether a request may pass,
// and with which headers. Its answers carry access tokens, so it belongs on a listener of
// its own that browsers do not reach.
//
//	GET /verify/nginx     auth_request            X-Original-Method, X-Original-URI (or -URL), X-Forwarded-Host
//	GET /verify/traefik   ForwardAuth             X-Forwarded-Method, -Uri, -Host
//	GET /verify/caddy     forward_auth            the same
//	GET /verify/haproxy   Lua                     the same
//	… /verify/envoy/…     ext_authz over HTTP     the request line and Host themselves
//
// The request that is asked about meets the same routes by the same rules as one that
// comes in at the gateway itself. It may pass if the answer is 200; that has Authorization,
// Cookie without the gateway's own, and every header that some route sets, empty where the
// client's must go and nothing comes in its place. Else the answer is meant for the client:
// 401, 403, a redirect to the login, 503. X-Cloakroom-Login is on every one that a login
// mends.
//
// It believes trusted proxies only.
func (g *Gateway) ForwardAuth() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = g.follow(r)
		x := &exchange{w: w, began: g.cfg.Now(), client: g.clientOf(r), path: shortPath(r)}
		asked := r
		defer func() { g.finish(x, asked, recover()) }()
		d, rest, ok := dialectOf(r.RequestURI)
		if !ok {
			g.fail(x, r, &Problem{Code: NotFound, Detail: "The path names the front proxy: /verify/nginx, /verify/traefik, /verify/caddy, /verify/haproxy or /verify/envoy."})
			return
		}
		explains := g.wantsExplanation(x, r)
		original, err := g.whatIsAsked(x, r, d, rest)
		if err == nil {
			asked = original
		}
		switch {
		case explains:
			err = g.explainVerify(x, asked, d, err)
		case err == nil:
			err = g.verify(x, asked, d)
		}
		if err != nil {
			g.fail(x, asked, g.forProxy(d, err))
		}
	})
}

// shortPath is what the log has of a verify request that was not understood.
func shortPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}

// whatIsAsked returns the original request. Whoever is no trusted proxy gets no token for
// a request that it made up.
func (g *Gateway) whatIsAsked(x *exchange, r *http.Request, d dialect, rest string) (*http.Request, error) {
	if d != envoy && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, &Problem{Code: MethodNotAllowed, Allow: "GET, HEAD"}
	}
	if !x.client.trusted {
		return nil, &Problem{Code: AccessDenied, Err: errors.New("proxy: forward-auth was asked by a peer that is not in trusted_proxies"), Detail: "This entrance is for trusted proxies."}
	}
	asked, err := d.original(r, rest)
	if err == nil {
		err = g.twins(asked.Header)
	}
	if err != nil {
		return nil, &Problem{Code: BadRequest, status: http.StatusForbidden, Err: err, Detail: "The request cannot be told for certain."}
	}
	return asked, nil
}

// twins refuses a header that some upstreams cannot tell from one that the gateway sets:
// X_User beside X-User. The front proxy replaces the one and would pass the other on.
func (g *Gateway) twins(h http.Header) error {
	for name := range h {
		if !hasTwin(name) {
			continue
		}
		twin := canonicalTwin(name)
		if twin == "Authorization" || hopByHop(twin) || g.hygiene.fates[twin] == dropped {
			return errors.New("proxy: a header is spelled like one that the gateway sets, but for a character such as an underscore")
		}
	}
	return nil
}

// verify answers whether a request may pass, and with which headers.
func (g *Gateway) verify(x *exchange, r *http.Request, d dialect) error {
	x.client.host = r.Host
	if forbiddenMethod(r.Method) {
		return &Problem{Code: MethodNotAllowed, Allow: everyMethod}
	}
	rt, err := g.find(x, r)
	switch {
	case err != nil:
		return err
	case rt == nil:
		return &Problem{Code: NotFound, Detail: "The gateway's own endpoints are reached at its public listener. Send " + g.base + "/ there."}
	}
	for _, name := range overrides { // which the front proxy would pass on
		if rt.oversteps(r.Header[name]) {
			return &Problem{Code: MethodNotAllowed, Allow: rt.allow()}
		}
	}
	if err := g.authorise(x, r, rt); err != nil {
		return g.refuse(x, r, rt, d, err)
	}
	if x.key != "" {
		return &Problem{Code: GatewayMisconfigured, Err: errUnprovable, Detail: "The gateway cannot hand its token for this route to a front proxy."}
	}
	if err := rt.promise(x); err != nil {
		return err
	}
	g.letPass(x, r, rt)
	return nil
}

// letPass writes the headers that the front proxy puts in the place of the client's.
func (g *Gateway) letPass(x *exchange, r *http.Request, rt *route) {
	h := x.Header()
	for _, name := range rt.hygiene.promised {
		h[name] = []string{""}
	}
	rt.setHeaders(h, x)
	ownHeaders(h)
	h["Authorization"] = []string{authorization(x, r, rt)}
	h["Cookie"] = []string{strings.Join(withoutOwn(r.Header["Cookie"], rt.hygiene.ownCookie), "; ")}
	x.WriteHeader(http.StatusOK)
}

// errUnprovable says that a front proxy would get a token which it can do nothing with: each
// request to the upstream would need a proof of the gateway's (RFC 9449 §4).
var errUnprovable = errors.New("proxy: the token is bound to a key (provider.sender_constrained: dpop); let the gateway forward this route itself, or write token: none")

// authorization is what the upstream gets, "" for nothing.
func authorization(x *exchange, r *http.Request, rt *route) string {
	switch {
	case x.token != "":
		return "Bearer " + x.token.Reveal()
	case rt.Token == Passthrough || x.bearer:
		return r.Header.Get("Authorization")
	}
	return rt.Authorization.Reveal()
}

// refuse answers a request that a route does not let in, or returns the problem that it
// is. A login that would mend it stands in X-Cloakroom-Login; navigations are sent there in
// the way that the proxy can pass on.
func (g *Gateway) refuse(x *exchange, r *http.Request, rt *route, d dialect, err error) error {
	p := g.problemOf(err)
	if p.answer() != http.StatusUnauthorized {
		return err
	}
	refused := *p
	login := g.loginFor(x, r, err)
	refused.header = http.Header{"X-Cloakroom-Login": {login}}
	switch {
	case !rt.Unauthenticated.wantsLogin(r, classify(r)):
	case d == nginx:
		// It passes on neither a redirect nor a body, but a header that its recipe names.
		refused.header.Set("X-Cloakroom-Navigate", login)
	default:
		x.code, x.err = p.Code, p.Err
		ownHeaders(x.Header())
		maps.Copy(x.Header(), refused.header)
		x.Header().Set("Location", login)
		x.WriteHeader(http.StatusFound)
		return nil
	}
	return &refused
}

// loginFor is the login that comes back to a request, as the browser has to be sent there:
// with the public origin, since some proxies read a relative address as their own.
//
// A link on another site leads a browser here without its Strict ticket. That is not known
// before a navigation of our own has been put in between; then resume goes on with the
// session that turns out to be there.
func (g *Gateway) loginFor(x *exchange, r *http.Request, err error) string {
	here, long := g.localReturnURL(x.path + query(r))
	if long != nil || g.hosts.find(x.client.host) != g.hosts.public {
		here = "/"
	}
	login := g.origin + g.loginURLFor(here, g.problemOf(err).demand)
	q := classify(r)
	if errors.Is(err, session.ErrNoSession) && !g.cfg.Cookie.Lax && q.crossSite && q.topLevel && q.navigation {
		login += "&" + url.Values{resumeParam: {"1"}}.Encode()
	}
	return login
}

// forProxy makes of a problem what the proxy can pass on: nginx knows 401 and 403, and
// takes all other answers for a failure of the gateway.
func (g *Gateway) forProxy(d dialect, err error) error {
	p := g.problemOf(err)
	if status := p.answer(); d == nginx && status >= 400 && status < 500 && status != http.StatusUnauthorized {
		narrowed := *p
		narrowed.status = http.StatusForbidden
		return &narrowed
	}
	return err
}
