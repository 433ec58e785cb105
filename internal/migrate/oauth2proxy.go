package migrate

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// OAuth2Proxy reads the configuration of oauth2-proxy 7: its .cfg, its alpha YAML, command
// lines, lists of arguments and of variables as Kubernetes and Compose have them, Helm
// values, and the environment. An error says which document cannot be read, and where.
func OAuth2Proxy(in Input) (Result, error) {
	if err := checkSize(in.Documents); err != nil {
		return Result{}, err
	}
	p := &oauth2Proxy{migration: newMigration("oauth2-proxy"), files: map[string]*setting{}, env: map[string]*setting{}, args: map[string]*setting{}}
	for _, d := range in.Documents {
		if err := p.document(d); err != nil {
			return Result{}, err
		}
	}
	p.environ(in.Environ)
	p.arguments("arguments", in.Args)
	p.merge()
	if len(p.order) == 0 && len(p.alpha) == 0 {
		return Result{}, ErrNothing
	}
	p.write()
	p.judge(p.order, p.find)
	return p.finish(), nil
}

// oauth2Proxy is a migration from oauth2-proxy.
type oauth2Proxy struct {
	*migration
	files, env, args map[string]*setting // by the name in a .cfg
	alpha            []alphaDocument
	set              map[string]*setting
	order            []*setting

	targets []oauth2Target
	headers map[string]string // for the routes' headers.set
	token   string            // of the routes
	asked   bool              // an ingress asks, or it looks so
}

func (p *oauth2Proxy) find(name string) (option, bool) {
	all := oauth2ProxyOptions()
	i := slices.IndexFunc(all, func(o option) bool { return o.name == name })
	if i < 0 {
		return option{}, false
	}
	return all[i], true
}

// document reads one document as what it looks like.
func (p *oauth2Proxy) document(d Document) error {
	switch ending := strings.ToLower(path.Ext(d.Name)); {
	case ending == ".cfg" || ending == ".toml":
		return p.cfg(d, 0)
	case ending == ".yaml" || ending == ".yml" || ending == ".json":
		return p.yaml(d)
	case ending == ".env" || strings.HasPrefix(firstWord(d.Text), oauth2Prefix) || strings.HasPrefix(firstWord(d.Text), "export"):
		p.environment(d)
		return nil
	case strings.HasPrefix(firstWord(d.Text), "-"), strings.HasSuffix(firstWord(d.Text), "oauth2-proxy"):
		p.arguments(d.Name, splitWords(d.Text))
		return nil
	}
	return p.cfg(d, 0)
}

// oauth2Prefix begins the names of variables.
const oauth2Prefix = "OAUTH2_PROXY_"

// firstWord is the first word of a text that is no comment.
func firstWord(text string) string {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			return words[0]
		}
	}
	return ""
}

// cfg reads the .cfg that begins after some lines of its file.
func (p *oauth2Proxy) cfg(d Document, after int) error {
	d.Text = strings.Repeat("\n", after) + d.Text
	all, err := readTOML(d)
	if err != nil {
		return err
	}
	for _, s := range all {
		p.take(p.files, s)
	}
	return nil
}

// take keeps a setting, its value divided if it is a list.
func (p *oauth2Proxy) take(into map[string]*setting, s *setting) {
	if o, _ := p.find(s.name); o.list {
		var values []string
		for _, v := range s.values {
			for part := range strings.SplitSeq(v, ",") {
				if part = strings.TrimSpace(part); part != "" {
					values = append(values, part)
				}
			}
		}
		s.values = values
		if before := into[s.name]; before != nil && before.at == s.at && s.env == "" {
			s.values = append(before.values, s.values...)
		}
	}
	into[s.name] = s
}

// environment reads lines of NAME=value, as a shell or Docker takes them.
func (p *oauth2Proxy) environment(d Document) {
	n := 0
	for line := range strings.Lines(d.Text) {
		n++
		words := splitWords(line)
		if len(words) > 0 && words[0] == "export" {
			words = words[1:]
		}
		if len(words) > 0 {
			name, value, ok := strings.Cut(words[0], "=")
			if ok {
				p.variable(d.Name+":"+strconv.Itoa(n), name, value)
			}
		}
	}
}

