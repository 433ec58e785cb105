package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// JSON is YAML as JSON, with the keys in the same order.
func (c *Config) JSON() ([]byte, error) {
	text, err := yaml.YAMLToJSON(c.effective)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return out.Bytes(), nil
}

// printed writes the tree as YAML, in the order of the description and with what it leaves
// out. It is made of what was written and not of what that came to, so that a reference
// stays a reference.
func printed(keys []key, root *node) []byte {
	var out bytes.Buffer
	printGroup(&out, keys, root, "")
	return out.Bytes()
}

func printGroup(out *bytes.Buffer, keys []key, n *node, indent string) {
	for _, k := range keys {
		var value *node
		if e := n.find(k.name); e != nil {
			value = e.value
		} else if k.initial != nil {
			value = literal(k.initial)
		}
		inner := k.inner()
		switch {
		case inner != nil && k.field.suffix() == "":
			if value == nil {
				value = &node{kind: mapping}
			}
			fmt.Fprintf(out, "%s%s:\n", indent, k.name)
			printGroup(out, inner, value, indent+"  ")
		case inner != nil && value != nil && len(value.items) > 0:
			fmt.Fprintf(out, "%s%s:\n", indent, k.name)
			for _, item := range value.items {
				var element bytes.Buffer
				printGroup(&element, inner, item, indent+"    ")
				out.WriteString(indent + "  - " + strings.TrimLeft(element.String(), " "))
			}
		case value != nil:
			fmt.Fprintf(out, "%s%s: %s\n", indent, k.name, flow(k.field, value))
		}
	}
}

// flow writes a value on one line.
func flow(f field, n *node) string {
	switch n.kind {
	case mapping:
		parts := make([]string, len(n.entries))
		for i, e := range n.entries {
			parts[i] = quoted(e.name) + ": " + flow(f, e.value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case list:
		parts := make([]string, len(n.items))
		for i, item := range n.items {
			parts[i] = flow(f, item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case null:
		if f.suffix() != "" {
			return "[]"
		}
		return "{}"
	case truth, number:
		if !masked(f, n.text) {
			return n.text
		}
	}
	if masked(f, n.text) {
		return quoted(secret.Mask)
	}
	return quoted(n.text)
}

// masked reports whether a text of the field is not for anybody's eyes.
func masked(f field, text string) bool {
	if text == "" {
		return false
	}
	switch f := f.(type) {
	case scalar[secret.Text]:
		return f.secret
	case series[secret.Text]:
		return true
	case table[secret.Text]: // headers: a fixed one may be a key of the upstream
		return !namesClaims(text)
	case storeURL:
		return !strings.HasPrefix(text, "bolt:")
	}
	return false
}

// quoted writes a string as JSON, which is YAML.
func quoted(s string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(out.String(), "\n")
}
