package cloakroom_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)`")
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
)

// A claim of docs/security.md stands on a test, so the test has to be there.
func TestEveryTestThatPagesNameIsThere(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "tools") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range testFunc.FindAllSubmatch(text, -1) {
			there[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range pages(t) {
		for _, match := range namedTest.FindAllStringSubmatch(readPage(t, page), -1) {
			named++
			if !there[match[1]] {
				t.Errorf("%s names %s, which is no test", page, match[1])
			}
		}
	}
	if named < 80 {
		t.Errorf("only %d tests were named", named)
	}
}

// A row about RFC 10017 without a test is a promise.
func TestEveryRequirementNamesItsTest(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readPage(t, "docs/security.md"), "\n## RFC 10017\n")
	section, _, _ = strings.Cut(section, "\n## Where ")
	rows := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.Contains(line, "| shown by |") {
			continue
		}
		rows++
		if !namedTest.MatchString(line) {
			t.Errorf("no test in %s", line)
		}
	}
	if rows < 40 {
		t.Errorf("only %d rows were found", rows)
	}
}
