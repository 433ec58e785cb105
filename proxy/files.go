package proxy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
)

// files serves a directory with a single-page application: what is there is served, and
// any other address is the application's own, which index.html knows.
type files struct {
	root *os.Root // nothing outside can be reached, not by links either
	// private is set if the files need a session: a shared cache must not keep them.
	private bool
	tags    tags
}

func openFiles(dir string, private bool) (*files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return &files{root: root, private: private}, nil
}

// serve answers with a file.
func (f *files) serve(x *exchange, r *http.Request) error {
	asked, err := url.PathUnescape(x.path[len(x.route.strip):])
	if err != nil {
		return badRequest("The path has a percent sign without two hexadecimal digits.")
	}
	name := nameOf(asked)
	file, info, err := f.open(name)
	if errors.Is(err, fs.ErrNotExist) && fallsBack(asked, r) {
		name = "index.html"
		file, info, err = f.open(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &Problem{Code: NotFound, Detail: "There is no such file.", Err: err}
	}
	if err != nil {
		return problem(GatewayMisconfigured, err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	h := x.Header()
	if err := f.describe(h, file, info, name); err != nil {
		return problem(GatewayMisconfigured, err)
	}
	http.ServeContent(x, r, info.Name(), info.ModTime(), file)
	return nil
}

// nameOf is the file that a path asks for.
func nameOf(asked string) string {
	name := strings.TrimPrefix(asked, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	return name
}

// open opens a regular file. Whatever else there is counts as not there: directories
// without an index, devices, names that begin with a dot, links that lead outside.
func (f *files) open(name string) (*os.File, fs.FileInfo, error) {
	if !fs.ValidPath(name) || hidden(name) {
		return nil, nil, fs.ErrNotExist
	}
	// Looked at before it is opened: to open a named pipe would wait for its writer.
	info, err := f.root.Stat(name)
	if err != nil {
		if escape := (*fs.PathError)(nil); errors.As(err, &escape) && !errors.Is(err, fs.ErrPermission) {
			return nil, nil, fs.ErrNotExist
		}
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fs.ErrNotExist
	}
	file, err := f.root.Open(name)
	return file, info, err
}

// hidden reports whether a segment begins with a dot. .well-known is no secret (RFC 8615).
func hidden(name string) bool {
	for segment := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(segment, ".") && segment != ".well-known" {
			return true
		}
	}
	return false
}

// fallsBack reports whether an address that names no file is one of the application's. A
// script or an image that is missing is missing: an HTML page in its place would only
// hide that.
func fallsBack(asked string, r *http.Request) bool {
	return classify(r).navigation || path.Ext(asked) == ""
}

// Cache-Control of static files.
const (
	forever    = "max-age=31536000, immutable"
	revalidate = "no-cache"
)

// describe sets the headers of a file: its type, and how long it may be kept.
func (f *files) describe(h http.Header, file io.ReadSeeker, info fs.FileInfo, name string) error {
	h.Set("X-Content-Type-Options", "nosniff")
	if media := mediaType(name); media != "" {
		h.Set("Content-Type", media)
	}
	who, caching := "public, ", revalidate
	if f.private {
		who = "private, "
		h.Set("Vary", "Cookie")
	}
	switch {
	case hashed(name):
		caching = who + forever
	case f.private:
		caching = who + revalidate
	}
	h.Set("Cache-Control", caching)
	tag, err := f.tags.of(file, info, name)
	if err != nil {
		return err
	}
	h.Set("Etag", tag)
	return nil
}

// hashed reports whether a bundler has put a hash of the content into the name, so that
// the name never stands for anything else: app.3f9a1c2b.js, assets/index-DiwrgTda.js. In
// doubt it has not: to ask again costs little, a stale script for a year costs much.
func hashed(name string) bool {
	name = strings.TrimSuffix(name, ".map")
	ext := path.Ext(name)
	stem := strings.TrimSuffix(path.Base(name), ext)
	if ext == "" || ext == ".html" {
		return false
	}
	if i := strings.LastIndexAny(stem, ".-"); i > 0 && looksHashed(stem[i+1:]) {
		return true
	}
	// Vite and Rollup: eight characters of base64url, "-" and "_" among them.
	i := len(stem) - 8
	return i > 1 && stem[i-1] == '-' && (looksHashed(stem[i:]) ||
		path.Base(path.Dir(name)) == "assets" && strings.ToLower(stem[i:]) != stem[i:] && !strings.Contains(stem[i:], "."))
}

// looksHashed tells a hash from a word: hexadecimal with a digit, or at least eight
// characters of base64url with a digit or with capitals inside.
func looksHashed(s string) bool {
	if len(s) < 8 || len(s) > 64 {
		return false
	}
	digits, capitals, lower, hexadecimal := 0, 0, 0, true
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
			lower++
			hexadecimal = hexadecimal && c <= 'f'
		case c >= 'A' && c <= 'Z':
			if i > 0 {
				capitals++
			}
			hexadecimal = false
		case c == '_' || c == '-':
			hexadecimal = false
		default:
			return false
		}
	}
	if digits == len(s) {
		return false // A date or a version.
	}
	return digits > 0 && (hexadecimal || capitals > 0 || digits > 1) || capitals > 1 && lower > 0
}

// mediaType returns the type of a file by its name, for those that Go does not know
// everywhere.
func mediaType(name string) string {
	switch ext := strings.ToLower(path.Ext(name)); ext {
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".woff":
		return "font/woff"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		return mime.TypeByExtension(ext)
	}
}
