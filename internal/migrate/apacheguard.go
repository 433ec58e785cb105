package migrate

import (
	"maps"
	"slices"
	"strings"
)

// apacheGuard is what stands before a location.
type apacheGuard struct {
	path     string
	kind     string // of its AuthType: "", session, none or other
	requires []*directive
	unauth   *setting // its OIDCUnAuthAction
	losses   []string // what of it could not be carried
}

func (g *apacheGuard) lost(what string) { g.losses = append(g.losses, what) }

// guardAt returns the guard of a path, made if there is none. Directives outside of every
// location are of the root.
func (a *modAuth) guardAt(path string) *apacheGuard {
	i := slices.IndexFunc(a.guards, func(g *apacheGuard) bool { return g.path == path })
	if i < 0 {
		i = len(a.guards)
		a.guards = append(a.guards, &apacheGuard{path: path})
	}
	return a.guards[i]
}

func (a *modAuth) location(d *directive, within *apacheGuard) {
	if len(d.args) != 1 || !plainPath(d.args[0]) || strings.ContainsAny(d.args[0], "*[]${}") {
		a.otherSection(d, within)
		return
	}
	g := a.guardAt(d.args[0])
	// Of sections that take a request the later holds, whatever their length; and its lines
	// Require replace those before it.
	a.guards = append(slices.DeleteFunc(a.guards, func(o *apacheGuard) bool { return o == g }), g)
	if slices.ContainsFunc(d.inner, func(i *directive) bool { return strings.HasPrefix(strings.ToLower(i.name), "require") }) {
		g.requires = nil
	}
	a.walk(d.inner, g)
}

func (a *modAuth) authType(s *setting, within *apacheGuard) {
	if within == nil {
		within = a.guardAt("/")
	}
	switch kind := strings.ToLower(s.text()); kind {
	case "openid-connect":
		within.kind = "session"
		a.remark(Remark{Carried, s.name, s.at, "routes.access", ""})
	case "auth-openidc":
		within.kind = "session"
		a.remark(Remark{Lost, s.name, s.at, "routes.allow_bearer", noMachines})
	case "none":
		within.kind = "none"
		a.remark(Remark{Carried, s.name, s.at, "routes.access", ""})
	default:
		within.kind = "other"
		within.lost("AuthType " + shown(kind))
		a.remark(Remark{Lost, s.name, s.at, "routes", noMachines})
	}
}

func (a *modAuth) takeRequire(within *apacheGuard, d *directive) {
	if within == nil {
		within = a.guardAt("/")
	}
	within.requires = append(within.requires, d)
}

// demand is what a guard asks for. bad says why it cannot be said; nobody gets in then.
type demand struct {
	public bool
	claims map[string][]string
	bad    string
}

// one reads a Require line, or a group of them.
func (a *modAuth) one(d *directive) demand {
	out := a.line(d)
	if out.bad == "" && strings.EqualFold(d.name, "Require") {
		a.remark(Remark{Carried, "Require", d.at, "routes.access, routes.require.claims", ""})
	}
	return out
}

func (a *modAuth) line(d *directive) demand {
	switch strings.ToLower(d.name) {
	case "requireall":
		return a.all(d.inner)
	case "requireany":
		return a.any(d.inner)
	case "requirenone":
		return demand{bad: "RequireNone"}
	case "require":
	default:
		return demand{bad: shown(d.name)}
	}
	if len(d.args) == 0 {
		return demand{bad: "Require"}
	}
	switch kind := strings.ToLower(d.args[0]); {
	case kind == "valid-user":
		return demand{}
	case kind == "all" && len(d.args) == 2 && strings.EqualFold(d.args[1], "granted"):
		return demand{public: true}
	case kind == "all":
		return demand{bad: "Require all denied"}
	case kind == "user" && len(d.args) > 1:
		return demand{claims: map[string][]string{a.userClaim(): literals(d.args[1:])}}
	case kind == "claim" && len(d.args) > 1:
		return claimDemand(d.args[1:])
	default:
		return demand{bad: "Require " + shown(kind)}
	}
}

