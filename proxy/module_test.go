package proxy

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheBrowserHelperIsServedToEverybody(t *testing.T) {
	d := newDesk(t)
	for path, kind := range map[string]string{
		"/bff/cloakroom.js":   "text/javascript; charset=utf-8",
		"/bff/cloakroom.d.ts": "application/typescript; charset=utf-8",
	} {
		res := d.do(t, http.MethodGet, path, script...)
		for name, want := range map[string]string{
			"Content-Type": kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Cross-Origin-Resource-Policy": "same-origin", "Vary": "Accept-Encoding", "Content-Encoding": "",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
		wantCookies(t, res, 0)
		if body := readAll(t, res); res.StatusCode != http.StatusOK || !strings.Contains(body, "onChange") {
			t.Errorf("%s: %s, %q", path, res.Status, body)
		}
		head := d.do(t, http.MethodHead, path)
		if body := readAll(t, head); head.StatusCode != http.StatusOK || body != "" || head.Header.Get("Content-Length") != res.Header.Get("Content-Length") {
			t.Errorf("%s: HEAD: %s, length %s, %q", path, head.Status, head.Header.Get("Content-Length"), body)
		}
		wantProblem(t, d.do(t, http.MethodPost, path, script...), http.StatusMethodNotAllowed, MethodNotAllowed)
	}
}

func TestTheBrowserHelperFitsIntoThreeKilobytes(t *testing.T) {
	d := newDesk(t)
	plain := readAll(t, d.do(t, http.MethodGet, "/bff/cloakroom.js"))
	res := d.do(t, http.MethodGet, "/bff/cloakroom.js", "Accept-Encoding", "br, gzip;q=0.8")
	small := readAll(t, res)
	if res.Header.Get("Content-Encoding") != "gzip" || len(small) >= 3000 {
		t.Errorf("%q with %d bytes, want less than 3000 of gzip", res.Header.Get("Content-Encoding"), len(small))
	}
	z, err := gzip.NewReader(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if whole, err := io.ReadAll(z); err != nil || string(whole) != plain {
		t.Errorf("what was compressed is another file: %v", err)
	}
}

func TestGzipIsForThoseWhoTakeIt(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "br": false, "gzip": true, "GZIP": true, "deflate, gzip": true, "gzip;q=0.1": true, "gzip; q=1.0": true,
		"gzip;q=0": false, "gzip; q=0.000, br": false, "x-gzip": false,
	} {
		if got := acceptsGzip([]string{header}); got != want {
			t.Errorf("%q: %t, want %t", header, got, want)
		}
	}
}

var (
	exported = regexp.MustCompile(`(?m)^export (?:const|(?:async )?function) (\w+)`)
	declared = regexp.MustCompile(`(?m)^export function (\w+)`)
	heard    = regexp.MustCompile(`tell\("([a-z-]+)"|\? "(logged-in)" : "(logged-out)"`)
	typedAs  = regexp.MustCompile(`type: "([a-z-]+)"`)
)

func TestTheTypesAreThoseOfTheHelper(t *testing.T) {
	d := newDesk(t)
	js := readAll(t, d.do(t, http.MethodGet, "/bff/cloakroom.js"))
	types := readAll(t, d.do(t, http.MethodGet, "/bff/cloakroom.d.ts"))
	for what, row := range map[string][2][]string{
		"exports": {names(exported, js), names(declared, types)},
		"changes": {names(heard, js), names(typedAs, types)},
	} {
		if len(row[0]) < 5 || !slices.Equal(row[0], row[1]) {
			t.Errorf("%s: the helper has %q, its types %q", what, row[0], row[1])
		}
	}
}

// names are what a pattern's groups find, each once.
func names(pattern *regexp.Regexp, text string) (all []string) {
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		for _, name := range m[1:] {
			if name != "" {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A member that the gateway comes to answer with belongs into the types, too.
func TestTheTypesNameEveryMemberOfTheSession(t *testing.T) {
	d := newDesk(t)
	types := readAll(t, d.do(t, http.MethodGet, "/bff/cloakroom.d.ts"))
	for member := range decode[map[string]any](t, d.do(t, http.MethodGet, "/bff/session")) {
		if n := strings.Count(types, "readonly "+member+":"); n < 2 {
			t.Errorf("%s stands %d times in the types, want it with and without a session", member, n)
		}
	}
}
