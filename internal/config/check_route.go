package config

import (
	"fmt"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"
)

// element is the path of an element of a list.
func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func (r *reader) checkRoutes(c *Config) {
	if r.sound("routes") && r.written("routes") && len(c.Routes) == 0 {
		r.problem("routes", "has no route: write one, with path and upstream or files")
	}
	for i := range c.Routes {
		path := element("routes", i)
		if !r.sound(path) {
			continue
		}
		rt := &c.Routes[i]
		r.checkTarget(path, rt)
		r.checkUpstreams(path, rt)
		r.checkPlace(path, rt, c)
		r.checkAccess(path, rt)
		r.checkToken(path, rt, c)
		r.checkRequire(path, rt)
		r.checkCredentials(path, rt)
		r.checkAssertion(path, rt)
		r.checkHeaders(path, rt)
		r.checkTwice(path+".methods", rt.Methods)
		for j := range c.Routes[:i] {
			r.checkClash(j, i, c)
		}
	}
}

// checkTarget looks at where a route leads.
func (r *reader) checkTarget(path string, rt *Route) {
	up, files := path+".upstream", path+".files"
	switch {
	case !r.sound(up, files) || slices.Contains(rt.Upstream, nil):
		return
	case len(rt.Upstream) > 0 && rt.Files != "":
		r.problem(files, "the route has an upstream, too: write one of the two")
	case len(rt.Upstream) == 0 && rt.Files == "":
		r.problem(up, "is missing: write upstream: http://… or files: ./…")
	case rt.Files != "" && r.written(path+".headers") && len(rt.SetHeaders)+len(rt.RemoveHeaders) > 0:
		r.problem(path+".headers", "are for an upstream, and files have none: take them out")
	}
	for _, u := range rt.Upstream {
		if what := rt.confides(); what != "" && u.Scheme != "https" && !loopback(u.Hostname()) {
			r.warn(up, "%s go to another machine in the clear: use https, unless the network is yours alone", what)
		}
	}
}

// checkPlace looks at a route's path.
func (r *reader) checkPlace(path string, rt *Route, c *Config) {
	if !r.sound(path+".path") || rt.Path == "" {
		return
	}
	if base := strings.ToLower(c.BasePath); r.sound("base_path", path+".host") && base != "" && r.hostOf(rt, c) == r.hostOf(&Route{}, c) {
		if p := strings.ToLower(rt.Path); p == base || strings.HasPrefix(p, base+"/") {
			r.problem(path+".path", "the gateway's own endpoints are there, below base_path: write another path, or another base_path")
		}
	}
	strip := strings.TrimSuffix(rt.StripPrefix, "/")
	if strip != "" && r.sound(path+".strip_prefix") && rt.Path != strip && !strings.HasPrefix(rt.Path, strip+"/") {
		r.problem(path+".strip_prefix", "is no beginning of the path: write whole segments of it")
	}
}

// checkAccess looks at who may come in and what goes on.
func (r *reader) checkAccess(path string, rt *Route) {
	if !r.sound(path + ".access") {
		return
	}
	if rt.Token == Passthrough && rt.Access != Public {
		r.problem(path+".token", "passthrough forwards what anybody sends: write access: public, too")
	}
	if rt.Access != Required && r.sound(path+".unauthenticated") && rt.Unauthenticated != ByRequest {
		r.problem(path+".unauthenticated", "access %s lets requests without a session pass: write auto, or access: required", rt.Access)
	}
	if rt.InsecureNoCSRF {
		r.warn(path+".csrf", "insecure_off lets any site use the route with the browser's session: write on")
	}
}

// SendsToken reports whether the gateway puts a token on any request of the route.
func (rt *Route) SendsToken() bool {
	switch rt.Token {
	case NoToken, Passthrough:
		return false
	case UserToken, ExchangedToken:
		return len(rt.Upstream) > 0 && rt.Access != Public
	}
	return len(rt.Upstream) > 0
}

// UsersToken reports whether requests of the route get a token of a login's refresh token.
func (rt *Route) UsersToken() bool {
	return rt.SendsToken() && (rt.Token == UserToken || rt.Token == UserOrClientToken)
}

// checkToken looks at whose token goes on, and what it is for.
func (r *reader) checkToken(path string, rt *Route, c *Config) {
	token := path + ".token"
	if !r.sound(token, path+".access", path+".upstream", path+".files") {
		return
	}
	switch ofClient := rt.Token == ClientToken || rt.Token == UserOrClientToken; {
	case rt.Token == ExchangedToken && rt.Access == Public:
		r.problem(token, "exchange trades the session's token, and access public asks for no session: write access: required, or token: client")
		return
	case rt.Token == UserOrClientToken && rt.Access == Required:
		r.problem(token, "user_or_client is for requests without a session, too, and access required lets none in: write access: optional, or token: user")
		return
	case ofClient && r.sound("provider.client_auth") && c.Provider.ClientAuth == NoClientAuth:
		r.problem(token, "%s needs a confidential client, and provider.client_auth is none: write client_secret_basic there, or another token here", rt.Token)
	}
	if rt.Actor == ClientActor && rt.Token != ExchangedToken && r.sound(path+".actor") {
		r.problem(path+".actor", "is named in a token that was traded: write token: exchange, or take it out")
	}
	if rt.Actor == ClientActor && rt.Token == ExchangedToken && c.Provider.ClientAuth == NoClientAuth && r.sound(path+".actor", "provider.client_auth") {
		r.problem(path+".actor", "needs a confidential client, and provider.client_auth is none: write client_secret_basic there, or take it out")
	}
	r.checkDetails(path+".authorization_details", rt, &c.Provider)
	if rt.SendsToken() {
		r.checkTwice(path+".scopes", rt.Scopes)
		return
	}
	for _, k := range []struct {
		name string
		set  bool
	}{{"audience", rt.Audience != ""}, {"resource", rt.Resource != ""}, {"scopes", len(rt.Scopes) > 0}, {"authorization_details", len(rt.AuthorizationDetails) > 0}} {
		if at := path + "." + k.name; k.set && r.sound(at) {
			r.problem(at, "is for a token, and the gateway puts none on this route's requests: take it out")
		}
	}
}

