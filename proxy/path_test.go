package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func routesOf(paths ...string) *table {
	t := newTable()
	for _, p := range paths {
		keep := strings.HasPrefix(p, "/keep/")
		if err := t.add(&route{Route: Route{Path: p, KeepEncodedSlashes: keep}}); err != nil {
			panic(err)
		}
	}
	return t
}

func TestAPathWithTwoReadingsIsRefused(t *testing.T) {
	table := routesOf("/", "/public/", "/admin/", "/exact", "/keep/", "/keep/secret/")
	for path := range strings.FieldsSeq(`
		/public/../admin/x /public/./x /public/.. /public/. /.. /../admin/ /public/%2e%2e/admin/x /public/%2E%2e/x /public/.%2e/x
		/public/..;/admin/x /public/..;a=b/x /public/.;/x /public/%2e%2e%3b/x /public/%252e%252e/x /public/%25252e%25252e/x
		/public\admin /public/%5cadmin /public/%5Cadmin /public/%255cadmin /public/..%5cadmin
		/public%2f..%2fadmin /public/..%2fadmin /public/a%2fb /public/a%2Fb /public%2fx /a%2fb
		/public/%00 /public/x%00.html /public/%2500 /public/%zz /public/% /public/%1
		/%61dmin/x /adm%69n/x /admin%2fx /%2561dmin/x /%41dmin/x /ADMIN/x /Admin/ /PUBLIC/x /EXACT /eXact
		//admin/x /public//../x ///admin/x /admin;x/y /admin;/x /exact%23 /exact%3fa /exact%3Fx=/y /exact;v /admin/%3f/../x
		/%c0%ae%c0%ae/admin/ /public/%c0%afadmin /a%c1%9cb /%E2%84%AAeep/x /ſ/../x /%25%32%35%32%35%32%35%32%35
		/keep/..%2fadmin/x /keep/%2e%2e%2fx /keep/secret%2fx /keep%2fx /keep/x%5cy /keep/x%2f..%2fy
		* public/x http://x/ /a#b /public/x#/../y`) {
		if _, err := table.judge(path); err == nil {
			t.Errorf("%s is let through", path)
		}
	}
	for _, path := range []string{"", "/a b", "/a\tb", "/a\x7fb", "/a\x00"} {
		if _, err := table.judge(path); err == nil {
			t.Errorf("%q is let through", path)
		}
	}
}

func TestAPathWithOneReadingFindsItsRoute(t *testing.T) {
	table := routesOf("/", "/public/", "/admin/", "/exact", "/keep/", "/keep/secret/")
	for path, want := range map[string]string{
		"/": "/", "/x": "/", "/public": "/", "/public/": "/public/", "/public/x/y": "/public/", "/admin/x": "/admin/",
		"/exact": "/exact", "/exact/": "/", "/exactly": "/", "/public/A%20B": "/public/", "/public/a%25b": "/public/",
		"/public/a;v=1": "/public/", "/public//x": "/public/", "/public/..x": "/public/", "/public/...": "/public/", "/public/.env": "/public/",
		"/keep/a%2Fb": "/keep/", "/keep/a%252Fb": "/keep/", "/public/a%252Fb": "/public/", "/public/%F6": "/public/", "/public/ü%C3%BC": "/public/",
		"/public/a%3Fb%23c": "/public/", "/Other": "/", "/public/100%25": "/public/",
	} {
		found, err := table.judge(path)
		if err != nil || found.path != want {
			t.Errorf("%s: %v, %v; want %s", path, found, err, want)
		}
	}
	if found, err := routesOf("/api/").judge("/x"); found != nil || err != nil {
		t.Errorf("a path that no route has: %v, %v", found, err)
	}
}

// servers are ways in which upstreams are known to read a path.
func servers(path string) []string {
	readings := []string{path}
	for range 3 {
		for _, p := range readings {
			if d, err := url.PathUnescape(p); err == nil {
				readings = append(readings, d)
			}
			readings = append(readings, strings.ReplaceAll(p, `\`, "/"), withoutParameters(p), merged(p), strings.ToLower(p))
			if i := strings.IndexAny(p, "?#\x00"); i >= 0 {
				readings = append(readings, p[:i])
			}
		}
		seen := map[string]bool{}
		unique := readings[:0]
		for _, p := range readings {
			if !seen[p] {
				seen[p] = true
				unique = append(unique, p)
			}
		}
		readings = unique
	}
	return readings
}

// resolved removes dot segments as RFC 3986 §5.2.4 does.
func resolved(path string) string {
	var out []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case ".":
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, segment)
		}
	}
	if len(out) == 1 {
		return "/"
	}
	return strings.Join(out, "/")
}

// FuzzPath looks for a path that goes out on one route and could be served as another's.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"/public/x", "/public/..%2fadmin", "/%61dmin/", "/public/%252e%252e/admin/", "//admin/", "/public/..;/admin/", "/Admin/"} {
		f.Add(p)
	}
	table := routesOf("/", "/public/", "/admin/", "/exact")
	f.Fuzz(func(t *testing.T, path string) {
		if len(path) > 200 || strings.Count(path, "%") > 20 {
			t.Skip()
		}
		found, err := table.judge(path)
		if err != nil {
			return
		}
		for _, p := range servers(path) {
			if p = resolved(p); table.match(p) != found {
				t.Errorf("%q goes to %s, and %q to another", path, found.path, p)
			}
		}
	})
}

func TestARoutesPathHasOneReading(t *testing.T) {
	for p, want := range map[string]bool{
		"/": true, "/api/": true, "/Api": true, "/.well-known/": true, "/a/.b/c": true, "/...": true,
		"": false, "api/": false, "/.": false, "/..": false, "/a/../b": false, "/./": false,
		"//": false, "/a//b": false, "/a%2fb": false, "/a;b": false, `/a\b`: false, "/a b": false, "/ä": false, "/a?b": false, "/a#b": false,
	} {
		if got := plainPath(p); got != want {
			t.Errorf("%q: %t, want %t", p, got, want)
		}
	}
	up := api(t, nil)
	f := open(t, []Route{{Path: "/.well-known/", Upstream: up.url, Access: Public}})
	if res := f.get(t, "/.well-known/jwks.json"); res.StatusCode != http.StatusOK || up.last(t).URL.Path != "/.well-known/jwks.json" {
		t.Errorf("%s at %s", res.Status, up.last(t).URL.Path)
	}
}

func TestTheRawPathIsTheRequestLines(t *testing.T) {
	for _, target := range []string{"/a%20b", `/a"b`, "/a|b", "/%61", "//x/y"} {
		if got := rawPath(httptest.NewRequestWithContext(t.Context(), "GET", target, nil).URL); got != target {
			t.Errorf("%s became %s", target, got)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	paths := []string{"/", "/bff/"}
	for i := range 500 {
		paths = append(paths, "/api/v"+string(rune('a'+i%26))+"/"+strings.Repeat("x", i%20+1)+string(rune('a'+i/26))+"/")
	}
	table := newTable()
	for _, p := range paths {
		_ = table.add(&route{Route: Route{Path: p}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := table.judge("/api/va/orders/12345/lines"); err != nil {
			b.Fatal(err)
		}
	}
}
