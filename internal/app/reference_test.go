package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
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

// Whoever adds a reason says in docs/troubleshooting.md where it comes from and what to do.
func TestEveryReasonIsAmongTheTroubles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Not ready\n")
	section, _, _ = strings.Cut(section, "\n## ")
	found := 0
	for what := range reasonsOf(t) {
		found++
		if !strings.Contains(section, "\n| `"+what+"` |") {
			t.Errorf("docs/troubleshooting.md does not say what to do when /readyz says %s", what)
		}
	}
	if found < 3 {
		t.Errorf("only %d reasons were found", found)
	}
}

// reasonsOf reads what stands in the way of traffic, by its name.
func reasonsOf(t *testing.T) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			made, ok := n.(*ast.CompositeLit)
			if !ok || len(made.Elts) == 0 {
				return true
			}
			kind, named := made.Type.(*ast.Ident)
			what, literal := made.Elts[0].(*ast.BasicLit)
			if named && literal && kind.Name == "reason" {
				text, err := strconv.Unquote(what.Value)
				if err != nil {
					t.Fatal(err)
				}
				all[text] = true
			}
			return true
		})
	}
	return all
}