// checkRequire looks at what a session must have.
func (r *reader) checkRequire(path string, rt *Route) {
	require := path + ".require"
	scopes, claims, acr, age := require+".scopes", require+".claims", require+".acr", require+".max_age"
	if rt.Access != Required && r.sound(path+".access") {
		for at, set := range map[string]bool{
			scopes: len(rt.Require.Scopes) > 0, claims: len(rt.Require.Claims) > 0,
			acr: rt.Require.ACR != "", age: rt.Require.MaxAge != 0,
		} {
			if set && r.sound(at) {
				r.problem(at, "access %s lets requests without a session pass, so that this keeps nobody out: write access: required", rt.Access)
			}
		}
	}
	r.checkTwice(scopes, rt.Require.Scopes)
	for _, name := range sortedKeys(rt.Require.Claims) {
		if at := join(claims, name); len(rt.Require.Claims[name]) == 0 && r.sound(at) {
			r.problem(at, "has no value that would do: write one, or a list of them")
		}
	}
	if r.sound(acr) && rt.Require.ACR != "" && !classes(rt.Require.ACR) {
		r.problem(acr, "names no authentication context that a login can be asked for: write one, or several with spaces between them, such as phr phrh")
	}
	if r.sound(age) && (rt.Require.MaxAge%time.Second != 0 || rt.Require.MaxAge > tenYears) {
		r.problem(age, "cannot be asked for at a login: write whole seconds, at most ten years of them")
	}
}

// tenYears is the oldest login that a provider is asked for.
const tenYears = 10 * 365 * 24 * time.Hour

// classes reports whether s is what acr_values can be: words of printable ASCII, not many.
func classes(s string) bool {
	return len(strings.Fields(s)) > 0 && len(s) <= 512 && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// checkHeaders looks at the names of headers, and at claims where there is no user.
func (r *reader) checkHeaders(path string, rt *Route) {
	set, remove := path+".headers.set", path+".headers.remove"
	seen := map[string]string{}
	for _, name := range sortedKeys(rt.SetHeaders) {
		at := join(set, name)
		twin := twin(name)
		switch {
		case !r.sound(at):
		case !tokenPattern.MatchString(name):
			r.problem(at, "%s is no name of a header: write letters, digits and hyphens", shown(name))
		case ownedHeader(name):
			r.problem(at, "the gateway sets or drops this header itself: take it out")
		case seen[twin] != "":
			r.problem(at, "is the same header as %s to many servers: keep one", seen[twin])
		case rt.Access == Public && namesClaims(rt.SetHeaders[name].Reveal()):
			r.problem(at, "access public sends no claims: write access: required or optional, or take it out")
		}
		seen[twin] = name
	}
	for i, name := range rt.RemoveHeaders {
		at := element(remove, i)
		twin := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !r.sound(at):
		case !tokenPattern.MatchString(name):
			r.problem(at, "%s is no name of a header: write letters, digits and hyphens", shown(name))
		case ownedHeader(name) && twin != "Cookie":
			r.problem(at, "the gateway sets or drops this header itself: take it out")
		case seen[twin] != "":
			r.problem(at, "headers.set sets it: write it in one of the two")
		}
	}
}

// checkClash compares two routes that could want the same request.
func (r *reader) checkClash(i, j int, c *Config) {
	a, b := &c.Routes[i], &c.Routes[j]
	first, second := element("routes", i), element("routes", j)
	if !r.sound(first+".path", first+".host", first+".methods", second+".path", second+".host", second+".methods") ||
		a.Path == "" || !strings.EqualFold(a.Path, b.Path) || r.hostOf(a, c) != r.hostOf(b, c) {
		return
	}
	switch {
	case a.Path != b.Path:
		r.problem(second+".path", "differs from that of %s in letter case only, which servers read in two ways: write another one", first)
	case overlap(methods(a), methods(b)):
		r.problem(second+".path", "%s has the same path, for the same host and methods: keep one, or divide the methods", first)
	}
}

// hostOf returns the host of a route, as the address in a browser has it.
func (r *reader) hostOf(rt *Route, c *Config) string {
	public := c.PublicURL
	if public == nil {
		public = &url.URL{}
	}
	host := rt.Host
	if host == "" {
		host = public.Host
	}
	port := map[string]string{"https": ":443", "http": ":80"}[public.Scheme]
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// methods returns what a route takes, nil for all. Who may GET may HEAD.
func methods(rt *Route) []string {
	all := slices.Clone(rt.Methods)
	if len(all) == 0 && rt.Files != "" {
		all = []string{"GET"}
	}
	if slices.Contains(all, "GET") {
		all = append(all, "HEAD")
	}
	return all
}

func overlap(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(m string) bool { return slices.Contains(b, m) })
}
