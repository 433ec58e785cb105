package migrate

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const referencePage = "../../docs/reference/migrate.md"

// The page is what the tables of options say, so that neither knows an option that the
// other lacks.
func TestTheReferenceIsWhatTheTablesSay(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	out.WriteString("# Settings of other products\n\nGenerated from the code: what [`cloakroom migrate`](../migrate.md) makes of each setting that it knows. Whatever is not here is reported as unknown.\n")
	section := func(title string, rows []option) {
		fmt.Fprintf(&out, "\n## %s\n\n| setting | becomes | key | |\n| --- | --- | --- | --- |\n", title)
		rows = slices.Clone(rows)
		slices.SortFunc(rows, func(a, b option) int { return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) })
		for _, o := range rows {
			to := ""
			if o.to != "" {
				to = "`" + strings.ReplaceAll(o.to, ", ", "`, `") + "`"
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", o.name, o.kind, to, strings.ReplaceAll(o.why, "|", `\|`))
		}
	}
	section("oauth2-proxy", oauth2ProxyOptions())
	section("oauth2-proxy, alpha configuration", alphaRows())
	section("Duende BFF", duendeOptions())
	section("mod_auth_openidc", modAuthOptions())
	got, err := os.ReadFile(referencePage)
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		err = os.WriteFile(referencePage, []byte(out.String()), 0o600)
		got = []byte(out.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != out.String() {
		t.Error("docs/reference/migrate.md differs from the tables: go test ./internal/migrate -update writes it anew")
	}
}

// alphaRows are the fields that are options by another name, and those that are not.
func alphaRows() []option {
	rows := alphaOwn()
	bySortedName(alphaOptions(), func(name, to string) {
		i := slices.IndexFunc(oauth2ProxyOptions(), func(o option) bool { return o.name == to })
		rows = append(rows, option{name: name, kind: oauth2ProxyOptions()[i].kind, to: oauth2ProxyOptions()[i].to, why: "as " + to})
	})
	return rows
}

func TestEachOptionIsInItsTableOnce(t *testing.T) {
	t.Parallel()
	for product, rows := range map[string][]option{"oauth2-proxy": oauth2ProxyOptions(), "duende": duendeOptions(), "mod_auth_openidc": modAuthOptions()} {
		seen := map[string]bool{}
		for _, o := range rows {
			name := strings.ToLower(o.name)
			if seen[name] {
				t.Errorf("%s: %s is there twice", product, o.name)
			}
			seen[name] = true
			if o.kind == Carried || o.kind == Changed && o.why == "" {
				if o.to == "" {
					t.Errorf("%s: %s is carried to nowhere", product, o.name)
				}
				continue
			}
			if o.why == "" {
				t.Errorf("%s: %s is %s for no reason", product, o.name, o.kind)
			}
		}
	}
}

// A key that the draft has a value for, and the writer no place, would be lost in silence.
func TestEveryKeyThatIsSetHasAPlace(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"oauth2provider.go", "oauth2session.go", "oauth2serving.go", "duende.go", "modauth.go", "migration.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), `draft.set("`)[1:] {
			key, _, _ := strings.Cut(part, `"`)
			if !slices.Contains(places(), key) && !slices.Contains([]string{"provider.", "provider.endpoints."}, key) {
				t.Errorf("%s sets %s, which is not written", name, key)
			}
		}
	}
}
