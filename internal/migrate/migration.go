package migrate

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A migration collects a draft and remarks. One goroutine owns it.
type migration struct {
	product string
	draft   draft
	remarks []Remark
	said    map[string]bool   // options with a remark of their own
	env     map[string]string // variables that secrets go into, and where their values stand
	shut    []string          // why some part may be less guarded than it was
}

func newMigration(product string) *migration {
	return &migration{product: product, draft: draft{values: map[string]any{}}, said: map[string]bool{}, env: map[string]string{}}
}

// say remarks on a setting in the place of its table's row.
func (m *migration) say(kind Kind, s *setting, to, text string) {
	m.said[s.name] = true
	m.remark(Remark{kind, s.name, s.at, to, text})
}

// remark adds a remark once. It is one line also if a file's name, which it may hold, is not.
func (m *migration) remark(r Remark) {
	r.Text, r.At = oneLine(r.Text), oneLine(r.At)
	if !slices.Contains(m.remarks, r) {
		m.remarks = append(m.remarks, r)
	}
}

func (m *migration) todo(to, text string) { m.remark(Remark{Kind: Todo, To: to, Text: text}) }

// judge remarks on each setting that nobody has spoken of, by its row.
func (m *migration) judge(all []*setting, find func(string) (option, bool)) {
	for _, s := range all {
		if m.said[s.name] {
			continue
		}
		row, known := find(s.name)
		switch {
		case !known:
			m.remark(Remark{Unknown, shown(s.name), s.at, "", "is not known here: look up what it does, and whether you need it"})
		case row.kind == Lost && s.idles(row):
			m.remark(Remark{Needless, row.name, s.at, "", "is as it always is here"})
		default:
			m.remark(Remark{row.kind, row.name, s.at, row.to, row.why})
		}
	}
}

// secret returns the reference that stands for a secret, and says where its value is.
func (m *migration) secret(s *setting, name string) string {
	if s.env != "" {
		m.todo("", s.env+" has to be in the gateway's environment, as it was in "+m.product+"'s")
		return "${env:" + s.env + "}"
	}
	where := s.name + " (" + s.at + ")"
	for unused, n := name, 2; m.env[name] != "" && m.env[name] != where; n++ {
		name = unused + "_" + strconv.Itoa(n)
	}
	m.env[name] = where
	m.todo("", "put the value of "+where+" into the environment variable "+name)
	return "${env:" + name + "}"
}

// impossible guards a route with what no session has, so that it stays shut until somebody
// has decided.
func (m *migration) impossible(claims map[string][]string, what string) {
	claims["nobody-yet"] = []string{what}
}

// publicURL sets what the browser sees, from an address such as that of the callback.
func (m *migration) publicURL(s *setting, u *url.URL) {
	public := *u
	public.Scheme, public.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if public.Scheme != "http" && public.Scheme != "https" || public.Hostname() == "" {
		return
	}
	if public.Scheme == "http" && !loopback(public.Hostname()) {
		public.Scheme = "https"
		public.Host = public.Hostname()
		m.say(Changed, s, "public_url", "is http, which is for loopback only: the browser has to see https here, from the gateway's own tls or a proxy in front")
	}
	m.draft.set("public_url", literal(public.Scheme+"://"+public.Host))
}

// redirect keeps the registered redirect URI where it can, and says what to register
// where it cannot.
func (m *migration) redirect(path string) {
	if base, ok := strings.CutSuffix(path, "/callback"); ok && base != "" && plainPath(base) {
		m.draft.set("base_path", literal(base))
		m.remark(Remark{Kind: Changed, To: "base_path", Text: "the gateway's endpoints are below " + base + ", so that the redirect URI stays as the provider knows it; for the usual /bff take the key out and register /bff/callback"})
		return
	}
	m.todo("", "register the redirect URI "+m.public()+"/bff/callback at the provider")
}

func (m *migration) public() string {
	s, _ := m.draft.values["public_url"].(string)
	return s
}

