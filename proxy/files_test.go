package proxy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site makes a directory of static files, with what must not be served beside it.
func site(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dist")
	for name, content := range map[string]string{
		"index.html": "<!doctype html>app", "assets/app.3f9a1c2b.js": "js", "assets/index-DiwrgTda.js": "vite",
		"robots.txt": "robots", "docs/index.html": "docs", ".env": "SECRET", ".git/config": "SECRET",
		".well-known/security.txt": "contact", "../outside.txt": "SECRET", "empty/x.txt": "x", "a b.txt": "space",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out.txt": "../outside.txt", "abs.txt": "/etc/passwd", "in.txt": "robots.txt"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFilesAreServedAndUnknownAddressesAreTheApplications(t *testing.T) {
	f := open(t, []Route{{Path: "/", Files: site(t), Access: Public}})
	const app = "<!doctype html>app"
	for _, row := range []struct{ path, lines, want, caching string }{
		{"/", typed, app, "no-cache"},
		{"/index.html", "", app, "no-cache"},
		{"/deep/link", typed, app, "no-cache"},
		{"/deep/link", "Accept: */*", app, "no-cache"},
		{"/users/j.doe", typed, app, "no-cache"},
		{"/docs/", "", "docs", "no-cache"},
		{"/docs", typed, app, "no-cache"},
		{"/empty/", typed, app, "no-cache"},
		{"/assets/", typed, app, "no-cache"},
		{"/assets/app.3f9a1c2b.js", fromPage, "js", "public, max-age=31536000, immutable"},
		{"/assets/index-DiwrgTda.js", fromPage, "vite", "public, max-age=31536000, immutable"},
		{"/robots.txt", "", "robots", "no-cache"},
		{"/a%20b.txt", "", "space", "no-cache"},
		{"/in.txt", "", "robots", "no-cache"},
		{"/.well-known/security.txt", "", "contact", "no-cache"},
		{"/missing.js", fromPage, "", ""},
		{"/assets/missing.js", "Accept: */*", "", ""},
		{"/.env", "Accept: */*", "", ""},
		{"/.git/config.txt", "", "", ""},
		{"/out.txt", "", "", ""},
		{"/abs.txt", "", "", ""},
	} {
		res := f.get(t, row.path, row.lines)
		if row.want == "" {
			mustFail(t, res, NotFound)
			continue
		}
		if got := text(t, res); res.StatusCode != 200 || got != row.want || res.Header.Get("Cache-Control") != row.caching {
			t.Errorf("%s: %s %q %v", row.path, res.Status, got, res.Header)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: types are guessed", row.path)
		}
	}
	for _, path := range []string{"/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/assets/..%5c..%5coutside.txt"} {
		mustFail(t, f.get(t, path, typed), BadRequest)
	}
	// A navigation to a hidden file is an address of the application, and no more.
	if got := text(t, f.get(t, "/.env", typed)); got != app {
		t.Error(got)
	}
	mustFail(t, f.send(t, "POST", "/", typed, "Content-Length: 0"), MethodNotAllowed)
	if got := f.get(t, "/assets/app.3f9a1c2b.js").Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Error(got)
	}
}

func TestFilesAreRevalidatedByTheirBytes(t *testing.T) {
	dir := site(t)
	f := open(t, []Route{{Path: "/", Files: dir, Access: Public}})
	index, moment := filepath.Join(dir, "index.html"), time.Unix(315532800, 0)
	if err := os.Chtimes(index, moment, moment); err != nil {
		t.Fatal(err)
	}
	tag := f.get(t, "/").Header.Get("Etag")
	if res := f.get(t, "/any", typed, "If-None-Match: "+tag); res.StatusCode != 304 {
		t.Error(res.Status)
	}
	// A new build: as long as the old one, and of the same time, as reproducible builds are.
	if err := os.WriteFile(index, []byte("<!doctype html>new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(index, moment, moment); err != nil {
		t.Fatal(err)
	}
	if res := f.get(t, "/", "If-None-Match: "+tag); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	res := f.get(t, "/robots.txt", "Range: bytes=1-3")
	if got := text(t, res); res.StatusCode != 206 || got != "obo" {
		t.Error(res.Status, got)
	}
	if res := f.send(t, "HEAD", "/robots.txt"); res.StatusCode != 200 || res.ContentLength != 6 {
		t.Error(res.Status, res.ContentLength)
	}
}

func TestFilesBehindASessionAreNobodyElsesCache(t *testing.T) {
	f := open(t, []Route{{Path: "/in/", StripPrefix: "/in", Files: site(t)}})
	_, ticket := f.signIn(t, -time.Minute) // Files need no token.
	res := f.get(t, "/in/assets/app.3f9a1c2b.js", fromPage, "Cookie: "+f.cookie(ticket))
	if got := res.Header.Get("Cache-Control"); !strings.HasPrefix(got, "private, ") || res.Header.Get("Vary") != "Cookie" {
		t.Error(res.Status, res.Header)
	}
	mustFail(t, f.get(t, "/in/robots.txt", fromPage), NoSession)
}

func TestWhichNamesHaveAHash(t *testing.T) {
	for name, want := range map[string]bool{
		"app.3f9a1c2b.js": true, "assets/index-DiwrgTda.js": true, "index-B-x4_7dQ.css": true, "assets/my-component.js": false, "x/index-DiwrgTda.js": false, "main.8f2c1e0d9b7a6c5d.chunk.css": false,
		"chunk-ABCD1234.js": true, "app.3f9a1c2b.js.map": true, "logo.8d3e1f2a9c.svg": true,
		"index.html": false, "app.js": false, "jquery-3.7.1.min.js": false, "service-worker.js": false, "bootstrap.bundle.js": false,
		"report-20240131.pdf": false, "my-component.js": false, "index-3f9a1c2b.html": false, "manifest.webmanifest": false, "a.b": false, "": false,
		"vendor-javascript.js": false, "some-Interesting.js": false,
	} {
		if got := hashed(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
