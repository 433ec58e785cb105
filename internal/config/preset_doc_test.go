package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/preset"
)

// fillsIn writes what a preset fills in as its page below docs/providers has it.
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
	overview := readDoc(t, "providers.md")
	for _, p := range preset.All() {
		_, section, found := strings.Cut(readDoc(t, "providers/"+p.Name+".md"), "\n## What the preset fills in\n")
		section, _, _ = strings.Cut(section, "\n## ")
		want := fillsIn(p)
		switch {
		case !found:
			t.Errorf("the page of %s does not say what the preset fills in", p.Name)
		case want == "" && strings.Contains(section, "```yaml"):
			t.Errorf("the page of %s shows keys, and the preset fills in none", p.Name)
		case !strings.Contains(section, want):
			t.Errorf("the page of %s should show\n%s", p.Name, want)
		}
		if !strings.Contains(overview, fmt.Sprintf("\n| [`%s`](providers/%[1]s.md) |", p.Name)) {
			t.Errorf("the table has no row for %s", p.Name)
		}
	}
}

// What a page tells to write is taken without a complaint.
func TestTheConfigurationOfEachProvidersPageLoads(t *testing.T) {
	t.Parallel()
	env := []string{"CLIENT_SECRET=s3cret", "SESSION_KEY=" + NewKey()}
	for _, p := range preset.All() {
		_, text, _ := strings.Cut(readDoc(t, "providers/"+p.Name+".md"), "\n```yaml\n# config.yaml\n")
		text, _, _ = strings.Cut(text, "\n```\n")
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, warnings, err := Load(path, env)
		switch {
		case err != nil:
			t.Errorf("%s: %v", p.Name, err)
		case len(warnings) > 0:
			t.Errorf("%s: %v", p.Name, warnings)
		case cfg.Provider.Preset != p.Name:
			t.Errorf("the page of %s is for %s", p.Name, cfg.Provider.Preset)
		}
	}
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
