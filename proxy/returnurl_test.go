package proxy

import (
	"net/url"
	"os"
	"strings"
	"testing"
)

const ownOrigin = "https://app.example.com"

// browse resolves input the way a browser does on a page of ownOrigin (WHATWG URL
// Standard, basic URL parser, special schemes): it trims, drops tabs and line breaks,
// takes a backslash for a slash, and resolves dot segments, encoded ones too. It returns
// the origin that the browser ends on, or "opaque", and the path.
func browse(input string) (origin, path string) {
	input = strings.TrimFunc(input, func(r rune) bool { return r <= ' ' })
	input = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(input)
	slash := func(s string) bool { return s != "" && (s[0] == '/' || s[0] == '\\') }
	scheme, rest := "https", input
	absolute := false
	if name, after, found := strings.Cut(input, ":"); found && isScheme(name) {
		scheme, rest = strings.ToLower(name), after
		switch scheme {
		case "https": // as the base: relative unless two slashes follow
			absolute = len(rest) > 1 && rest[0] == '/' && rest[1] == '/'
		case "http", "ws", "wss", "ftp":
			absolute = true
		default:
			return "opaque", ""
		}
	}
	if !absolute && len(rest) > 1 && slash(rest) && slash(rest[1:]) {
		absolute = true
	}
	host := "app.example.com"
	if absolute {
		for slash(rest) {
			rest = rest[1:]
		}
		end := strings.IndexAny(rest, `/\?#`)
		if end < 0 {
			end = len(rest)
		}
		host, rest = rest[:end], rest[end:]
		host = strings.ToLower(host[strings.LastIndex(host, "@")+1:])
	} else if !slash(rest) {
		rest = "/bff/" + rest
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	return scheme + "://" + host, resolveDots(strings.ReplaceAll(rest, `\`, "/"))
}

func isScheme(s string) bool {
	for i, c := range s {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", c)) {
			return false
		}
	}
	return s != ""
}

func resolveDots(path string) string {
	var out []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, segment)
		}
	}
	return "/" + strings.Join(out, "/")
}

// leaves reports whether a browser that is told to go to target, or to what is left of it
// after somebody decoded it on the way, ends on another site.
func leaves(target string) bool {
	for range 4 {
		origin, path := browse(target)
		if origin != ownOrigin || strings.HasPrefix(path, "//") {
			return true
		}
		// Only the path is anybody's to decode; the query is data.
		decoded, err := url.PathUnescape(pathPart(target))
		if err != nil || decoded == target {
			return false
		}
		target = decoded
	}
	return false
}

func TestTheBrowserOfTheTestsReadsAsBrowsersDo(t *testing.T) {
	for input, want := range map[string]string{
		"/a":                            ownOrigin + "/a",
		"a":                             ownOrigin + "/bff/a",
		"//evil.example/x":              "https://evil.example/x",
		`/\evil.example`:                "https://evil.example/",
		`\\evil.example`:                "https://evil.example/",
		"/\t/evil.example":              "https://evil.example/",
		" \x00//evil.example":           "https://evil.example/",
		"https:evil.example":            ownOrigin + "/bff/evil.example",
		"https:/a":                      ownOrigin + "/a",
		"https:///evil.example":         "https://evil.example/",
		`https:\\evil.example`:          "https://evil.example/",
		"http:evil.example":             "http://evil.example/",
		"https://app.example.com@e.com": "https://e.com/",
		"/a/../b":                       ownOrigin + "/b",
		"/.//evil.example":              ownOrigin + "//evil.example",
		"/%2e%2E//evil.example":         ownOrigin + "//evil.example",
		"/a?x=//y":                      ownOrigin + "/a",
		"javascript:alert(1)":           "opaque",
	} {
		origin, path := browse(input)
		if got := origin + path; got != want {
			t.Errorf("browse(%q) = %q, want %q", input, got, want)
		}
	}
}

// payloads are the lines of the list, raw and decoded.
func payloads(t testing.TB) []string {
	t.Helper()
	data, err := os.ReadFile("testdata/openredirects.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n") {
		all = append(all, line)
		if decoded, err := url.QueryUnescape(line); err == nil && decoded != line {
			all = append(all, decoded)
		}
	}
	return all
}

// external counts the payloads that a validator lets out.
func external(t testing.TB, validate func(string) (string, error)) (out []string) {
	t.Helper()
	for _, p := range payloads(t) {
		if target, err := validate(p); err == nil && leaves(target) {
			out = append(out, p)
		}
	}
	return out
}

func TestNoKnownPayloadLeavesTheSite(t *testing.T) {
	g := &Gateway{base: "/bff"}
	if out := external(t, g.localReturnURL); len(out) > 0 {
		t.Errorf("%d payloads lead away, for example %q", len(out), out[:min(5, len(out))])
	}
}

// The test above is worth something only if a careless validator fails it.
func TestTheListCatchesCarelessValidators(t *testing.T) {
	careless := map[string]struct {
		least    int
		validate func(string) (string, error)
	}{
		"accepts all": {150, func(s string) (string, error) { return s, nil }},
		"prefix only": {20, func(s string) (string, error) {
			if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
				return "", badRequest("")
			}
			return s, nil
		}},
		"net/url": {20, func(s string) (string, error) {
			u, err := url.Parse(s)
			if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") {
				return "", badRequest("")
			}
			return s, nil
		}},
	}
	for name, c := range careless {
		if out := external(t, c.validate); len(out) < c.least {
			t.Errorf("a validator that is %q lets only %d payloads out, want at least %d", name, len(out), c.least)
		}
	}
}

func TestAReturnURLIsAPathOfThisSite(t *testing.T) {
	g := &Gateway{base: "/bff"}
	accepted := map[string]string{ // and how it comes out
		"/":                       "/",
		"/a":                      "/a",
		"/a/b.html":               "/a/b.html",
		"/a?next=https://ok/":     "/a?next=https://ok/",
		"/a?x=//y":                "/a?x=//y",
		"/a?x=%2F%2Fy&z=%0d%0a":   "/a?x=%2F%2Fy&z=%0d%0a",
		"/a?x=..%2f..&y=../..":    "/a?x=..%2f..&y=../..",
		"/?":                      "/?",
		"/#//fragment":            "/#//fragment",
		"/#/route/1":              "/#/route/1",
		"/a//b":                   "/a//b",
		"/a/...":                  "/a/...",
		"/a;v=1/b":                "/a;v=1/b",
		"/100%":                   "/100%",
		"/caf\u00e9?q=\u00e9 \"<": "/caf%C3%A9?q=%C3%A9%20%22%3C",
		"/caf%C3%A9":              "/caf%C3%A9",
		"/a%2Fb":                  "/a%2Fb",
		"/@evil.example":          "/@evil.example",
		"/a:b":                    "/a:b",
		"/bff":                    "/bff",
		"/bff/user":               "/bff/user",
		"/bff/loginhelp":          "/bff/loginhelp",
		"/login":                  "/login",
		"/a?x=\\y":                "/a?x=%5Cy",
		"/" + strings.Repeat("a", maxReturnURL-1): "/" + strings.Repeat("a", maxReturnURL-1),
	}
	for raw, want := range accepted {
		if got, err := g.localReturnURL(raw); err != nil || got != want {
			t.Errorf("localReturnURL(%.60q) = %.60q, %v; want %.60q", raw, got, err, want)
		}
	}
	refused := []string{
		"", "a", "//evil", `/\evil`, "/%09/evil", "/\t/evil", "https:evil", "https://app.example.com/", "/%5cevil",
		"/.//evil", "/..//evil", "/a/..//evil", "/a/../b", "/%2e/a", "/%252e%252e/a", "/..;/a", "/a\x00", "/a%00", "/a%2500",
		"/a\n", "/a?b\r\nc", "/a#\x7f", "/a\u0085b", "/%2fevil", "/%25252fevil", "/%2f%2fevil", `/a\b`, "/a%5cb",
		"?a", "#a", " /a", "\t/a", "/bff/login", "/bff/login?returnUrl=/", "/bff/callback?code=x", "/bff/logout", "/BFF/Login",
		"/bff/%6cogin", "/bff/%256cogin", "/bff//login", "/bff/login/", "/bff/login/x", "/bff/login;a=b", "/bff%2flogin",
		"/" + strings.Repeat("a", maxReturnURL), "/" + strings.Repeat("\u00e9", 1000), strings.Repeat("/a", 4096),
	}
	for _, raw := range refused {
		got, err := g.localReturnURL(raw)
		if err == nil {
			t.Errorf("localReturnURL(%.60q) = %.60q, want a refusal", raw, got)
			continue
		}
		if p := g.problemOf(err); p.Code != BadRequest || p.Detail == "" || strings.Contains(p.Detail, "evil") {
			t.Errorf("localReturnURL(%.60q): %s %q, want bad_request that says why and repeats nothing", raw, p.Code, p.Detail)
		}
	}
}

func TestTheReturnURLOfAQueryStandsThereOnce(t *testing.T) {
	g := &Gateway{base: "/bff"}
	for query, want := range map[string]string{"": "/", "returnUrl=": "/", "returnUrl=%2Fa%3Fb%3Dc": "/a?b=c"} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := g.readReturnURL(values); err != nil || got != want {
			t.Errorf("readReturnURL(%q) = %q, %v; want %q", query, got, err, want)
		}
	}
	if got, err := g.readReturnURL(url.Values{"returnUrl": {"/a", "/b"}}); err == nil {
		t.Errorf("two returnUrls give %q, want a refusal", got)
	}
}

// What is accepted stays on the site, however a browser reads it; it survives being
// checked again; and it is fit for a header.
func FuzzReturnURL(f *testing.F) {
	for _, p := range payloads(f) {
		f.Add(p)
	}
	for _, p := range []string{"/", "/a?next=https://ok/", "/a?x=//y", "/bff/user", "/caf\u00e9", "/#//a"} {
		f.Add(p)
	}
	g := &Gateway{base: "/bff"}
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := g.localReturnURL(raw)
		if err != nil {
			return
		}
		if leaves(target) || leaves(raw) {
			t.Errorf("%q is accepted as %q and leaves the site", raw, target)
		}
		if again, err := g.localReturnURL(target); err != nil || again != target {
			t.Errorf("%q is accepted as %q, which becomes %q, %v", raw, target, again, err)
		}
		if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>`", r) }) {
			t.Errorf("%q is accepted as %q, which is not fit for a header", raw, target)
		}
	})
}
