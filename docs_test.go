package cloakroom_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// pages lists what people read, by path.
func pages(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md", "CHANGELOG.md"}
	err := filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 10 {
		t.Fatalf("found only %q", names)
	}
	return names
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// prose is a page without its blocks of code.
func prose(text string) string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out.WriteString(line)
		}
	}
	return out.String()
}

// anchors are the fragments that a page's headings can be reached by, as GitHub and most
// builders of sites make them.
func anchors(text string) (all []string) {
	for line := range strings.Lines(prose(text)) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		title = linkTarget.ReplaceAllString(strings.TrimSpace(title), "]")
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, title))
	}
	return all
}

var (
	linkTarget  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	imageSource = regexp.MustCompile(`\ssrc(?:set)?="([^"]+)"`)
	inlineCode  = regexp.MustCompile("`[^`]*`")
)

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, name := range pages(t) {
		text := readPage(t, name)
		links := linkTarget.FindAllStringSubmatch(inlineCode.ReplaceAllString(prose(text), "code"), -1)
		for _, match := range append(links, imageSource.FindAllStringSubmatch(text, -1)...) {
			target := match[1]
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			path, anchor, _ := strings.Cut(target, "#")
			aim, there := name, text
			if path != "" {
				aim = filepath.Join(filepath.Dir(name), path)
				if _, err := os.Stat(aim); errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s links to %s, which is not there", name, target)
					continue
				}
			}
			if anchor == "" {
				continue
			}
			if aim != name {
				there = readPage(t, aim)
			}
			if !slices.Contains(anchors(there), anchor) {
				t.Errorf("%s links to %s: %s has no such heading", name, target, aim)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d links were found", checked)
	}
}

// A page that nothing leads to is read by nobody.
func TestEveryPageIsLinkedFromAnother(t *testing.T) {
	t.Parallel()
	linked := map[string]bool{"README.md": true}
	for _, name := range pages(t) {
		for _, match := range linkTarget.FindAllStringSubmatch(prose(readPage(t, name)), -1) {
			path, _, _ := strings.Cut(match[1], "#")
			if aim := filepath.Join(filepath.Dir(name), path); path != "" && aim != name {
				linked[aim] = true
			}
		}
	}
	for _, name := range pages(t) {
		if !linked[name] {
			t.Errorf("no page links to %s", name)
		}
	}
}

// mkdocs.yml makes a site of the pages; the providers' are reached by their table.
func TestTheSiteHasEveryPage(t *testing.T) {
	t.Parallel()
	site := readPage(t, "mkdocs.yml")
	for _, name := range pages(t) {
		page, ok := strings.CutPrefix(filepath.ToSlash(name), "docs/")
		if ok && !strings.HasPrefix(page, "providers/") && !strings.Contains(site, ": "+page+"\n") {
			t.Errorf("mkdocs.yml has no %s", page)
		}
	}
}

// A page has one title, which stands first: sites and editors go by it.
func TestEveryPageBeginsWithItsTitle(t *testing.T) {
	t.Parallel()
	for _, name := range pages(t) {
		titles := 0
		for line := range strings.Lines(prose(readPage(t, name))) {
			if strings.HasPrefix(line, "# ") {
				titles++
			}
		}
		if !strings.HasPrefix(readPage(t, name), "# ") || titles != 1 {
			t.Errorf("%s has %d titles", name, titles)
		}
	}
}

var keyName = regexp.MustCompile("`((?:tls|admin|forward_auth|cors|provider|session|routes(?:\\[\\])?|log|telemetry)\\.[a-z_.]+)(?:`|:| )")

// A key that was renamed must not live on in the prose. The reference is held against the
// code by a test of internal/config.
func TestKeysThatPagesNameAreInTheReference(t *testing.T) {
	t.Parallel()
	reference := readPage(t, "docs/reference/keys.md")
	found := 0
	for _, name := range pages(t) {
		if name == "docs/doctor.md" {
			continue // its checks have names like keys
		}
		for _, match := range keyName.FindAllStringSubmatch(prose(readPage(t, name)), -1) {
			found++
			key := strings.Replace(match[1], "routes.", "routes[].", 1)
			above := key[:strings.LastIndex(key, ".")] // which may take any name below it
			if !strings.Contains(reference, "| `"+key+"` |") && !strings.Contains(reference, "| `"+key+".") &&
				!strings.Contains(reference, "| `"+above+"` | names and values |") {
				t.Errorf("%s names %s, which is no key", name, match[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d keys were found", found)
	}
}

// What a page shows of a file is what the file says: readers copy it.
func TestShownCodeIsTheCode(t *testing.T) {
	t.Parallel()
	for page, files := range map[string]map[string][]string{
		"docs/quickstart.md":           {"yaml": {"config.yaml"}},
		"docs/tutorials/go.md":         {"go": {"api/main.go", "reports/main.go"}},
		"docs/tutorials/express.md":    {"js": {"express/server.mjs"}},
		"docs/tutorials/javascript.md": {"js": {"web/app.js"}},
		"docs/tutorials/react.md":      {"js": {"react/src/useSession.js", "react/vite.config.js"}, "jsx": {"react/src/App.jsx"}},
		"docs/tutorials/vue.md":        {"js": {"vue/src/useSession.js", "vue/vite.config.js"}, "vue": {"vue/src/App.vue"}},
	} {
		for kind, names := range files {
			for i, shown := range fenced(readPage(t, page), kind) {
				var all string
				for _, name := range names {
					all += readPage(t, filepath.Join("examples/shop", name))
				}
				if !strings.Contains(all, shown) {
					t.Errorf("%s: block %d of %s is not in %q", page, i+1, kind, names)
				}
			}
		}
	}
}

// fenced are the blocks of a kind.
func fenced(text, kind string) (all []string) {
	_, rest, found := strings.Cut(text, "\n```"+kind+"\n")
	for found {
		var shown string
		shown, rest, _ = strings.Cut(rest, "\n```\n")
		all = append(all, shown+"\n")
		_, rest, found = strings.Cut(rest, "\n```"+kind+"\n")
	}
	return all
}

// What the store needs is in its manual, which a test of the store runs with.
func TestTheShownACLIsTheStores(t *testing.T) {
	t.Parallel()
	manual := readPage(t, "session/redisstore/doc.go")
	found := 0
	for line := range strings.Lines(readPage(t, "docs/operations.md")) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "user cloakroom on") || strings.HasPrefix(line, "+") {
			found++
			if !strings.Contains(manual, line+"\n") {
				t.Errorf("the manual of redisstore has no %q", line)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d lines were found", found)
	}
}
