package proxy

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var quotedName = regexp.MustCompile("`([a-z_]+)`")

// Whoever adds a member to an explanation says in docs/explain.md what it means.
func TestEveryMemberOfAnExplanationIsInItsManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(manual)) {
		cells := strings.SplitN(line, "|", 3)
		if len(cells) < 3 {
			continue
		}
		var names []string
		for _, found := range quotedName.FindAllStringSubmatch(cells[2], -1) {
			names = append(names, found[1])
		}
		rows[strings.Trim(cells[1], " `")] = names
	}
	for member, kind := range members(reflect.TypeFor[explanation]()) {
		row, there := rows[member]
		if !there {
			t.Errorf("%s has no row", member)
			continue
		}
		for name, within := range members(kind) {
			if !slices.Contains(row, name) {
				t.Errorf("the row of %s does not say what %s is", member, name)
			}
			for name := range members(within) {
				if !slices.Contains(row, name) {
					t.Errorf("the row of %s does not say what %s is", member, name)
				}
			}
		}
	}
}

// members are the JSON names of a struct, or of a list's or pointer's, with their types.
func members(kind reflect.Type) map[string]reflect.Type {
	for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
		kind = kind.Elem()
	}
	all := map[string]reflect.Type{}
	if kind.Kind() != reflect.Struct {
		return all
	}
	for field := range kind.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			all[name] = field.Type
		}
	}
	return all
}
