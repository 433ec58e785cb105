package demo_test

import (
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestThePageIsServedUnderAStrictPolicy(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.ask(t, http.MethodGet, "/")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", w.Code, w.Header().Get("Content-Type"))
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "trusted-types 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s", want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is weak: %s", policy)
	}
	for _, inline := range []*regexp.Regexp{
		regexp.MustCompile(`(?i)<style`), regexp.MustCompile(`(?i)\sstyle=`), regexp.MustCompile(`(?i)\son[a-z]+=`), regexp.MustCompile(`(?i)<script[^>]*>[^<]`),
	} {
		if found := inline.Find(w.Body.Bytes()); found != nil {
			t.Errorf("the policy blocks what stands inline: %q", found)
		}
	}
}

// The elements that tests, and people who write tests, find the page's parts by.
func TestThePageHasItsParts(t *testing.T) {
	t.Parallel()
	page := newBench(t).ask(t, http.MethodGet, "/").Body.String()
	for _, id := range []string{"sign-in", "sign-out", "call", "call50", "expire", "break", "who", "timeline", "browser-holds", "gateway-holds"} {
		if strings.Count(page, `id="`+id+`"`) != 1 {
			t.Errorf("the page has not one element %s", id)
		}
	}
}

var (
	idOf    = regexp.MustCompile(`\bid="([^"]+)"`)
	idUsed  = regexp.MustCompile(`\b(?:byId|element|text|onPress)\("([^"]+)"`)
	address = regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9][a-z0-9.-]*\.[a-z]{2,}|@import|url\(|\bdata:`)
	svgns   = "http://www.w3.org/2000/svg" // names a vocabulary; nothing is fetched
	linked  = regexp.MustCompile(`(?:src|href)="(/[^"]*\.[a-z]+)"|from "\./([^"]+)"`)
)

func TestScriptsLookForElementsThatAreThere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	there := make(map[string]bool)
	for _, m := range idOf.FindAllStringSubmatch(b.ask(t, http.MethodGet, "/").Body.String(), -1) {
		there[m[1]] = true
	}
	eachFile(t, func(name string) {
		for _, m := range idUsed.FindAllStringSubmatch(b.ask(t, http.MethodGet, name).Body.String(), -1) {
			if !there[m[1]] {
				t.Errorf("%s looks for #%s, which is not on the page", name, m[1])
			}
		}
	})
}

func TestThePageNeedsNothingFromOutside(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	eachFile(t, func(name string) {
		body := strings.ReplaceAll(b.ask(t, http.MethodGet, name).Body.String(), svgns, "")
		if found := address.FindString(body); found != "" {
			t.Errorf("%s refers to %q", name, found)
		}
	})
}

func TestEveryFileOfThePageIsServedAsWhatItIs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	kinds := map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
	used := map[string]bool{"/index.html": true}
	eachFile(t, func(name string) {
		w := b.ask(t, http.MethodGet, name)
		if want := kinds[path.Ext(name)]; w.Code != http.StatusOK || want == "" || !strings.HasPrefix(w.Header().Get("Content-Type"), want) {
			t.Errorf("%s: %d, %q", name, w.Code, w.Header().Get("Content-Type"))
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", name)
		}
		for _, m := range linked.FindAllStringSubmatch(w.Body.String(), -1) {
			used["/"+strings.TrimPrefix(m[1]+m[2], "/")] = true
		}
	})
	for name := range used {
		if w := b.ask(t, http.MethodGet, name); w.Code != http.StatusOK {
			t.Errorf("%s is referred to and answers %d", name, w.Code)
		}
	}
	eachFile(t, func(name string) {
		if !used[name] {
			t.Errorf("nothing refers to %s", name)
		}
	})
}

func TestThePageIsRevalidated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.ask(t, http.MethodGet, "/main.js")
	etag := first.Header().Get("ETag")
	if etag == "" || first.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("headers %v", first.Header())
	}
	if w := b.ask(t, http.MethodGet, "/main.js", "If-None-Match", etag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("the same again: %d with %d bytes", w.Code, w.Body.Len())
	}
}

func TestThePageIsReadOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for method, want := range map[string]int{http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed, http.MethodDelete: http.StatusMethodNotAllowed} {
		if w := b.ask(t, method, "/"); w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
	}
	for _, name := range []string{"/other", "/web/main.js", "/../demo.go", "//main.js"} {
		if w := b.ask(t, http.MethodGet, name); w.Code == http.StatusOK {
			t.Errorf("%s is served", name)
		}
	}
}

// eachFile calls f with the path of every file in the page's directory.
func eachFile(t *testing.T, f func(name string)) {
	t.Helper()
	if err := fs.WalkDir(os.DirFS("web"), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			f("/" + name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
