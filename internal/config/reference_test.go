package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

const referencePage = "../../docs/reference/keys.md"

// The page is what the code says of its keys, so that neither has one that the other lacks.
func TestTheReferenceIsWhatTheKeysSay(t *testing.T) {
	t.Parallel()
	want := reference(new(Config).keys())
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(referencePage, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/reference/keys.md differs from the keys: go test ./internal/config -run TestTheReference -update writes it anew")
	}
}

// reference writes the page: the keys that stand alone, and a section for each group.
func reference(keys []key) string {
	var out strings.Builder
	out.WriteString(`# Configuration keys

Generated from the code: every key that ` + "`config.yaml`" + ` may have, its values and its default. [Configuration](../configuration.md) says how they work
together, and the file at the root of the repository shows them all in their places. A route's keys stand below ` + "`routes`" + `, each route an element of the list.

- A duration is ` + "`90s`, `15m` or `8h`" + `, a size ` + "`512KiB` or `10MiB`, a rate `20/s` or `300/m`" + `.
- Every scalar can come from the environment: ` + "`CLOAKROOM_SESSION_IDLE_TIMEOUT`" + ` goes before ` + "`session.idle_timeout`" + `.
- **needed** has no default and must be there.
`)
	var alone []key
	for _, k := range keys {
		if k.inner() == nil {
			alone = append(alone, k)
		}
	}
	referenceTable(&out, "At the top", "", alone)
	for _, k := range keys {
		if inner := k.inner(); inner != nil {
			referenceTable(&out, k.name, k.name+k.field.suffix()+".", inner)
		}
	}
	return out.String()
}

func referenceTable(out *strings.Builder, title, path string, keys []key) {
	fmt.Fprintf(out, "\n## %s\n\n| key | value | default | |\n| --- | --- | --- | --- |\n", title)
	referenceRows(out, path, keys)
}

func referenceRows(out *strings.Builder, path string, keys []key) {
	for _, k := range keys {
		if inner := k.inner(); inner != nil {
			referenceRows(out, path+k.name+k.field.suffix()+".", inner)
			continue
		}
		initial := "**needed**"
		if k.needed == "" {
			initial = referenceDefault(k.initial)
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", path+k.name, referenceValue(k.field.schema()), initial, strings.ReplaceAll(k.doc, "|", `\|`))
	}
}

func referenceDefault(initial any) string {
	switch v := initial.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return "empty"
		}
		return "`" + v + "`"
	case []string:
		if len(v) == 0 {
			return "none"
		}
		return "`" + strings.Join(v, "`, `") + "`"
	case map[string]string:
		return "none"
	}
	return fmt.Sprintf("`%v`", initial)
}

// referenceValue says in words what a schema allows.
func referenceValue(s object) string {
	if plain, ok := s["anyOf"].([]any); ok {
		if second, ok := plain[1].(object); ok && second["type"] == "array" {
			return "text, or a list"
		}
		s = plain[0].(object)
	}
	if all, ok := s["enum"].([]any); ok {
		var words []string
		for _, v := range all {
			if v != "" && v != true {
				words = append(words, fmt.Sprintf("`%v`", v))
			}
		}
		return strings.Join(words, ", ")
	}
	pattern, _ := s["pattern"].(string)
	switch {
	case strings.Contains(pattern, "ms"):
		return "duration"
	case strings.Contains(pattern, "KiB"):
		return "size"
	case strings.Contains(pattern, "/"):
		return "rate"
	}
	switch kind := s["type"].(type) {
	case string:
		return map[string]string{"string": "text", "boolean": "`true`, `false`", "integer": "number", "array": "list", "object": "names and values"}[kind]
	default:
		return "seconds, or a duration"
	}
}
