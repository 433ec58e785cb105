package migrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A draft is a config.yaml that is being written. Its texts are as they stand there, with
// references and escapes.
type draft struct {
	values map[string]any // by key: a string, a bool, a list, or a map of strings
	routes []*route
}

func (d *draft) set(key string, value any) { d.values[key] = value }

// route is one of the routes. The zero value of each field is left out.
type route struct {
	path, host      string
	methods         []string
	upstream        []string
	files           string
	strip           string
	access, token   string
	resource        string
	unauthenticated string
	claims          map[string][]string
	headers         map[string]string
	remove          []string
	basicUser       string
	basicPassword   string
	timeout         string
	maxBody         string
	ca, serverName  string
	sticky          bool
	healthPath      string
	healthInterval  string
}

// guard is what a session must have, to be written into.
func (r *route) guard() map[string][]string {
	if r.claims == nil {
		r.claims = map[string][]string{}
	}
	return r.claims
}

// places are the keys in the order of the documented example; what is not here is not
// written.
func places() []string {
	return []string{
		"public_url", "listen", "tls.cert_file", "tls.key_file", "admin.listen", "admin.token", "forward_auth.listen",
		"post_logout_url", "base_path", "trusted_proxies", "cors.origins",
		"provider.preset", "provider.issuer", "provider.issuers", "provider.allowed_tenants", "provider.discovery_url",
		"provider.client_id", "provider.client_secret", "provider.client_auth", "provider.scopes", "provider.audience", "provider.resource",
		"provider.authorize_params", "provider.login_params", "provider.revoke_on_logout", "provider.userinfo",
		"provider.endpoints.authorization", "provider.endpoints.token", "provider.endpoints.jwks", "provider.endpoints.revocation",
		"provider.endpoints.end_session", "provider.endpoints.userinfo", "provider.timeout", "provider.clock_skew", "provider.ca_file",
		"session.store", "session.keys", "session.cookie.same_site", "session.cookie.persistent",
		"session.idle_timeout", "session.absolute_timeout", "session.refresh.before_expiry",
		"log.level",
	}
}

// yaml writes the file.
func (d *draft) yaml(product string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Written by `cloakroom migrate %s`. Secrets are in the environment: ${env:NAME}.\n# See to the remarks of the migration before use, then run `cloakroom check`.\n", product)
	var open []string
	for _, key := range places() {
		if key == "log.level" {
			d.writeRoutes(&out)
			open = nil
		}
		value, ok := d.values[key]
		if !ok {
			continue
		}
		parts := strings.Split(key, ".")
		groups := parts[:len(parts)-1]
		for i, group := range groups {
			if i < len(open) && open[i] == group {
				continue
			}
			open = open[:min(i, len(open))]
			if i == 0 {
				out.WriteByte('\n')
			}
			fmt.Fprintf(&out, "%s%s:\n", strings.Repeat("  ", i), group)
			open = append(slices.Clip(open), group)
		}
		open = open[:len(groups)]
		fmt.Fprintf(&out, "%s%s: %s\n", strings.Repeat("  ", len(groups)), parts[len(parts)-1], inline(value))
	}
	return out.Bytes()
}

func (d *draft) writeRoutes(out *bytes.Buffer) {
	out.WriteString("\nroutes:\n")
	for _, r := range d.routes {
		for i, line := range r.lines() {
			mark := "    "
			if i == 0 {
				mark = "  - "
			}
			out.WriteString(mark + line + "\n")
		}
	}
}

// lines writes a route, in the order of the documented example.
func (r *route) lines() []string {
	lines := []string{"path: " + inline(r.path)}
	add := func(key string, value any) {
		if text := inline(value); text != "" && text != `""` && text != "[]" && text != "{}" && text != "false" {
			lines = append(lines, key+": "+text)
		}
	}
	add("host", r.host)
	add("methods", r.methods)
	if len(r.upstream) == 1 {
		add("upstream", r.upstream[0])
	} else {
		add("upstream", r.upstream)
	}
	add("files", r.files)
	add("strip_prefix", r.strip)
	add("access", r.access)
	add("token", r.token)
	add("resource", r.resource)
	if len(r.claims) > 0 {
		add("require", map[string]any{"claims": r.claims})
	}
	add("unauthenticated", r.unauthenticated)
	headers := map[string]any{}
	if len(r.headers) > 0 {
		headers["set"] = r.headers
	}
	if len(r.remove) > 0 {
		headers["remove"] = r.remove
	}
	add("headers", headers)
	if r.basicUser != "" {
		add("upstream_auth", map[string]any{"basic": map[string]string{"user": r.basicUser, "password": r.basicPassword}})
	}
	add("timeout", r.timeout)
	add("max_body", r.maxBody)
	tls := map[string]string{}
	for key, value := range map[string]string{"ca_file": r.ca, "server_name": r.serverName} {
		if value != "" {
			tls[key] = value
		}
	}
	add("upstream_tls", tls)
	balance := map[string]any{}
	if r.sticky {
		balance["sticky"] = true
	}
	if r.healthPath != "" {
		balance["health_path"] = r.healthPath
	}
	if r.healthInterval != "" {
		balance["health_interval"] = r.healthInterval
	}
	add("balance", balance)
	return lines
}

// inline writes a value on one line.
func inline(value any) string {
	switch v := value.(type) {
	case string:
		return scalar(v)
	case bool:
		return fmt.Sprint(v)
	case []string:
		all := make([]string, len(v))
		for i, s := range v {
			all[i] = scalar(s)
		}
		return "[" + strings.Join(all, ", ") + "]"
	case map[string]string:
		return entries(v)
	case map[string][]string:
		return entries(v)
	case map[string]any:
		return entries(v)
	}
	return ""
}

func entries[V any](all map[string]V) string {
	var out []string
	bySortedName(all, func(name string, value V) { out = append(out, key(name)+": "+inline(value)) })
	return "{" + strings.Join(out, ", ") + "}"
}

// plainKey is a name that needs no quotes.
var plainKey = regexp.MustCompile(`^[A-Za-z_][\w.-]*$`)

// key quotes a name where YAML could read it in another way.
func key(name string) string {
	if plainKey.MatchString(name) && !reserved.MatchString(name) {
		return name
	}
	return quoted(name)
}

// bare are texts that YAML reads as nothing but themselves, also within brackets.
var bare = regexp.MustCompile(`^(?:[A-Za-z/][\w./-]*(?::[\w./-]*[\w/-])*|[0-9]+(?:ms|s|m|h|[KMG]iB))$`)

// reserved are words that YAML, or what once was YAML, takes for something else.
var reserved = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|null|y|n)$`)

// scalar quotes a text where YAML could read it in another way.
func scalar(s string) string {
	if bare.MatchString(s) && !reserved.MatchString(s) {
		return s
	}
	return quoted(s)
}

func quoted(s string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(out.String(), "\n")
}
