package proxy

import (
	"net/url"
	"strings"
)

// maxReturnURL bounds a returnUrl, in bytes.
const maxReturnURL = 2048

// What is wrong with a returnUrl, for whoever wrote it. Nothing of the value is repeated.
const (
	returnTwice   = "There is more than one returnUrl. Give it once."
	returnLong    = "The returnUrl is longer than 2048 bytes."
	returnNotHere = "The returnUrl must be a path on this site: it starts with one slash and not with two."
	returnUnclear = "The returnUrl has a control character, a backslash or a dot segment in its path, plain or encoded. Write the path as the address bar shows it."
	returnLoop    = "The returnUrl leads back into the login or the logout. Name a page of the application."
)

// readReturnURL returns the returnUrl of a query, checked, or "/" if there is none.
func (g *Gateway) readReturnURL(query url.Values) (string, error) {
	values := query["returnUrl"]
	switch {
	case len(values) > 1:
		return "", badRequest(returnTwice)
	case len(values) == 0 || values[0] == "":
		return "/", nil
	}
	return g.localReturnURL(values[0])
}

// localReturnURL returns raw in the form in which it may stand in a header or a page, or
// a bad_request problem that says why it is no address of this site.
//
// The attack is the open redirect: a link to this site that ends on another one. A
// browser does not read addresses as package net/url does. It takes a backslash for a
// slash, drops tabs and line breaks wherever they stand, resolves dot segments even when
// they are encoded, and takes //host for another site. So the rule is not to parse but to
// refuse: the path part has to begin with exactly one slash, and must hold nothing that
// could become a second one, however often somebody decodes it on the way. The query and
// the fragment decide nothing about the site and are free.
func (g *Gateway) localReturnURL(raw string) (string, error) {
	local, err := localURL(raw)
	if err != nil {
		return "", err
	}
	if g.leadsBack(pathPart(local)) {
		return "", badRequest(returnLoop)
	}
	return local, nil
}

// localURL is localReturnURL without regard to the gateway's own endpoints.
func localURL(raw string) (string, error) {
	if len(raw) > maxReturnURL {
		return "", badRequest(returnLong)
	}
	if strings.ContainsFunc(raw, isControl) {
		return "", badRequest(returnUnclear)
	}
	for path, more := pathPart(raw), true; more; path, more = unescapeOnce(path) {
		switch {
		case !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//"):
			return "", badRequest(returnNotHere)
		case strings.HasPrefix(path, `/\`):
			return "", badRequest(returnNotHere)
		case strings.ContainsFunc(path, isControl), strings.Contains(path, `\`), hasDotSegment(path):
			return "", badRequest(returnUnclear)
		}
	}
	local := escapeUnsafe(raw)
	if len(local) > maxReturnURL {
		return "", badRequest(returnLong)
	}
	return local, nil
}

// leadsBack reports whether path is one of the endpoints that move the browser on: to
// return to them would be a loop.
func (g *Gateway) leadsBack(path string) bool {
	for more := true; more; path, more = unescapeOnce(path) {
		lower := strings.ToLower(path)
		rest, below := strings.CutPrefix(lower, strings.ToLower(g.base)+"/")
		if !below {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		name, _, _ = strings.Cut(name, ";")
		switch name {
		case "login", "callback", "logout":
			return true
		}
	}
	return false
}

// pathPart is what stands before the query and the fragment.
func pathPart(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		return raw[:i]
	}
	return raw
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// hasDotSegment reports whether a segment of path is "." or "..", also with a parameter.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// unescapeOnce decodes every percent escape of s once and leaves malformed ones alone, as
// browsers do. It reports whether there was any.
func unescapeOnce(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, false
	}
	var b strings.Builder
	found := false
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := fromHex(s[i+1]), fromHex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo)) //nolint:gosec // two digits make one byte
				i += 2
				found = true
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), found
}

func fromHex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// escapeUnsafe escapes what a URL may not hold plainly, as a browser would on its way, so
// that a header or a page carries it unharmed. What is escaped already stays as it is.
func escapeUnsafe(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`\\", c) >= 0:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
