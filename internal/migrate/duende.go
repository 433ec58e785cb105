package migrate

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Duende reads the settings of a host with Duende.BFF: appsettings.json, the file of its
// frontends, the routes and clusters of YARP. Of several documents the later goes first,
// as in ASP.NET. What the host's code says is in none of them.
func Duende(in Input) (Result, error) {
	if err := checkSize(in.Documents); err != nil {
		return Result{}, err
	}
	d := &duende{migration: newMigration("duende"), set: map[string]*setting{}, clusters: map[string]*node{}}
	for _, doc := range in.Documents {
		root, err := readJSON(doc)
		if err != nil {
			return Result{}, err
		}
		if root.shape != mappingNode {
			return Result{}, &fault{doc.Name, root.line, "is no object: name the settings of the host"}
		}
		d.section(doc.Name, root, true)
	}
	if !d.found {
		return Result{}, ErrNothing
	}
	d.write()
	d.judge(d.order, d.find)
	return d.finish(), nil
}

// duende is a migration from Duende.BFF.
type duende struct {
	*migration
	set      map[string]*setting // by the name in lower case
	order    []*setting
	found    bool // something of the product's
	frontend string
	apis     []yarpNode
	routes   []yarpNode
	clusters map[string]*node
}

// yarpNode is a part of a document.
type yarpNode struct {
	doc, name string
	node      *node
}

func (d *duende) find(name string) (option, bool) {
	all := duendeOptions()
	i := slices.IndexFunc(all, func(o option) bool { return strings.EqualFold(o.name, name) })
	if i < 0 {
		return option{}, false
	}
	return all[i], true
}

func (d *duende) get(name string) *setting { return d.set[strings.ToLower(name)] }

// section takes the keys of an object as settings, and those that hold more apart.
func (d *duende) section(doc string, n *node, top bool) {
	n.each(func(name string, line int, value *node) {
		s := &setting{name: name, at: doc + ":" + strconv.Itoa(line), values: value.texts()}
		if value.shape == nothing {
			return
		}
		if d.part(doc, s, value) {
			return
		}
		row, known := d.find(name)
		switch {
		case known && value.shape != mappingNode || known && row.kind != Carried:
			s.name = row.name
			if before := d.get(s.name); before != nil && strings.HasPrefix(before.at, doc+":") && !slices.Equal(before.values, s.values) && d.frontend == "" {
				d.remark(Remark{Todo, s.name, s.at, row.to, "is there twice, here and at " + before.at + ": the later was taken"})
			}
			d.set[strings.ToLower(name)] = s
			d.order = append(slices.DeleteFunc(d.order, func(o *setting) bool { return o.name == s.name }), s)
			d.found = d.found || !top
		case value.shape == mappingNode && ofDuende(name, value):
			d.section(doc, value, false)
		case value.shape == mappingNode:
			d.remark(Remark{Unknown, shown(name), s.at, "", "is a section that is not known here: it may be read by the host's own code"})
		default:
			d.remark(Remark{Unknown, shown(name), s.at, "", "is not known here: it may be read by the host's own code"})
		}
	})
}

// ofDuende reports whether a section has to do with signing in or forwarding. Others have
// keys of the same names, such as the ClientId of something else.
func ofDuende(name string, n *node) bool {
	for _, known := range []string{"bff", "bffoptions", "oidc", "openidconnect", "cookies", "cookie", "defaultoidcsettings", "defaultcookiesettings"} {
		if strings.EqualFold(name, known) {
			return true
		}
	}
	for _, key := range []string{"Authority", "ManagementBasePath", "ReverseProxy", "frontends", "remoteApis"} {
		if n.get(key) != nil {
			return true
		}
	}
	return slices.ContainsFunc(n.fields, func(f field) bool { return f.value.shape == mappingNode && ofDuende(f.name, f.value) })
}

