package doctor_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whoever adds a check says in docs/doctor.md when it fails and what to do then.
func TestEveryCheckIsInTheManual(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for line := range strings.Lines(string(manual)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			written[strings.Trim(name, " `")] = true
		}
	}
	made := checks(t)
	for name := range made {
		if !written[name] {
			t.Errorf("%s is not in the manual", name)
		}
	}
	for name := range written {
		if !made[name] {
			t.Errorf("%s is in the manual, and no check", name)
		}
	}
	if len(made) < 30 {
		t.Errorf("found only %q", slices.Sorted(maps.Keys(made)))
	}
}

// checks reads the names of checks from the source: constants that are called so, what
// lines are made with, and keys of listeners.
func checks(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"listen": true, "admin.listen": true, "forward_auth.listen": true}
	add := func(e ast.Expr) {
		ast.Inspect(e, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				name, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				names[strings.ReplaceAll(name, "[%d]", "[]")] = true
			}
			return true
		})
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if n.Names[0].Name == "check" {
					add(n.Values[0])
				}
			case *ast.AssignStmt:
				if id, ok := n.Lhs[0].(*ast.Ident); ok && id.Name == "check" {
					add(n.Rhs[0])
				}
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.SelectorExpr)
				if ok && slices.Contains([]string{"pass", "warn", "fail"}, f.Sel.Name) {
					add(n.Args[0])
				}
			}
			return true
		})
	}
	return names
}
