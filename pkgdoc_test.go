package cloakroom_test

import (
	"go/parser"
	"strings"
	"testing"
)

// Every package opens with a short manual: what it is, its picture or an example, what to
// mind. Three lines are little enough to ask.
func TestEveryPackageIsAShortManual(t *testing.T) {
	t.Parallel()
	const least = 3
	for _, dir := range sourceDirs(t) {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			var manual string
			for _, file := range parseDir(t, dir, parser.PackageClauseOnly|parser.ParseComments) {
				text := strings.TrimSpace(file.syntax.Doc.Text())
				if text == "" {
					continue
				}
				if manual != "" {
					t.Errorf("%s: a second package comment: one file says what the package is", file.name)
				}
				manual = text
				name := file.syntax.Name.Name
				if opening := "Package " + name + " "; name != "main" && !strings.HasPrefix(text, opening) {
					t.Errorf("%s: the package comment must open with %q", file.name, opening)
				}
			}
			if lines := strings.Count(manual, "\n") + 1; manual == "" || lines < least {
				t.Errorf("%s: the package comment must be a short manual of at least %d lines", dir, least)
			}
		})
	}
}
