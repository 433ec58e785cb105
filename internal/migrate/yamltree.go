package migrate

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// readYAML reads the documents of a YAML file. Aliases are not followed: files like these
// have none, and aliases of aliases grow without end.
func readYAML(d Document) ([]*node, error) {
	if strings.ContainsRune(d.Text, 0) {
		return nil, &fault{d.Name, 1, "is no text"}
	}
	tokens := lexer.Tokenize(strings.TrimPrefix(d.Text, "\ufeff"))
	depth, row := 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		}
		switch tk.Type {
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			row++
		default:
			row = 0
		}
		if depth > maxDepth || row > maxDepth {
			return nil, &fault{d.Name, tk.Position.Line, "has more levels than any configuration"}
		}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		// The error's own text shows the lines around, and in them the secrets.
		f := &fault{d.Name, 1, "is not YAML"}
		var detail yaml.Error
		if errors.As(err, &detail) && detail.GetToken() != nil {
			f.line = detail.GetToken().Position.Line
		}
		return nil, f
	}
	var all []*node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		n, err := yamlNode(d.Name, doc.Body, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func yamlNode(name string, from ast.Node, depth int) (*node, error) {
	n := &node{line: 1}
	if from == nil {
		return n, nil
	}
	if tk := from.GetToken(); tk != nil && tk.Position != nil {
		n.line = tk.Position.Line
	}
	if depth > maxDepth {
		return nil, &fault{name, n.line, "has more levels than any configuration"}
	}
	switch v := from.(type) {
	case *ast.NullNode, *ast.DirectiveNode, *ast.CommentNode, *ast.CommentGroupNode:
	case *ast.TagNode:
		return yamlNode(name, v.Value, depth+1)
	case *ast.AnchorNode:
		return yamlNode(name, v.Value, depth+1)
	case *ast.AliasNode:
		return nil, &fault{name, n.line, "has an alias (*name): write what it stands for"}
	case *ast.MappingValueNode:
		n.shape = mappingNode
		return n, n.addYAML(name, v, depth)
	case *ast.MappingNode:
		n.shape = mappingNode
		for _, entry := range v.Values {
			if err := n.addYAML(name, entry, depth); err != nil {
				return nil, err
			}
		}
	case *ast.SequenceNode:
		n.shape = listNode
		for _, entry := range v.Values {
			item, err := yamlNode(name, entry, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
	case *ast.LiteralNode:
		n.shape, n.text = scalarNode, v.Value.Value
	case ast.ScalarNode:
		n.shape, n.text = scalarNode, v.GetToken().Value
	default:
		return nil, &fault{name, n.line, "has something here that no configuration needs"}
	}
	return n, nil
}

func (n *node) addYAML(name string, entry *ast.MappingValueNode, depth int) error {
	line := n.line
	key := ""
	if entry.Key != nil {
		if tk := entry.Key.GetToken(); tk != nil {
			key = tk.Value
			if tk.Position != nil {
				line = tk.Position.Line
			}
		}
		if entry.Key.IsMergeKey() {
			return &fault{name, line, "has a merge key (<<): write what it stands for"}
		}
	}
	value, err := yamlNode(name, entry.Value, depth+1)
	if err != nil {
		return err
	}
	n.fields = append(n.fields, field{key, line, value})
	return nil
}