// part takes a key that holds routes, frontends or parameters, and reports whether it did.
func (d *duende) part(doc string, s *setting, value *node) bool {
	switch strings.ToLower(s.name) {
	case "logging":
		d.logLevel(s, value)
	case "apis", "remoteapis":
		for _, item := range value.items {
			d.apis = append(d.apis, yarpNode{doc, s.name, item})
		}
	case "reverseproxy":
		d.yarp(doc, value)
	case "frontends":
		d.frontends(doc, value)
	case "additionalauthorizationparameters":
		params := map[string]string{}
		value.each(func(name string, _ int, v *node) { params[literal(name)] = literal(v.scalar()) })
		d.draft.set("provider.authorize_params", params)
	default:
		return false
	}
	row, _ := d.find(s.name)
	if !d.said[s.name] {
		d.remark(Remark{row.kind, row.name, s.at, row.to, row.why})
	}
	d.found = d.found || !strings.EqualFold(s.name, "logging")
	return true
}

func (d *duende) logLevel(s *setting, value *node) {
	levels := map[string]string{"trace": "debug", "debug": "debug", "information": "info", "warning": "warn", "error": "error", "critical": "error"}
	if level := levels[strings.ToLower(value.get("LogLevel", "Default").scalar())]; level != "" {
		d.draft.set("log.level", level)
	}
}

// frontends takes the first frontend: a gateway has one client at the provider.
func (d *duende) frontends(doc string, n *node) {
	for i, f := range n.fields {
		at := doc + ":" + strconv.Itoa(f.line)
		if i > 0 {
			d.remark(Remark{Lost, "frontends." + shown(f.name), at, "", "a gateway has one client at the provider: run another one for this frontend"})
			continue
		}
		d.frontend = strings.TrimSuffix(f.value.get("matchingPath").scalar(), "/")
		d.section(doc, f.value, false)
	}
}

