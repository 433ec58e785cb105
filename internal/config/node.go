package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// kind is what a node is made of.
type kind int

const (
	null kind = iota // a key without a value
	text
	truth
	number
	list
	mapping
	spoiled // could not be read, and was reported
)

func (k kind) String() string {
	return [...]string{"nothing", "text", "true or false", "a number", "a list", "a mapping", "spoiled"}[k]
}

// node is a value of the file with its position: YAML without anchors, tags and styles.
type node struct {
	at      position
	kind    kind
	text    string // of a scalar, as it stands in the file
	items   []*node
	entries []entry
}

type entry struct {
	name  string
	at    position
	value *node
}

// find returns the entry with a name, nil if there is none.
func (n *node) find(name string) *entry {
	for i := range n.entries {
		if n.entries[i].name == name {
			return &n.entries[i]
		}
	}
	return nil
}

// put sets the value under a name.
func (n *node) put(name string, value *node) {
	if e := n.find(name); e != nil {
		e.value = value
		return
	}
	n.entries = append(n.entries, entry{name, value.at, value})
}

// literal makes a node of a default: a string, a bool, a list or a mapping of strings.
func literal(value any) *node {
	switch v := value.(type) {
	case bool:
		return &node{kind: truth, text: fmt.Sprint(v)}
	case int:
		return &node{kind: number, text: fmt.Sprint(v)}
	case []string:
		n := &node{kind: list}
		for _, s := range v {
			n.items = append(n.items, literal(s))
		}
		return n
	case map[string]string:
		n := &node{kind: mapping}
		for _, name := range sortedKeys(v) {
			n.entries = append(n.entries, entry{name: name, value: literal(v[name])})
		}
		return n
	}
	return &node{kind: text, text: fmt.Sprint(value)}
}

// builder makes nodes of what the YAML parser found.
type builder struct {
	anchors map[string]*node
	count   int
	report  func(position, string)
}

// build returns a node for n. What it cannot read it reports, and the node is spoiled.
func (b *builder) build(n ast.Node, depth int) *node {
	at := positionOf(n.GetToken())
	if b.count++; b.count == maxNodes || depth == maxDepth {
		b.report(at, "more than any configuration has: write less, or fewer levels")
	}
	bad := &node{at: at, kind: spoiled}
	if b.count >= maxNodes || depth >= maxDepth {
		return bad
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return b.buildMapping(n, depth)
	case *ast.SequenceNode:
		out := &node{at: at, kind: list}
		for _, item := range n.Values {
			out.items = append(out.items, b.build(item, depth+1))
		}
		return out
	case *ast.AnchorNode:
		made := b.build(n.Value, depth+1)
		b.anchors[n.Name.GetToken().Value] = made
		return made
	case *ast.AliasNode:
		return b.alias(n, at)
	case *ast.TagNode:
		b.report(at, "a YAML tag: leave it out, the key says what its value is")
		return bad
	case *ast.LiteralNode:
		return &node{at: at, kind: text, text: n.Value.Value}
	case *ast.NullNode:
		return &node{at: at, kind: null}
	case *ast.BoolNode:
		return &node{at: at, kind: truth, text: n.Token.Value}
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return &node{at: at, kind: number, text: n.GetToken().Value}
	case *ast.StringNode:
		return &node{at: at, kind: text, text: n.Value}
	}
	b.report(at, "this has no place in a configuration: write key: value")
	return bad
}

// buildMapping keeps the first of a key that is there twice, and reports the second.
func (b *builder) buildMapping(n *ast.MappingNode, depth int) *node {
	out := &node{at: positionOf(n.GetToken()), kind: mapping}
	if !n.IsFlowStyle && len(n.Values) > 0 {
		out.at = positionOf(n.Values[0].Key.GetToken())
	}
	var merged []*node
	for _, pair := range n.Values {
		value := b.build(pair.Value, depth+1)
		at := positionOf(pair.Key.GetToken())
		if pair.Key.IsMergeKey() {
			switch value.kind {
			case mapping:
				merged = append(merged, value)
			case spoiled:
			default:
				b.report(at, "<< takes in another mapping: write <<: *name with the name of an anchor before a mapping")
			}
			continue
		}
		if _, plain := pair.Key.(ast.ScalarNode); !plain {
			b.report(at, "a key must be plain text: write key: value")
			continue
		}
		name := pair.Key.GetToken().Value
		if first := out.find(name); first != nil {
			b.report(at, fmt.Sprintf("the key %s is here twice, first in line %d: keep one of them", shown(name), first.at.line))
			continue
		}
		out.entries = append(out.entries, entry{name, at, value})
	}
	for _, m := range merged {
		for _, e := range m.entries {
			if out.find(e.name) == nil {
				out.entries = append(out.entries, e)
			}
		}
	}
	return out
}

// alias follows an alias to what was anchored before it, so never into itself. What it
// refers to counts again: aliases of aliases would grow without end.
func (b *builder) alias(n *ast.AliasNode, at position) *node {
	made := b.anchors[n.Value.GetToken().Value]
	if made == nil {
		b.report(at, "no anchor of this name stands before: write &name at the value that is meant")
		return &node{at: at, kind: spoiled}
	}
	if b.count += made.size(); b.count >= maxNodes {
		b.report(at, "more than any configuration has: write the value out, without aliases")
		return &node{at: at, kind: spoiled}
	}
	return made.copied()
}

// copied returns a node that can be changed without n.
func (n *node) copied() *node {
	out := *n
	out.items, out.entries = nil, nil
	for _, item := range n.items {
		out.items = append(out.items, item.copied())
	}
	for _, e := range n.entries {
		out.entries = append(out.entries, entry{e.name, e.at, e.value.copied()})
	}
	return &out
}

// size counts a node and what is in it.
func (n *node) size() int {
	size := 1
	for _, item := range n.items {
		size += item.size()
	}
	for _, e := range n.entries {
		size += e.value.size()
	}
	return size
}

func positionOf(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return position{line: 1, column: 1}
	}
	return position{line: tk.Position.Line, column: tk.Position.Column}
}

// shown quotes what stands in the file for a message, on one line and not at any length.
func shown(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// firstBad finds what YAML does not allow anywhere.
func firstBad(data string) (at position, what string) {
	at = position{line: 1, column: 1}
	for i, c := range data {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(data[i:], "\uFFFD"):
			return at, "no UTF-8: save the file as UTF-8"
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0x7f:
			return at, fmt.Sprintf("a control character (%U): take it out", c)
		case c == '\n':
			at = position{line: at.line + 1, column: 1}
			continue
		}
		at.column++
	}
	return at, ""
}
