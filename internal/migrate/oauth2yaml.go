package migrate

import (
	"slices"
	"strconv"
	"strings"
)

// alphaDocument is a configuration of the alpha format.
type alphaDocument struct {
	name string
	root *node
}

// yaml reads the alpha format; or what holds a command line, variables or a .cfg:
// manifests of Kubernetes, files of Compose, values of Helm.
func (p *oauth2Proxy) yaml(d Document) error {
	docs, err := readYAML(d)
	if err != nil {
		return err
	}
	for _, root := range docs {
		if isAlpha(root) {
			p.alpha = append(p.alpha, alphaDocument{d.Name, root})
			continue
		}
		if root.shape == listNode {
			p.arguments(place(d.Name, root), root.texts())
			continue
		}
		if err := p.scan(d.Name, root); err != nil {
			return err
		}
	}
	return nil
}

func isAlpha(n *node) bool {
	return slices.ContainsFunc([]string{"providers", "upstreamConfig", "injectRequestHeaders", "injectResponseHeaders", "metricsServer"},
		func(key string) bool { return n.get(key) != nil }) && n.get("image") == nil
}

func place(name string, n *node) string { return name + ":" + strconv.Itoa(n.line) }

// scan looks for settings within a manifest. Containers of other images are passed over.
func (p *oauth2Proxy) scan(name string, n *node) error {
	if image := n.get("image"); image != nil && image.shape == scalarNode && !strings.Contains(image.text, "oauth2") {
		return nil
	}
	for _, item := range n.items {
		if err := p.scan(name, item); err != nil {
			return err
		}
	}
	for _, f := range n.fields {
		if err := p.part(name, f); err != nil {
			return err
		}
	}
	return nil
}

func (p *oauth2Proxy) part(name string, f field) error {
	at := name + ":" + strconv.Itoa(f.line)
	switch {
	case f.name == "args" || f.name == "command" || f.name == "extraArgs":
		p.words(at, f.value)
	case f.name == "env" || f.name == "extraEnv" || f.name == "environment":
		p.variables(name, f.value)
	case f.value.shape == scalarNode && (f.name == "configFile" || strings.HasSuffix(f.name, ".cfg") || strings.HasSuffix(f.name, ".toml")):
		return p.cfg(Document{name, f.value.text}, f.line)
	case f.value.shape == scalarNode && (strings.HasSuffix(f.name, ".yaml") || strings.HasSuffix(f.name, ".yml")):
		inner, err := readYAML(Document{name, f.value.text})
		if err != nil {
			return err
		}
		for _, root := range inner {
			if isAlpha(root) {
				p.alpha = append(p.alpha, alphaDocument{at + ", " + shown(f.name), root})
			}
		}
	case isAlpha(f.value):
		p.alpha = append(p.alpha, alphaDocument{name, f.value})
	default:
		return p.scan(name, f.value)
	}
	return nil
}

// words reads a command line: a list, one text, or a mapping of flags as in Helm values.
func (p *oauth2Proxy) words(at string, n *node) {
	switch n.shape {
	case scalarNode:
		p.arguments(at, splitWords(n.text))
	case listNode:
		p.arguments(at, n.texts())
	case mappingNode:
		var words []string
		n.each(func(name string, _ int, value *node) {
			for _, v := range append(value.texts(), "")[:max(1, len(value.texts()))] {
				words = append(words, "--"+name+"="+v)
			}
		})
		p.arguments(at, words)
	}
}

// variables reads an environment: a list of names with values, of NAME=value, or a mapping.
func (p *oauth2Proxy) variables(name string, n *node) {
	for _, item := range n.items {
		if item.shape == scalarNode {
			if key, value, ok := strings.Cut(item.text, "="); ok {
				p.variable(place(name, item), key, value)
			}
			continue
		}
		p.oneVariable(place(name, item), item.get("name").scalar(), item.get("value"))
	}
	n.each(func(key string, line int, value *node) {
		if value.shape != listNode {
			p.oneVariable(name+":"+strconv.Itoa(line), key, value)
		}
	})
}

// oneVariable keeps a variable; one without a value here has it from elsewhere.
func (p *oauth2Proxy) oneVariable(at, name string, value *node) {
	if value != nil && value.shape == scalarNode {
		p.variable(at, name, value.text)
		return
	}
	if option, ok := strings.CutPrefix(name, oauth2Prefix); ok {
		p.take(p.env, &setting{name: strings.ToLower(option), at: at, env: name, absent: true})
	}
}
