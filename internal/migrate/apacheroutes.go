package migrate

import (
	"slices"
	"strings"
)

// apacheTarget is what requests below a path are proxied to; nothing if that cannot be
// said.
type apacheTarget struct{ path, upstream, strip, timeout string }

// proxyPass reads ProxyPass, with its path or in a location that has one.
func (a *modAuth) proxyPass(s *setting, within *apacheGuard) {
	args := s.values
	if within != nil {
		args = append([]string{within.path}, args...)
	}
	if len(args) < 2 || !plainPath(args[0]) {
		a.remark(Remark{Lost, s.name, s.at, "routes", "has a path or an address that cannot be read: write its route"})
		a.shut = append(a.shut, "ProxyPass at "+s.at)
		return
	}
	t := apacheTarget{path: args[0]}
	if args[1] == "!" {
		a.remark(Remark{Lost, s.name, s.at, "routes", "is a path that was not passed on: nobody gets in until you write its route"})
		a.guardAt(t.path).lost("a path that was not passed on")
		return
	}
	for _, option := range args[2:] {
		if n, ok := strings.CutPrefix(strings.ToLower(option), "timeout="); ok && n != "" && !strings.ContainsFunc(n, func(c rune) bool { return c < '0' || c > '9' }) && n[0] != '0' && len(n) < 6 {
			t.timeout = n + "s"
		}
	}
	u, err := parseURL(args[1])
	scheme := ""
	if err == nil {
		scheme = map[string]string{"http": "http", "https": "https", "ws": "http", "wss": "https", "h2c": "h2c", "h2": "https"}[strings.ToLower(u.Scheme)]
	}
	if scheme == "" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && !plainPath(u.EscapedPath()) {
		a.remark(Remark{Lost, s.name, s.at, "routes.upstream", "has an address that is no http, https or h2c one of a server, such as a balancer's: write the address of the application, or a list of them"})
	} else {
		inner, outer := strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(t.path, "/")
		t.upstream = literal(scheme + "://" + u.Host)
		if inner != outer {
			t.upstream, t.strip = literal(scheme+"://"+u.Host+inner), outer
		}
		a.remark(Remark{Carried, s.name, s.at, "routes.upstream", ""})
	}
	if !slices.ContainsFunc(a.proxied, func(before apacheTarget) bool { return before.path == t.path }) {
		a.proxied = append(a.proxied, t) // Apache takes the first of several.
	}
}

// writeRoutes writes a route for each path that has a guard or a target of its own.
func (a *modAuth) writeRoutes() {
	callback, _ := parseURL(a.get("OIDCRedirectURI").text())
	var paths []string
	for _, t := range a.proxied {
		paths = append(paths, variants(t.path)...)
	}
	for _, g := range a.guards {
		if callback == nil || g.path != callback.Path {
			paths = append(paths, variants(g.path)...)
		}
	}
	slices.Sort(paths)
	headers, token := a.passed()
	for _, path := range slices.Compact(paths) {
		t := a.targetOf(path)
		if t.upstream == "" && a.targetOf(path+"/").upstream != "" {
			continue // Apache passes on what is below it, and not itself.
		}
		if t.upstream == "" {
			t.upstream, t.strip = "http://app:9000", ""
			a.todo("routes.upstream", "http://app:9000 stands for what Apache served by itself, or by an address that could not be carried: write the application's address; that can be this Apache at another port, which only the gateway reaches")
		}
		r := &route{path: path, upstream: []string{t.upstream}, strip: t.strip, timeout: t.timeout, token: token}
		if a.guarded(r); r.access != "public" {
			r.headers = headers
		}
		a.draft.routes = append(a.draft.routes, r)
	}
}

// targetOf finds the longest target that takes a path.
func (a *modAuth) targetOf(path string) (found apacheTarget) {
	for _, t := range a.proxied {
		if slices.ContainsFunc(variants(t.path), func(v string) bool { return covers(v, path) }) && len(t.path) >= len(found.path) {
			found = t
		}
	}
	return found
}

// userClaim is the claim that REMOTE_USER came from.
func (a *modAuth) userClaim() string {
	if name := strings.TrimSuffix(a.get("OIDCRemoteUserClaim").text(), "@"); name != "" {
		return literal(name)
	}
	return "sub"
}

// passed is what upstreams hear of the user, and whether they get a token.
func (a *modAuth) passed() (headers map[string]string, token string) {
	headers = map[string]string{}
	if s := a.get("OIDCRemoteUserClaim"); s != nil && (len(s.values) > 1 || strings.HasSuffix(s.text(), "@")) {
		a.say(Changed, s, "routes.headers.set", "the claim goes on as it is: no pattern, and no issuer behind an @")
	}
	if s := a.get("OIDCAuthNHeader"); s != nil {
		switch name := s.text(); {
		case headerName(name) && !strings.HasPrefix(strings.ToLower(name), "x-forwarded-"):
			headers[literal(name)] = claim(a.userClaim())
		default:
			a.say(Lost, s, "routes.headers.set", "is no header that a route may set: take another name")
		}
	}
	if !strings.EqualFold(a.get("OIDCPassClaimsAs").text(), "none") {
		a.passedClaims(headers)
	}
	token = "user"
	if s := a.get("OIDCPassAccessToken"); s != nil && !s.truth() {
		token = "none"
	} else if s == nil {
		a.remark(Remark{Kind: Changed, To: "routes.token", Text: "the access token comes as Authorization: Bearer, not as OIDC_access_token"})
	}
	return headers, token
}

func (a *modAuth) passedClaims(headers map[string]string) {
	prefix := "OIDC_CLAIM_"
	if s := a.get("OIDCClaimPrefix"); s != nil {
		prefix = s.text()
	}
	names := []string{"sub", "name", "preferred_username", "email", "groups"}
	if s := a.get("OIDCWhiteListedClaims"); s != nil {
		names = s.values
	} else {
		a.remark(Remark{Kind: Changed, To: "routes.headers.set", Text: "all claims went on; here it is those that are named: sub, name, preferred_username, email, groups. Add what the application reads"})
	}
	if s := a.get("OIDCBlackListedClaims"); s != nil {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(s.values, name) })
	}
	for _, name := range names {
		header := prefix + strings.Map(variableRune, name)
		if headerName(header) && !strings.HasPrefix(strings.ToLower(header), "x-forwarded-") {
			headers[header] = claim(name)
		}
	}
}
