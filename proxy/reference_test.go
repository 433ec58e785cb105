package proxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tableRows returns the rows of a page's tables below a heading, each as its cells.
func tableRows(t *testing.T, page, heading string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut("\n"+string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/%s has no %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 2 && strings.Contains(cells[1], "`") {
			rows = append(rows, cells[1:len(cells)-1])
		}
	}
	return rows
}

var inBackticks = regexp.MustCompile("`([^`]+)`")

// Whoever adds a code says in docs/endpoints.md when it is answered, and the reverse.
func TestEveryCodeIsInTheReferenceWithItsStatus(t *testing.T) {
	t.Parallel()
	written := map[Code]int{}
	for _, row := range tableRows(t, "endpoints.md", "## Codes") {
		names, statuses := inBackticks.FindAllStringSubmatch(row[0], -1), strings.Split(row[1], ",")
		for i, name := range names {
			status, err := strconv.Atoi(strings.TrimSpace(statuses[min(i, len(statuses)-1)]))
			if err != nil {
				t.Errorf("the row of %s: %v", row[0], err)
			}
			written[Code(name[1])] = status
		}
	}
	made := map[Code]int{}
	for _, code := range codes(t) {
		made[code] = code.status()
	}
	if !maps.Equal(made, written) {
		t.Errorf("the gateway answers\n%v\nand docs/endpoints.md says\n%v", made, written)
	}
}

// codes reads the constants of type Code.
func codes(t *testing.T) (all []Code) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Code(text))
		}
		return true
	})
	if len(all) < 20 {
		t.Fatalf("found only %q", all)
	}
	return all
}

func TestEveryEndpointIsInTheReference(t *testing.T) {
	t.Parallel()
	written := map[string]bool{}
	for _, row := range tableRows(t, "endpoints.md", "# Endpoints") {
		for _, name := range inBackticks.FindAllStringSubmatch(row[0], -1) {
			method, target, _ := strings.Cut(name[1], " ")
			path, below := strings.CutPrefix(target, "/bff")
			if !below {
				t.Errorf("the row of %q names no endpoint", name[1])
			}
			path, _, _ = strings.Cut(path, "?")
			written[method+" "+path] = true
		}
	}
	made := map[string]bool{}
	for path, methods := range newTower(t).gateway.own {
		for method := range methods {
			if method != http.MethodHead {
				made[method+" "+path] = true
			}
		}
	}
	if !maps.Equal(made, written) {
		t.Errorf("the gateway has\n%q\nand docs/endpoints.md\n%q", slices.Sorted(maps.Keys(made)), slices.Sorted(maps.Keys(written)))
	}
}

func TestEveryDialectIsInTheReference(t *testing.T) {
	t.Parallel()
	written := map[dialect]bool{}
	for _, row := range tableRows(t, "endpoints.md", "## For front proxies") {
		target := strings.TrimPrefix(inBackticks.FindStringSubmatch(row[0])[1], "GET ")
		d, _, ok := dialectOf(target)
		if !ok {
			t.Errorf("docs/endpoints.md has %s, which nobody answers", target)
		}
		written[d] = true
	}
	for _, d := range []dialect{nginx, traefik, caddy, haproxy, envoy} {
		if !written[d] {
			t.Errorf("docs/endpoints.md lacks %s", d)
		}
	}
}
