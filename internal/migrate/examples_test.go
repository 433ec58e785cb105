package migrate_test

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/migrate"
)

var update = flag.Bool("update", false, "write what migrations give into testdata anew")

// The examples are written after those that the products publish. Whatever in them is a
// secret begins with seen-in-a-file.
const hidden = "seen-in-a-file"

type example struct {
	name  string // of the file with what it becomes
	read  func(migrate.Input) (migrate.Result, error)
	files []string
	args  []string
}

func examples() []example {
	return []example{
		{"oauth2-proxy/behind-nginx", migrate.OAuth2Proxy, []string{"oauth2-proxy/behind-nginx.cfg"}, nil},
		{"oauth2-proxy/sidecar", migrate.OAuth2Proxy, []string{"oauth2-proxy/sidecar.cfg"}, nil},
		{"oauth2-proxy/deployment", migrate.OAuth2Proxy, []string{"oauth2-proxy/deployment.yaml"}, nil},
		{"oauth2-proxy/alpha", migrate.OAuth2Proxy, []string{"oauth2-proxy/alpha.yaml", "oauth2-proxy/alpha.cfg"}, nil},
		{"oauth2-proxy/command", migrate.OAuth2Proxy, []string{"oauth2-proxy/command.txt"}, nil},
		{"oauth2-proxy/gate", migrate.OAuth2Proxy, []string{"oauth2-proxy/gate.env"}, []string{"--cookie-expire", "24h"}},
		{"duende/remote", migrate.Duende, []string{"duende/remote.json"}, nil},
		{"duende/yarp", migrate.Duende, []string{"duende/yarp.json"}, nil},
		{"duende/frontends", migrate.Duende, []string{"duende/frontends.json"}, nil},
		{"mod_auth_openidc/protected", migrate.ModAuthOpenIDC, []string{"mod_auth_openidc/protected.conf"}, nil},
		{"mod_auth_openidc/proxy", migrate.ModAuthOpenIDC, []string{"mod_auth_openidc/proxy.conf"}, nil},
		{"mod_auth_openidc/pattern", migrate.ModAuthOpenIDC, []string{"mod_auth_openidc/pattern.conf"}, nil},
	}
}

func (e example) run(t *testing.T) migrate.Result {
	t.Helper()
	in := migrate.Input{Args: e.args}
	for _, name := range e.files {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		in.Documents = append(in.Documents, migrate.Document{Name: filepath.Base(name), Text: string(text)})
	}
	result, err := e.read(in)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestAnExampleBecomesWhatItsFileSays(t *testing.T) {
	t.Parallel()
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			result := e.run(t)
			var got strings.Builder
			got.Write(result.Config)
			got.WriteString("\n---\n")
			for _, r := range result.Remarks {
				fmt.Fprintf(&got, "%s | %s | %s | %s | %s\n", r.Kind, r.Option, r.At, r.To, r.Text)
			}
			file := filepath.Join("testdata", e.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("it became\n%s\nwhich is not in %s: -update writes it there", got.String(), file)
			}
		})
	}
}

func TestWhatAnExampleBecomesPassesTheCheck(t *testing.T) {
	t.Parallel()
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := check(t, e.run(t).Config); err != nil {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestNoSecretOfAnExampleIsRepeated(t *testing.T) {
	t.Parallel()
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			result := e.run(t)
			remarks, err := json.Marshal(result.Remarks)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(result.Config), hidden) || strings.Contains(string(remarks), hidden) {
				t.Errorf("a secret in\n%s\n%s", result.Config, remarks)
			}
		})
	}
}

var (
	references = regexp.MustCompile(`\$\{env:([^}]*)\}`)
	files      = regexp.MustCompile(`(\$\{file:|_file: "?)([^}",\n]+)`)
)

// check loads a configuration with a value for each variable, and a file for each path.
func check(t *testing.T, text []byte) (*config.Config, config.Problems, error) {
	t.Helper()
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	path := filepath.Join(dir, "config.yaml")
	written := files.ReplaceAllString(string(text), "${1}"+there)
	var env []string
	for _, match := range references.FindAllStringSubmatch(written, -1) {
		env = append(env, match[1]+"=value")
	}
	key := base64.StdEncoding.EncodeToString([]byte("0f9c72b1a4e85d63-71d2b9e04c58fa36"[:32]))
	env = append([]string{"SESSION_KEY=" + key}, env...)
	for name, text := range map[string]string{there: "value\n", path: written} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(path, env)
}
