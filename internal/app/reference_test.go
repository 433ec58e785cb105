package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var requestLine = regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`?]*)")

// Whoever adds an endpoint to the admin listener says in docs/operators.md what it does.
func TestEveryEndpointOfTheAdminListenerIsInTheReference(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, match := range requestLine.FindAllStringSubmatch(string(page), -1) {
		written[match[1]] = true
	}
	made := map[string]bool{}
	for _, pattern := range patterns(t) {
		made[pattern] = true
	}
	if !maps.Equal(made, written) {
		t.Errorf("the admin listener has\n%q\nand docs/operators.md\n%q", slices.Sorted(maps.Keys(made)), slices.Sorted(maps.Keys(written)))
	}
}

// patterns reads what the admin listener's mux is given.
func patterns(t *testing.T) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "admin.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !strings.HasPrefix(f.Sel.Name, "Handle") {
			return true
		}
		if lit, ok := call.Args[0].(*ast.BasicLit); ok {
			pattern, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, pattern)
		}
		return true
	})
	return all
}
