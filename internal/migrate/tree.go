package migrate

import "strings"

// maxDepth bounds the levels of a document.
const maxDepth = 64

// node is a value of a YAML or JSON document with its line. Nothing has none.
type node struct {
	line   int
	text   string // of a scalar
	shape  shape
	fields []field
	items  []*node
}

type shape int

const (
	nothing shape = iota
	scalarNode
	mappingNode
	listNode
)

type field struct {
	name  string
	line  int
	value *node
}

// get finds a field by its name, in any case, as the .NET configuration does; nil if there
// is none. A nil node has no fields.
func (n *node) get(names ...string) *node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		var found *node
		for _, f := range n.fields {
			if strings.EqualFold(f.name, name) {
				found = f.value
			}
		}
		n = found
	}
	return n
}

// scalar is the text of a scalar, "" of anything else.
func (n *node) scalar() string {
	if n == nil {
		return ""
	}
	return n.text
}

// texts are the scalars of a list, or the one that stands alone.
func (n *node) texts() []string {
	switch {
	case n == nil:
		return nil
	case n.shape == scalarNode:
		return []string{n.text}
	}
	var all []string
	for _, item := range n.items {
		if item.shape == scalarNode {
			all = append(all, item.text)
		}
	}
	return all
}

// each calls f for each field of a mapping.
func (n *node) each(f func(name string, line int, value *node)) {
	if n == nil {
		return
	}
	for _, fd := range n.fields {
		f(fd.name, fd.line, fd.value)
	}
}
