package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of what is read. Aliases of aliases grow without end when they are followed, and
// the parser's time grows with the square of the depth.
const (
	maxFile  = 1 << 20
	maxDepth = 64
	maxNodes = 100_000
)

// parse reads a file into nodes. An empty file is an empty mapping; nil is one that could
// not be read.
func parse(data string, report func(position, string)) *node {
	data = strings.TrimPrefix(data, "\ufeff")
	if at, what := firstBad(data); what != "" {
		report(at, what)
		return nil
	}
	tokens := lexer.Tokenize(data)
	if tk := tooDeep(tokens); tk != nil {
		report(positionOf(tk), "more levels than any configuration has: close what was opened")
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		report(syntaxProblem(data, err))
		return nil
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.DirectiveType && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		return &node{at: position{line: 1, column: 1}, kind: mapping}
	}
	if len(bodies) > 1 {
		report(positionOf(bodies[1].GetToken()), "a second document: write all into one, without a --- between")
		return nil
	}
	b := builder{anchors: map[string]*node{}, report: report}
	if root := b.build(bodies[0], 0); root.kind != spoiled {
		return root
	}
	return nil
}

// tooDeep returns the token that opens one level too many, in brackets or in a row of
// dashes, nil if there is none.
func tooDeep(tokens token.Tokens) *token.Token {
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
			return tk
		}
	}
	return nil
}

// syntaxProblem turns the parser's error into a position and a line. Its own text shows
// the lines around, and in them the secrets.
func syntaxProblem(data string, err error) (position, string) {
	at := position{line: 1, column: 1}
	var detail yaml.Error
	if !errors.As(err, &detail) {
		return at, "not YAML"
	}
	at = positionOf(detail.GetToken())
	what := fmt.Sprintf("not YAML: %s", strings.ReplaceAll(detail.GetMessage(), "\t", "tab"))
	switch lines := strings.Split(data, "\n"); {
	case at.line > len(lines):
	case strings.Contains(lines[at.line-1], "${"):
		what += "; inside { } and [ ] put ${…} into quotes"
	case strings.HasPrefix(strings.TrimLeft(lines[at.line-1], " "), "\t"):
		what += "; indent with spaces"
	}
	return at, what
}
