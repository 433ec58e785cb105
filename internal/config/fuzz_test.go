package config_test

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// Whatever stands in the file: no panic, no secret of the environment in a message, a
// position in the file, one line a problem; and what loads is printed so that it is YAML.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(smallest))
	f.Add([]byte(guarded))
	for _, name := range []string{"../../config.yaml", "testdata/mistakes.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, row := range mistakes {
		f.Add([]byte(strings.Replace(smallest, row.old, row.new, 1)))
	}
	const hidden = "qZ7-never-seen-qZ7"
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	path := write(f, smallest) // each worker has its own
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, warnings, err := config.Load(path, []string{
			"CLIENT_SECRET=" + hidden, "SECRET=" + hidden, "ISSUER=" + hidden, "SESSION_KEY=" + key, "KEY=" + hidden,
		})
		var problems config.Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("the error is %v, want Problems", err)
		}
		lines := strings.Count(string(text), "\n") + 1 + strings.Count(string(text), "\r")
		for _, p := range append(problems, warnings...) {
			if strings.Contains(p.String(), hidden) || strings.Contains(p.String(), key) {
				t.Errorf("a secret in %s", p)
			}
			if p.Line < 1 || p.Line > lines+1 || p.Column < 1 || strings.ContainsAny(p.Text, "\n\r") {
				t.Errorf("no position in the file, or no single line: %q", p)
			}
		}
		if err == nil && (strings.Contains(string(c.YAML()), hidden) || strings.Contains(string(c.YAML()), key)) {
			t.Errorf("a secret in\n%s", c.YAML())
		}
	})
}
