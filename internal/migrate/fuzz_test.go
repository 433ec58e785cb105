package migrate_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/migrate"
)

// Whatever stands in a file: no panic, an error without its text, and remarks of one line.
func FuzzMigrate(f *testing.F) {
	for _, e := range examples() {
		for _, name := range e.files {
			text, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(filepath.Ext(name), text)
		}
	}
	f.Add(".cfg", []byte("a = [\"\\u00e4\", 'b', 1_000, true,]\n"))
	f.Add(".json", []byte("{\"a:b\": [1, // x\n null, /* y */ ], }"))
	f.Add(".conf", []byte("<Location \"/a b\">\n Require all \\\n granted\n</Location>"))
	f.Add("\r\n", []byte("oauth2-proxy --client-id=3f9a --client-secret=seen"))
	f.Fuzz(func(t *testing.T, ending string, text []byte) {
		in := migrate.Input{Documents: []migrate.Document{{Name: "file" + ending, Text: string(text)}}}
		for _, read := range []func(migrate.Input) (migrate.Result, error){migrate.OAuth2Proxy, migrate.Duende, migrate.ModAuthOpenIDC} {
			result, err := read(in)
			if err != nil {
				if strings.Contains(string(text), hidden) && strings.Contains(err.Error(), hidden) && !errors.Is(err, migrate.ErrNothing) {
					t.Errorf("a secret in %v", err)
				}
				continue
			}
			if len(result.Config) == 0 || len(result.Remarks) == 0 {
				t.Error("nothing became of it")
			}
			for _, r := range result.Remarks {
				if strings.ContainsAny(r.Text+r.Option+r.To+r.At, "\n\r") {
					t.Errorf("a remark of several lines: %q", r)
				}
			}
			if _, err := json.Marshal(result.Remarks); err != nil {
				t.Error(err)
			}
		}
	})
}