func (p *oauth2Proxy) environ(lines []string) {
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			p.variable("environment", name, value)
		}
	}
}

func (p *oauth2Proxy) variable(at, name, value string) {
	if option, ok := strings.CutPrefix(name, oauth2Prefix); ok {
		p.take(p.env, &setting{name: strings.ToLower(option), at: at, values: []string{value}, env: name})
	}
}

// arguments reads a command line. Values of flags that are not known are not shown.
func (p *oauth2Proxy) arguments(at string, words []string) {
	all := oauth2ProxyOptions()
	for i := 0; i < len(words); i++ {
		name, dashed := strings.CutPrefix(words[i], "-")
		if !dashed || name == "" {
			continue
		}
		name = strings.TrimPrefix(name, "-")
		name, value, given := strings.Cut(name, "=")
		s := &setting{name: strings.ReplaceAll(name, "-", "_"), at: at, values: []string{value}}
		k := slices.IndexFunc(all, func(o option) bool { return o.flagOf() == name })
		if k >= 0 {
			s.name = all[k].name
		}
		switch next := i+1 < len(words); {
		case given:
		case k >= 0 && all[k].flag:
			s.values = []string{"true"}
		case next && (k >= 0 || !strings.HasPrefix(words[i+1], "-")):
			i++
			s.values = []string{words[i]}
		}
		p.reference(s)
		p.take(p.args, s)
	}
}

// reference recognises $(NAME), ${NAME} and $NAME, with which Kubernetes and shells put a
// variable into an argument.
func (p *oauth2Proxy) reference(s *setting) {
	v := s.text()
	for _, marks := range [][2]string{{"$(", ")"}, {"${", "}"}, {"$", ""}} {
		name, ok := strings.CutPrefix(v, marks[0])
		name, closed := strings.CutSuffix(name, marks[1])
		if ok && closed && variableName(name) {
			s.env, s.absent = name, true
			return
		}
	}
}

func variableName(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_'
	})
}

// merge puts arguments before the environment and that before files, as the product does.
func (p *oauth2Proxy) merge() {
	p.set = map[string]*setting{}
	for _, from := range []map[string]*setting{p.files, p.env, p.args} {
		maps.Copy(p.set, from)
	}
	bySortedName(p.set, func(_ string, s *setting) { p.order = append(p.order, s) })
}

// elsewhere speaks of settings whose value is not here and that no reference can carry.
func (p *oauth2Proxy) elsewhere() {
	for _, s := range p.order {
		row, _ := p.find(s.name)
		if !s.absent || row.kind != Carried && row.kind != Changed || slices.Contains(referable(), s.name) {
			continue
		}
		p.say(Todo, s, row.to, "has its value elsewhere: write it")
	}
}

// referable are the options that config.yaml can refer to as variables.
func referable() []string {
	return []string{
		"client_id", "client_secret", "oidc_issuer_url", "login_url", "redeem_url", "oidc_jwks_url", "profile_url", "resource", "azure_tenant",
		"redis_connection_url", "redis_username", "redis_password", "redis_sentinel_password", "redis_sentinel_master_name", "upstreams",
	}
}

// get returns a setting, nil if it is not set.
func (p *oauth2Proxy) get(name string) *setting { return p.set[name] }

// is reports whether a truth value is set, or not set and true by default.
func (p *oauth2Proxy) is(name string, otherwise bool) bool {
	if s := p.set[name]; s != nil && !s.absent {
		return s.truth()
	}
	return otherwise
}

// value is the text of a setting as config.yaml has it, a reference if the value is not
// here.
func (p *oauth2Proxy) value(name string) string {
	s := p.set[name]
	switch {
	case s == nil:
		return ""
	case s.absent:
		return "${env:" + s.env + "}"
	}
	return literal(s.text())
}
