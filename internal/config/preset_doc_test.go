package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/preset"
)

// fillsIn writes what a preset fills in as docs/providers.md has it.
func fillsIn(p preset.Preset) string {
	of := initialsOf(p)
	if len(of) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("```yaml\n")
	for _, path := range sortedKeys(of) {
		if path == "provider.login_params" {
			fmt.Fprintf(&out, "%s: %s # beside the usual ones\n", path, flow(anyText(new(string)), literal(p.LoginParams)))
			continue
		}
		fmt.Fprintf(&out, "%s: %s\n", path, flow(anyText(new(string)), literal(of[path])))
	}
	out.WriteString("```\n")
	return out.String()
}

func TestTheDocumentationShowsWhatEachPresetFillsIn(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range preset.All() {
		_, section, found := strings.Cut(string(page), "\n## "+p.Name+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		want := fillsIn(p)
		switch {
		case !found:
			t.Errorf("docs/providers.md has no section %s", p.Name)
		case want == "" && strings.Contains(section, "```yaml"):
			t.Errorf("the section %s shows keys, and the preset fills in none", p.Name)
		case !strings.Contains(section, want):
			t.Errorf("the section %s should show\n%s", p.Name, want)
		}
		if !strings.Contains(string(page), "\n| `"+p.Name+"` |") {
			t.Errorf("the table has no row for %s", p.Name)
		}
	}
}