// finish fills in what every configuration needs, and returns it with the remarks.
func (m *migration) finish() Result {
	needed := []struct{ key, value, what string }{
		{"public_url", "https://app.example.com", "write the address that browsers see"},
		{"provider.issuer", "https://login.example.com", "write the provider's issuer, as its discovery document has it"},
		{"provider.client_id", "my-client", "write the client's id"},
	}
	for _, n := range needed {
		if m.draft.values[n.key] != nil || n.key == "provider.issuer" && m.draft.values["provider.preset"] == "google" {
			continue
		}
		m.draft.set(n.key, n.value)
		m.todo(n.key, n.what)
	}
	if m.draft.values["provider.client_secret"] == nil && m.draft.values["provider.client_auth"] != "none" {
		m.draft.set("provider.client_secret", "${env:CLIENT_SECRET}")
		m.todo("provider.client_secret", "put the client's secret into the environment variable CLIENT_SECRET")
	}
	m.draft.set("session.keys", []string{"${env:SESSION_KEY}"})
	m.todo("session.keys", "put what `cloakroom keys new` prints into the environment variable SESSION_KEY; users sign in once more, for no session is carried")
	if len(m.draft.routes) == 0 {
		m.draft.routes = []*route{{path: "/", upstream: []string{"http://app:9000"}}}
		m.todo("routes[0].upstream", "write the address of the application")
	}
	if len(m.shut) > 0 {
		m.closeDoors()
	}
	return Result{m.draft.yaml(m.product), sorted(m.remarks)}
}

// closeDoors asks for a session on routes that need none, since one of them may have
// become what a guard stood before.
func (m *migration) closeDoors() {
	for _, r := range m.draft.routes {
		if r.access != "" && len(r.upstream) > 0 {
			r.access, r.token = "", "none"
			m.impossible(r.guard(), "decide who may, and write access: public where everybody may: "+m.shut[0])
		}
	}
	m.remark(Remark{Kind: Lost, To: "routes", Text: "some guards could not be carried (" + strings.Join(m.shut, "; ") + "), so that applications for everybody are shut: nobody-yet in require.claims says which"})
}

// parseURL parses an address. An @ that begins no host is of a password that was not
// encoded, parts of which would be taken for something else; then it is no URL.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.User == nil && strings.Contains(s, "@") {
		return nil, errNoURL
	}
	return u, nil
}

var errNoURL = errors.New("migrate: no URL")

// addressed writes an address of the provider. One with a password is left out, and an http
// one off this machine cannot be kept.
func (m *migration) addressed(s *setting, key, value string) {
	u, err := parseURL(value)
	switch {
	case strings.Contains(value, "${env:"):
	case err != nil || u.User != nil:
		m.say(Lost, s, key, "is no address, or has a user name in it: write it without")
		return
	case u.Scheme == "http" && !loopback(u.Hostname()):
		value = "https" + value[len("http"):]
		m.todo(key, "was http, which is for loopback only: give the provider TLS, and an issuer that says so")
	}
	m.draft.set(key, value)
}

// literal is a text that config.yaml takes as it stands.
func literal(s string) string { return strings.ReplaceAll(s, "${", "$${") }

func literals(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = literal(s)
	}
	return out
}

func loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// network writes an address or a network as trusted_proxies has it, "" if it is neither.
func network(s string) string {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()).String()
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return ""
	}
	return p.Masked().String()
}

// address writes where a product listens as the gateway has it, "" for what is no host
// and port.
func address(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "http://"), "https://")
	s = strings.TrimSuffix(s, "/")
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, "/@*+ ") {
		return ""
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return ""
	}
	return net.JoinHostPort(host, port)
}

// plainPath reports whether the gateway takes a path as it is.
func plainPath(p string) bool {
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`\;%?#`, c) }
	if !strings.HasPrefix(p, "/") || strings.Contains(p, "//") || strings.ContainsFunc(p, odd) {
		return false
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// headerName reports whether a route may set a header, or one that X-Forwarded-* becomes.
func headerName(name string) bool {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}
	if name == "" || strings.ContainsFunc(name, odd) {
		return false
	}
	switch name = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-")); name {
	case "Host", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length",
		"Cookie", "Authorization", "Dpop", "Forwarded", "Via", "X-Real-Ip", "Http2-Settings":
		return false
	}
	return !strings.HasPrefix(name, "Proxy-") && !strings.HasPrefix(name, "Cloakroom-")
}

// file writes a path. One that is relative begins elsewhere now.
func (m *migration) file(s *setting, path string) string {
	if !filepath.IsAbs(path) {
		m.todo("", s.name+" ("+s.at+") names a relative path: here it begins at the directory of config.yaml")
	}
	return literal(path)
}

// bySortedName calls f for each entry of a map, in order.
func bySortedName[V any](all map[string]V, f func(string, V)) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f(name, all[name])
	}
}