// claimDemand reads name:value, of which one is enough. Patterns cannot be carried.
func claimDemand(args []string) demand {
	out := demand{claims: map[string][]string{}}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, ":")
		if !ok || strings.Contains(name, "~") || name == "" {
			return demand{bad: "a claim with a pattern"}
		}
		out.claims[literal(name)] = unique(append(out.claims[literal(name)], literal(value)))
	}
	if len(out.claims) > 1 {
		return demand{bad: "one of several claims"}
	}
	return out
}

// any reads lines of which one is enough. Leaving one out asks for more, not for less.
func (a *modAuth) any(lines []*directive) demand {
	out, usable := demand{claims: map[string][]string{}}, 0
	session, several := false, false
	for _, line := range lines {
		d := a.one(line)
		switch {
		case d.bad != "":
			out.bad = d.bad
			a.remark(Remark{Lost, shown(line.name), line.at, "routes.require", "asks for what require cannot (" + d.bad + "): who came in by it does not now"})
			continue
		case d.public:
			return demand{public: true}
		case len(d.claims) == 0:
			session = true
		}
		usable++
		several = several || len(d.claims) > 1
		for name, values := range d.claims {
			out.claims[name] = unique(append(out.claims[name], values...))
		}
	}
	switch {
	case session:
		return demand{}
	case usable == 0 && out.bad == "":
		return demand{public: true}
	case usable > 0:
		out.bad = ""
	}
	switch {
	case usable > 1 && several:
		// Mixed together they would let in who has one claim of each.
		return demand{bad: "one of several groups of claims"}
	case usable > 1 && len(out.claims) > 1:
		a.remark(Remark{Lost, "Require", lines[0].at, "routes.require.claims", "one of several claims was enough, and here all of them are asked for"})
	}
	return out
}

// all reads lines that hold together.
func (a *modAuth) all(lines []*directive) demand {
	out := demand{public: true, claims: map[string][]string{}}
	for _, line := range lines {
		d := a.one(line)
		if d.bad != "" {
			a.remark(Remark{Lost, shown(line.name), line.at, "routes.require", "asks for what require cannot (" + d.bad + "): nobody gets in until you write it"})
			return d
		}
		out.public = out.public && d.public
		for name, values := range d.claims {
			if before := out.claims[name]; before != nil && !slices.Equal(before, values) {
				return demand{bad: "several values of one claim together"}
			}
			out.claims[name] = values
		}
	}
	return out
}

// guarded writes into a route what stands before its path: lines Require of a later section
// replace those of an earlier one, as in Apache.
func (a *modAuth) guarded(r *route) {
	var kind string
	var requires []*directive
	var losses []string
	unauth := a.get("OIDCUnAuthAction")
	for _, g := range a.chain(r.path) {
		if g.kind != "" {
			kind = g.kind
		}
		if len(g.requires) > 0 {
			requires = g.requires
		}
		if g.unauth != nil {
			unauth = g.unauth
		}
		losses = append(losses, g.losses...)
	}
	d := a.any(requires)
	if len(requires) == 0 && kind == "session" {
		d = demand{} // Apache would let everybody in, which nobody meant who wrote AuthType.
	}
	if d.public && len(losses) == 0 {
		r.access, r.token = "public", "none"
		return
	}
	r.claims = maps.Clone(d.claims)
	switch {
	case d.bad != "":
		losses = append(losses, d.bad)
	case kind != "session" && len(losses) == 0:
		losses = append(losses, "Require without AuthType openid-connect")
	}
	if len(losses) > 0 {
		a.impossible(r.guard(), "who may: "+losses[0])
	}
	a.unauthenticated(r, unauth)
}

// unauthenticated writes what a request without a session gets.
func (a *modAuth) unauthenticated(r *route, s *setting) {
	switch action := strings.ToLower(s.text()); action {
	case "pass":
		if len(r.claims) == 0 {
			r.access = "optional"
		}
	case "401", "407", "410":
		r.unauthenticated = "401"
	}
}

// chain is the guards that cover a path, in the order of the file.
func (a *modAuth) chain(path string) []*apacheGuard {
	var chain []*apacheGuard
	for _, g := range a.guards {
		if slices.ContainsFunc(variants(g.path), func(v string) bool { return covers(v, path) }) {
			chain = append(chain, g)
		}
	}
	return chain
}

// variants are the paths of routes that a path of Apache stands for: itself and what is
// below it.
func variants(path string) []string {
	if strings.HasSuffix(path, "/") {
		return []string{path}
	}
	return []string{path, path + "/"}
}
