package proxy

import (
	"net/url"
	"strings"
)

// The attack: one string is authorised and another is served. A gateway that matches
// "/public/..%2fadmin" as something below /public/, and an upstream that decodes and cleans
// it into /admin, have together let a stranger in. So a path is matched as the bytes
// that stood in the request line, the same bytes go on, and whatever some server could read
// as a path of another route is refused.

// rawPath is the path as it stood in the request line. Only where Go's parser kept no raw
// form is the escaped one the same.
func rawPath(u *url.URL) string {
	if u.Opaque != "" {
		return u.Opaque
	}
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// plainTarget reports whether a request's target has nothing but what one may have (RFC
// 9112 §3.2): some servers would take what is behind a "#" for the path, others forget it.
func plainTarget(u *url.URL) bool {
	return u.User == nil && (u.Scheme == "" || u.Scheme == "http" || u.Scheme == "https") && strings.IndexByte(u.RawQuery, '#') < 0
}

// shape says how closely a path must be looked at.
type shape int

const (
	plain  shape = iota // one reading only
	upper               // one reading, but for letter case
	tricky              // escapes, parameters, dots or doubled slashes
	broken              // nothing that a browser sends
)

// shapeOf reads a path once.
func shapeOf(path string) shape {
	if path == "" || path[0] != '/' {
		return broken
	}
	s := plain
	before := byte(0)
	for i := range len(path) {
		c := path[i]
		switch {
		case c <= ' ' || c == 0x7f || c == '\\' || c == '#' || c == '?':
			return broken
		case c == '%' || c == ';' || c >= 0x80, before == '/' && (c == '/' || c == '.'):
			s = tricky
		case 'A' <= c && c <= 'Z' && s == plain:
			s = upper
		}
		before = c
	}
	return s
}

// plainPath reports whether p can be configured: a path with one reading. A name that
// begins with a dot has one, such as .well-known; only "." and ".." have two.
func plainPath(p string) bool {
	return shapeOf(p) != broken && !strings.Contains(p, "//") &&
		!strings.ContainsFunc(p, func(c rune) bool { return c == '%' || c == ';' || c >= 0x80 }) &&
		judgeSegments(p) == nil
}

// judge returns the target of a path, nil if no route leads there, or a *Problem with
// bad_request if the path can be read in two ways.
func (t *table) judge(path string) (*target, error) {
	s := shapeOf(path)
	if s == broken {
		return nil, badRequest("The path has characters that no path may have.")
	}
	found := t.match(path)
	switch s {
	case upper:
		if t.matchFolded(strings.ToLower(path)) != found {
			return nil, badRequest("The path means another route if letter case is ignored.")
		}
	case tricky:
		if err := t.judgeReadings(path, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// deepest is how often a path may be encoded. Servers that decode twice exist.
const deepest = 4

// judgeReadings looks at a path as servers may read it: decoded once and again.
func (t *table) judgeReadings(path string, found *target) error {
	for depth := 0; ; depth++ {
		if err := judgeSegments(path); err != nil {
			return err
		}
		if !t.sameEverywhere(path, found) {
			return badRequest("The path can be read as one of another route.")
		}
		next, ok := unescaped(path)
		switch {
		case !ok && depth == 0:
			return badRequest("The path has a percent sign without two hexadecimal digits.")
		case !ok || next == path:
			return nil
		case depth == deepest:
			return badRequest("The path is encoded too often.")
		case depth == 0 && strings.Count(next, "/") != strings.Count(path, "/") && (found == nil || !found.keep):
			return badRequest("The path has an encoded slash, which this route does not take.")
		}
		path = next
	}
}

func unescaped(path string) (string, bool) {
	s, err := url.PathUnescape(path)
	return s, err == nil
}

// judgeSegments refuses what has two readings wherever it stands.
func judgeSegments(path string) error {
	if strings.ContainsAny(path, "\\\x00") {
		return badRequest("The path has a backslash or a NUL.")
	}
	// UTF-8 never has these bytes; lenient decoders take them for an overlong "." or "/".
	if strings.IndexByte(path, 0xc0) >= 0 || strings.IndexByte(path, 0xc1) >= 0 {
		return badRequest("The path is no UTF-8.")
	}
	for segment := range strings.SplitSeq(path, "/") {
		// A servlet container drops ";x" before it looks at the dots; a decoded "?" or "#"
		// ends the path for others.
		if i := strings.IndexAny(segment, ";?#"); i >= 0 {
			segment = segment[:i]
		}
		if segment == "." || segment == ".." {
			return badRequest("The path has dot segments.")
		}
	}
	return nil
}

// sameEverywhere reports whether every reading of path leads to found: with and without
// parameters, with doubled slashes merged, and cut where a decoded "?" or "#" ends it.
func (t *table) sameEverywhere(path string, found *target) bool {
	readings := []string{path}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		readings = append(readings, path[:i])
	}
	if strings.Contains(path, ";") {
		for _, p := range readings {
			readings = append(readings, withoutParameters(p))
		}
	}
	for _, p := range readings {
		if t.matchFolded(fold(p)) != found || t.matchFolded(fold(merged(p))) != found {
			return false
		}
	}
	return true
}

func withoutParameters(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

func merged(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// fold maps letters that differ in case only to one; up and down again, since some letters
// (ſ, K) have an ASCII letter on one of the ways only.
func fold(path string) string { return strings.ToLower(strings.ToUpper(path)) }
