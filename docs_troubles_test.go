package cloakroom_test

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var codeRow = regexp.MustCompile("(?m)^\\| (`[a-z_]+`(?:, `[a-z_]+`)*) \\| [0-9]")

// Whoever meets a code, a reason or a line of the log finds what to do. docs/endpoints.md
// has every code: a test of proxy says so.
func TestEveryCodeLeadsToItsFix(t *testing.T) {
	t.Parallel()
	troubles := readPage(t, "docs/troubleshooting.md")
	found := 0
	for _, row := range codeRow.FindAllStringSubmatch(readPage(t, "docs/endpoints.md"), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			found++
			if !strings.Contains(troubles, "\n### "+name+"\n") {
				t.Errorf("docs/troubleshooting.md has no %s", name)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d codes were found", found)
	}
}

var alertName = regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)

func TestEveryAlertLeadsToItsFix(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readPage(t, "docs/troubleshooting.md"), "\n## Alerts\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rules := alertName.FindAllStringSubmatch(readPage(t, "deploy/prometheus/alerts.yaml"), -1)
	for _, rule := range rules {
		if !strings.Contains(section, "`"+rule[1]+"`") {
			t.Errorf("docs/troubleshooting.md does not say what to do about %s", rule[1])
		}
	}
	if written := strings.Count(section, "`Cloakroom"); written != len(rules) || written < 10 {
		t.Errorf("docs/troubleshooting.md has %d alerts of %d", written, len(rules))
	}
}

func TestEveryErrorOfTheLogLeadsToItsFix(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readPage(t, "docs/troubleshooting.md"), "\n## What the log says\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var written []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.Contains(cells[1], "`") {
			written = append(written, strings.Trim(cells[1], " `"))
		}
	}
	errors, all := logged(t)
	for _, text := range errors {
		if !slices.Contains(written, text) {
			t.Errorf("docs/troubleshooting.md does not say what to do about the log's %q", text)
		}
	}
	for _, text := range written {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, text) }) {
			t.Errorf("docs/troubleshooting.md explains %q, which nothing logs", text)
		}
	}
}

// logged reads what is logged: errors, and all texts with those of warnings among them.
func logged(t *testing.T) (errors, all []string) {
	t.Helper()
	for _, dir := range sourceDirs(t) {
		if strings.HasPrefix(dir, "e2e") || strings.HasPrefix(dir, "examples") || dir == "bench" || dir == "internal/demo" || dir == "internal/devidp" {
			continue // nothing of an operator's
		}
		for _, file := range parseDir(t, dir, 0) {
			if file.name == filepath.Join("internal", "app", "demo.go") {
				continue
			}
			ast.Inspect(file.syntax, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				f, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				for _, arg := range call.Args {
					text := literal(arg)
					if text == "" {
						continue
					}
					all = append(all, text)
					if f.Sel.Name == "Error" || f.Sel.Name == "ErrorContext" {
						errors = append(errors, text)
					}
					break
				}
				return true
			})
		}
	}
	if len(errors) < 5 {
		t.Fatalf("found only %q", errors)
	}
	return errors, all
}

// literal is a text of the source, or the first of several that are put together.
func literal(e ast.Expr) string {
	if sum, ok := e.(*ast.BinaryExpr); ok {
		return literal(sum.X)
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return text
}
