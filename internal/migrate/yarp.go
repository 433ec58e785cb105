package migrate

import (
	"slices"
	"strconv"
	"strings"
)

// yarp takes the routes and clusters of a ReverseProxy section.
func (d *duende) yarp(doc string, n *node) {
	n.get("Routes").each(func(name string, _ int, value *node) {
		d.routes = append(d.routes, yarpNode{doc, name, value})
	})
	n.get("Clusters").each(func(name string, _ int, value *node) { d.clusters[strings.ToLower(name)] = value })
}

// tokenFor says what a kind of token means here. Without one, requests pass as they are.
func tokenFor(kind string) (access, token string, known bool) {
	switch strings.ToLower(strings.TrimPrefix(kind, "Optional")) {
	case "", "none":
		return "public", "none", true
	case "user":
		return "", "user", true
	case "client":
		return "public", "client", true
	case "userorclient":
		return "optional", "user_or_client", true
	case "userornone":
		return "optional", "user", true
	}
	return "", "none", false
}

// remoteAPI writes the routes of an API of the product's own forwarder, which takes the
// matched path off.
func (d *duende) remoteAPI(api yarpNode) {
	at := place(api.doc, api.node)
	first := func(names ...string) string {
		for _, name := range names {
			if v := api.node.get(name).scalar(); v != "" {
				return v
			}
		}
		return ""
	}
	kind := first("requiredTokenType", "requiredToken", "tokenRequirement")
	if kind == "" {
		kind = "User"
	}
	r := route{upstream: []string{}}
	ok := false
	if r.access, r.token, ok = tokenFor(kind); !ok {
		d.impossible(r.guard(), "who may: the token's kind is not known")
		d.remark(Remark{Unknown, api.name, at, "routes.token", "asks for a kind of token that is not known here: nobody gets in until you write token"})
	}
	d.unread(api, "pathMatch", "targetUri", "remoteUrl", "requiredTokenType", "requiredToken", "tokenRequirement", "activityTimeout", "userAccessTokenParameters")
	r.resource = literal(api.node.get("userAccessTokenParameters", "resource").scalar())
	if r.token == "none" || r.token == "client" {
		r.resource = ""
	}
	if t, ok := timeSpan(first("activityTimeout")); ok && t > 0 {
		r.timeout = brief(t)
	}
	prefix := d.frontend + strings.TrimSuffix(first("pathMatch"), "/")
	u, err := parseURL(first("targetUri", "remoteUrl"))
	if err != nil || u.Host == "" || u.User != nil || !plainPath(prefix+"/") {
		d.remark(Remark{Lost, api.name, at, "routes", "has a path or an address that cannot be read: write its route"})
		return
	}
	r.upstream = []string{literal(u.Scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/"))}
	r.strip = prefix
	d.both(prefix, r)
}

// both writes a route for a path and one for what is below it.
func (d *duende) both(prefix string, r route) {
	for _, p := range []string{prefix, prefix + "/"} {
		if p != "" {
			one := r
			one.path = p
			d.draft.routes = append(d.draft.routes, &one)
		}
	}
}

// unread remarks on keys of a part that nobody reads.
func (d *duende) unread(part yarpNode, read ...string) {
	part.node.each(func(name string, line int, value *node) {
		if slices.ContainsFunc(read, func(r string) bool { return strings.EqualFold(r, name) }) || value.shape == nothing {
			return
		}
		at := part.doc + ":" + strconv.Itoa(line)
		row, known := d.find(name)
		s := &setting{name: name, values: value.texts()}
		switch {
		case !known:
			d.remark(Remark{Unknown, shown(name), at, "", "is not known here: look up what it does, and whether you need it"})
		case row.kind == Lost && value.shape == scalarNode && s.idles(row):
		default:
			d.remark(Remark{row.kind, row.name, at, row.to, row.why})
		}
	})
}

// yarpRoute writes a route of YARP. One that chooses or changes its path in a way that
// routes here do not is left out.
func (d *duende) yarpRoute(y yarpNode) {
	at := place(y.doc, y.node)
	lost := func(why string) {
		d.remark(Remark{Lost, "Routes." + shown(y.name), at, "routes", why + ": the route is left out"})
		if !strings.EqualFold(y.node.get("AuthorizationPolicy").scalar(), "anonymous") && (y.node.get("AuthorizationPolicy") != nil || y.node.get("Metadata", "Duende.Bff.Yarp.TokenType") != nil) {
			d.shut = append(d.shut, "of the route "+shown(y.name))
		}
	}
	d.unread(y, "Match", "ClusterId", "Metadata", "Transforms", "AuthorizationPolicy", "Timeout", "MaxRequestBodySize")
	match := y.node.get("Match")
	path, whole := yarpPath(match.get("Path").scalar())
	switch {
	case match.get("Headers") != nil || match.get("QueryParameters") != nil:
		lost("is chosen by headers or the query")
		return
	case path == "":
		lost("has a pattern in its path that is no beginning of one")
		return
	}
	r := route{methods: match.get("Methods").texts()}
	for i, m := range r.methods {
		r.methods[i] = literal(strings.ToUpper(m))
	}
	if t, ok := timeSpan(y.node.get("Timeout").scalar()); ok && t > 0 {
		r.timeout = brief(t)
	}
	if size, err := strconv.ParseInt(y.node.get("MaxRequestBodySize").scalar(), 10, 64); err == nil && size > 0 {
		r.maxBody = strconv.FormatInt(size, 10)
	}
	d.yarpAccess(y, &r)
	cluster := d.clusters[strings.ToLower(y.node.get("ClusterId").scalar())]
	if why := d.yarpCluster(yarpNode{y.doc, y.name, cluster}, &r); why != "" {
		lost(why)
		return
	}
	if why := d.yarpTransforms(y, &r, path); why != "" {
		lost(why)
		return
	}
	hosts := match.get("Hosts").texts()
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	for _, host := range hosts {
		r.host = literal(host)
		if whole {
			r.path = path
			one := r
			d.draft.routes = append(d.draft.routes, &one)
		} else {
			d.both(strings.TrimSuffix(path, "/"), r)
		}
	}
}

// yarpPath is the path of a template, and whether it is that alone. A catch-all at the end
// is a beginning; other parameters are none.
func yarpPath(template string) (path string, whole bool) {
	head, _, all := strings.Cut(template, "{*")
	if all && !strings.HasSuffix(template, "}") || !all && strings.HasSuffix(head, "/") && head != "/" {
		return "", false
	}
	head = "/" + strings.TrimPrefix(head, "/")
	if strings.ContainsAny(head, "{}") || !plainPath(head) || !all && head == "/" {
		return "", false
	}
	return head, !all
}

// yarpAccess reads who may use a route, and with which token.
func (d *duende) yarpAccess(y yarpNode, r *route) {
	metadata := y.node.get("Metadata")
	d.unread(yarpNode{y.doc, y.name, metadata}, "Duende.Bff.Yarp.TokenType", "Duende.Bff.Yarp.OptionalUserToken")
	kind := metadata.get("Duende.Bff.Yarp.TokenType").scalar()
	if optional := (&setting{values: metadata.get("Duende.Bff.Yarp.OptionalUserToken").texts()}); optional.truth() {
		kind = "UserOrNone"
	}
	known := false
	if r.access, r.token, known = tokenFor(kind); !known {
		d.impossible(r.guard(), "who may: the token's kind is not known")
		d.remark(Remark{Unknown, "Duende.Bff.Yarp.TokenType", place(y.doc, y.node), "routes.token", "asks for a kind of token that is not known here: nobody gets in until you write token"})
	}
	switch policy := y.node.get("AuthorizationPolicy").scalar(); strings.ToLower(policy) {
	case "", "anonymous":
	case "default":
		r.required()
	default:
		r.required()
		d.impossible(r.guard(), "who may: the host's policy "+shown(policy))
		d.remark(Remark{Lost, "AuthorizationPolicy", place(y.doc, y.node), "routes.require", "a policy of the host's own is code: the route lets nobody in until you write require"})
	}
}

// required makes a route ask for a session.
func (r *route) required() {
	r.access = ""
	if r.token == "user_or_client" {
		r.token = "user"
	}
}

// yarpCluster reads the servers of a route, and says why it cannot.
func (d *duende) yarpCluster(c yarpNode, r *route) string {
	d.unread(c, "Destinations", "SessionAffinity", "HealthCheck", "HttpRequest", "Metadata")
	c.node.get("Destinations").each(func(_ string, _ int, value *node) {
		u, err := parseURL(value.get("Address").scalar())
		if err == nil && u.Host != "" && u.User == nil {
			r.upstream = append(r.upstream, literal(u.Scheme+"://"+u.Host+strings.TrimSuffix(u.Path, "/")))
		}
	})
	if len(r.upstream) == 0 {
		return "has no cluster with an address"
	}
	if enabled := (&setting{values: c.node.get("SessionAffinity", "Enabled").texts()}); enabled.truth() && len(r.upstream) > 1 {
		r.sticky = true
	}
	active := c.node.get("HealthCheck", "Active")
	if enabled := (&setting{values: active.get("Enabled").texts()}); enabled.truth() && len(r.upstream) > 1 {
		if path := active.get("Path").scalar(); plainPath(path) {
			r.healthPath = path
			if t, ok := timeSpan(active.get("Interval").scalar()); ok && t > 0 {
				r.healthInterval = brief(t)
			}
		}
	}
	if t, ok := timeSpan(c.node.get("HttpRequest", "ActivityTimeout").scalar()); ok && t > 0 && r.timeout == "" {
		r.timeout = brief(t)
	}
	if c.node.get("Metadata", "Duende.Bff.Yarp.TokenType") != nil && r.access == "public" && r.token == "none" {
		r.access, r.token, _ = tokenFor(c.node.get("Metadata", "Duende.Bff.Yarp.TokenType").scalar())
	}
	return ""
}

// yarpTransforms reads what a route changes in a request, and says why it cannot.
func (d *duende) yarpTransforms(y yarpNode, r *route, path string) string {
	list := y.node.get("Transforms")
	if list == nil {
		return ""
	}
	for _, t := range list.items {
		at := place(y.doc, t)
		name := t.get("RequestHeader").scalar()
		switch {
		case t.get("PathRemovePrefix") != nil:
			prefix := strings.TrimSuffix(t.get("PathRemovePrefix").scalar(), "/")
			if !plainPath(prefix) || path != prefix && !strings.HasPrefix(path, prefix+"/") {
				return "takes off what its path does not begin with"
			}
			r.strip = prefix
		case t.get("PathPrefix") != nil:
			prefix := strings.TrimSuffix(t.get("PathPrefix").scalar(), "/")
			if !plainPath(prefix) {
				return "puts a path in front that could be read in two ways"
			}
			r.upstream = slices.Clone(r.upstream)
			for i := range r.upstream {
				r.upstream[i] += literal(prefix)
			}
		case t.get("PathSet") != nil, t.get("PathPattern") != nil, t.get("QueryValueParameter") != nil, t.get("QueryRouteParameter") != nil,
			t.get("QueryRemoveParameter") != nil, t.get("HttpMethodChange") != nil:
			return "changes its path, query or method"
		case name != "" && t.get("Set") != nil && headerName(name) && !strings.HasPrefix(strings.ToLower(name), "x-forwarded-"):
			if r.headers == nil {
				r.headers = map[string]string{}
			}
			r.headers[literal(name)] = d.secret(&setting{name: "Transforms " + shown(name), at: at}, "HEADER_"+strings.ToUpper(strings.Map(variableRune, name)))
		case headerName(t.get("RequestHeaderRemove").scalar()):
			r.remove = append(r.remove, literal(t.get("RequestHeaderRemove").scalar()))
		case t.get("RequestHeadersCopy") != nil, t.get("RequestHeaderOriginalHost") != nil, t.get("X-Forwarded") != nil, t.get("Forwarded") != nil:
			d.remark(Remark{Needless, "Transforms", at, "", "headers pass, X-Forwarded-* are written, and Host is the upstream's own"})
		default:
			d.remark(Remark{Lost, "Transforms", at, "routes.headers", "has a transform that there is none of here"})
		}
	}
	return ""
}