// timeSpan reads a TimeSpan of .NET: [d.]hh:mm[:ss[.fff]], or days alone.
func timeSpan(s string) (time.Duration, bool) {
	days, clock := "0", s
	if before, after, ok := strings.Cut(s, "."); ok && strings.Contains(after, ":") {
		days, clock = before, after
	} else if !strings.Contains(s, ":") {
		days, clock = s, "0:0"
	}
	parts := strings.Split(clock, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		value := days
		if i > 0 {
			if i > len(parts) {
				break
			}
			value = parts[i-1]
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || n < 0 || n > 100_000 {
			return 0, false
		}
		total += time.Duration(n * float64(unit))
	}
	return total, true
}

func (d *duende) write() {
	d.writeProvider()
	d.writeSession()
	if s := d.get("Urls"); s != nil {
		first, _, _ := strings.Cut(s.text(), ";")
		u, err := parseURL(strings.NewReplacer("*", "0.0.0.0", "+", "0.0.0.0").Replace(first))
		if err == nil && u.Port() != "" {
			d.draft.set("listen", address(u.Host))
		} else {
			d.say(Lost, s, "listen", "has no address with a port")
		}
	}
	for _, api := range d.apis {
		d.remoteAPI(api)
	}
	for _, r := range d.routes {
		d.yarpRoute(r)
	}
	d.writePages()
	d.todo("", "look through the host's code (Program.cs): scopes, lifetimes, APIs, policies and the session store that it sets are not in its settings")
}

func (d *duende) writeProvider() {
	if s := d.get("Authority"); s != nil {
		issuer := literal(s.text())
		if preset := presetOf(issuer); preset != "" {
			d.draft.set("provider.preset", preset)
			d.remark(Remark{Kind: Changed, To: "provider.preset", Text: "the preset " + preset + " brings defaults of its own: see the page about providers"})
		}
		d.issuer(s, issuer)
	}
	for option, key := range map[string]string{"ClientId": "provider.client_id", "SignedOutRedirectUri": "post_logout_url"} {
		if s := d.get(option); s.text() != "" {
			d.draft.set(key, literal(s.text()))
		}
	}
	if s := d.get("MetadataAddress"); s.text() != "" {
		d.addressed(s, "provider.discovery_url", literal(s.text()))
	}
	if s := d.get("ClientSecret"); s.text() != "" {
		d.draft.set("provider.client_secret", d.secret(s, "CLIENT_SECRET"))
		d.draft.set("provider.client_auth", "client_secret_post")
	}
	scopes := d.get("Scope")
	if scopes == nil {
		scopes = d.get("Scopes")
	}
	if scopes != nil && len(scopes.values) > 0 {
		d.draft.set("provider.scopes", unique(append([]string{"openid"}, strings.Fields(literal(strings.Join(scopes.values, " ")))...)))
	}
	if s := d.get("Resource"); s.text() != "" {
		d.draft.set("provider.resource", literals(s.values))
	}
	if s := d.get("Prompt"); s.text() != "" {
		params, _ := d.draft.values["provider.authorize_params"].(map[string]string)
		if params == nil {
			params = map[string]string{}
		}
		params["prompt"] = literal(s.text())
		d.draft.set("provider.authorize_params", params)
	}
	if d.get("GetClaimsFromUserInfoEndpoint").truth() {
		d.draft.set("provider.userinfo", true)
	}
	if s := d.get("RevokeRefreshTokenOnLogout"); s != nil && !s.truth() {
		d.draft.set("provider.revoke_on_logout", false)
	}
	if s := d.get("BackchannelTimeout"); s != nil {
		if t, ok := timeSpan(s.text()); ok && t > 0 {
			d.draft.set("provider.timeout", brief(t))
		}
	}
}

func (d *duende) writeSession() {
	base := "/bff"
	if s := d.get("ManagementBasePath"); s.text() != "" {
		base = "/" + strings.Trim(s.text(), "/")
	}
	if base = d.frontend + base; base != "/bff" {
		if plainPath(base) {
			d.draft.set("base_path", base)
		} else {
			d.todo("base_path", "write where the endpoints are: the path could be read in two ways")
			base = "/bff"
		}
	}
	if s := d.get("matchingHostHeader"); s.text() != "" {
		host := s.text()
		if !strings.Contains(host, "://") {
			host = "https://" + host
		}
		if u, err := parseURL(host); err == nil {
			d.publicURL(s, u)
		}
	}
	d.todo("", "register "+base+"/callback as the redirect URI, the address of post_logout_url, and "+base+"/backchannel-logout at the provider, in the place of /signin-oidc, /signout-callback-oidc and "+base+"/backchannel")
	if s := d.get("ExpireTimeSpan"); s != nil {
		if t, ok := timeSpan(s.text()); ok && t > 0 {
			d.lasts(min(t, longest), max(min(t, longest), 168*time.Hour))
		}
	}
	s := d.get("SameSite")
	switch mode := strings.ToLower(s.text()); mode {
	case "strict", "lax":
		d.draft.set("session.cookie.same_site", mode)
	case "none":
		d.say(Lost, s, "session.cookie.same_site", "none would send the ticket with every request of every site: it is strict; pages of the same site are listed in cors.origins")
	}
	d.remark(Remark{Kind: Changed, To: "session.store", Text: "sessions are in a file of one process, bolt:./cloakroom.db: for several processes write a redis:// URL"})
}

// writePages writes what serves the pages: an address of static files, or the host's own.
func (d *duende) writePages() {
	place := d.frontend + "/"
	if slices.ContainsFunc(d.draft.routes, func(r *route) bool { return r.path == place && r.host == "" }) {
		return
	}
	if u, err := parseURL(d.get("staticAssetsUrl").text()); err == nil && u.Host != "" {
		d.draft.routes = append(d.draft.routes, &route{path: place, upstream: []string{literal(u.Scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/"))}, access: "public", token: "none"})
		return
	}
	d.draft.routes = append(d.draft.routes, &route{path: place, files: "./wwwroot", strip: d.frontend, access: "public"})
	d.todo("routes.files", "put the application's pages where ./wwwroot, beside config.yaml, says; they are for everybody")
}
