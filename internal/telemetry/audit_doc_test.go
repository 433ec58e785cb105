package telemetry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Whoever adds a reason says in docs/audit.md what it means and whose doing it is.
func TestEveryReasonIsInTheAuditLogsManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	actors := make(map[string]string) // by reason, from the table's rows
	for line := range strings.Lines(string(manual)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for reason := range strings.SplitSeq(cells[1], ",") {
			actors[strings.Trim(reason, " `")] = strings.TrimSpace(cells[2])
		}
	}
	for _, reason := range reasons(t) {
		line := audited(t, func(a *telemetry.Audit) {
			a.Session(session.Event{Kind: session.Ended, Reason: session.Reason(reason)})
		})
		if want := actors[reason]; line["actor"] != want {
			t.Errorf("%s is the doing of %v, and docs/audit.md says %q", reason, line["actor"], want)
		}
	}
}

// reasons reads the constants of package session.
func reasons(t *testing.T) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../session/errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
		return true
	})
	if len(all) < 10 {
		t.Fatalf("found %q", all)
	}
	return all
}
