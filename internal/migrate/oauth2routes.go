package migrate

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// oauth2Target is where requests below a path go.
type oauth2Target struct {
	path, upstream, files, strip, timeout string
}

// readUpstreams reads the upstreams option: addresses whose paths say which requests they
// get.
func (p *oauth2Proxy) readUpstreams() {
	s := p.get("upstreams")
	if s == nil {
		return
	}
	if s.absent {
		p.targets = append(p.targets, oauth2Target{path: "/", upstream: "http://app:9000"})
		p.say(Todo, s, "routes", "comes from elsewhere: write the address of the application")
		return
	}
	for _, v := range s.values {
		u, err := parseURL(v)
		if err != nil {
			p.say(Lost, s, "routes", "has something that is no URL")
			continue
		}
		place := u.Path
		if u.Scheme == "file" && u.Fragment != "" {
			place = u.Fragment
		}
		p.target(s, place, u)
	}
}

// target adds where requests below a path go.
func (p *oauth2Proxy) target(s *setting, place string, u *url.URL) {
	if place == "" || u.Scheme == "static" {
		place = "/"
	}
	t := oauth2Target{path: place}
	switch {
	case !plainPath(place):
		p.say(Lost, s, "routes", "has a path that could be read in two ways, or a pattern")
		return
	case u.Scheme == "static", u.Scheme == "file" && u.Path == "/dev/null":
		p.asked = true
		return
	case u.Scheme == "file":
		t.files = literal(u.Path)
		if t.files == "" {
			t.files = literal(u.Opaque + u.Host)
		}
		if t.strip = strings.TrimSuffix(place, "/"); t.strip != "" {
			t.path = t.strip + "/"
		}
		p.say(Changed, s, "routes.files", "unknown paths of a directory get its index.html, for a single-page app, and no list of files")
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		t.upstream = literal(u.Scheme + "://" + u.Host)
		if u.User != nil {
			p.say(Lost, s, "routes.upstream_auth", "has a user name in an address: write it into upstream_auth.basic, with token: none")
		}
	default:
		p.say(Lost, s, "routes", "has an address that is neither http nor https nor file, such as a socket of the file system: let the application listen at a port")
		return
	}
	p.targets = append(p.targets, t)
}

// opening is what a path has open for everybody: all methods, or some.
type opening struct {
	all     bool
	methods []string
}

// writeRoutes writes a route for each upstream, and for each path that asks for no sign-in.
func (p *oauth2Proxy) writeRoutes() {
	p.readUpstreams()
	if len(p.targets) == 0 {
		p.targets = []oauth2Target{{path: "/", upstream: "http://app:9000"}}
		if p.asked {
			p.todo("routes[0].upstream", "write the application's address; while an ingress forwards, it is a name only")
		} else {
			p.todo("routes[0].upstream", "write the application's address: no upstream was set")
		}
	}
	timeout := ""
	if s := p.get("upstream_timeout"); s != nil {
		if d, err := duration(s.text()); err == nil && d > 0 {
			timeout = brief(d)
		}
	}
	open := p.openings()
	paths := slices.Collect(maps.Keys(open))
	for i := range p.targets {
		paths = append(paths, p.targets[i].path)
		if p.targets[i].timeout == "" && p.targets[i].files == "" {
			p.targets[i].timeout = timeout
		}
	}
	guard := p.guard()
	slices.Sort(paths)
	for _, place := range slices.Compact(paths) {
		p.writePlace(place, open[place], guard)
	}
}

// covers reports whether a route's path takes a request for another path.
func covers(route, place string) bool {
	return route == place || strings.HasSuffix(route, "/") && strings.HasPrefix(place, route)
}

// targetOf finds the longest target that takes a path.
func (p *oauth2Proxy) targetOf(place string) (found oauth2Target, ok bool) {
	for _, t := range p.targets {
		if covers(t.path, place) && len(t.path) >= len(found.path) {
			found, ok = t, true
		}
	}
	return found, ok
}

func (p *oauth2Proxy) writePlace(place string, open opening, guard map[string][]string) {
	t, ok := p.targetOf(place)
	if !ok {
		return
	}
	base := route{path: place, files: t.files, strip: t.strip, timeout: t.timeout}
	if t.upstream != "" {
		base.upstream = []string{t.upstream}
	}
	if open.all || len(open.methods) > 0 {
		public := base
		public.access, public.methods = "public", nil
		if !open.all && t.files == "" {
			public.methods = open.methods
		}
		if t.files == "" {
			public.token = "none"
		}
		p.draft.routes = append(p.draft.routes, &public)
		if open.all || t.files != "" {
			return
		}
		base.methods = otherMethods(open.methods)
	}
	base.claims = maps.Clone(guard)
	if t.files == "" {
		base.token, base.headers = p.token, p.headers
	}
	p.draft.routes = append(p.draft.routes, &base)
}

// otherMethods are the usual methods but these. Who may GET may HEAD.
func otherMethods(methods []string) []string {
	return slices.DeleteFunc([]string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, func(m string) bool { return slices.Contains(methods, m) })
}

// openings reads skip_auth_routes and skip_auth_regex.
func (p *oauth2Proxy) openings() map[string]opening {
	open := map[string]opening{}
	for _, name := range []string{"skip_auth_routes", "skip_auth_regex"} {
		s := p.get(name)
		if s == nil {
			continue
		}
		for _, v := range s.values {
			method, pattern := "", v
			if before, after, ok := strings.Cut(v, "="); ok && name == "skip_auth_routes" {
				method, pattern = strings.ToUpper(before), after
			}
			paths := plainPaths(pattern)
			if method != "" && !slices.Contains(append(otherMethods(nil), "HEAD"), method) {
				paths = nil
			}
			if len(paths) == 0 {
				p.say(Lost, s, "routes", "has an expression that is no path, or means all but one: what it opened needs a sign-in now; write routes with access: public")
				continue
			}
			for _, place := range paths {
				open[place] = open[place].and(method)
			}
		}
	}
	return open
}

// and opens one method more, all of them if it is "".
func (o opening) and(method string) opening {
	switch {
	case o.all || method == "":
		return opening{all: true}
	case method == "HEAD":
		method = "GET" // A server that answers one answers the other with the same header.
	}
	if !slices.Contains(o.methods, method) {
		o.methods = append(slices.Clip(o.methods), method)
	}
	return o
}
