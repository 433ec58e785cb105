package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// malformed refuses what the server lets through though a request over HTTP/1.1 cannot be
// like that: HTTP/2 says method, path and length in fields of their own, so that nothing
// in their framing keeps them whole (RFC 9113 §8.1.1, §8.3.1). The upstream may well speak
// HTTP/1.1, or be less careful.
func malformed(r *http.Request) error {
	switch {
	case !headerToken(r.Method):
		return badRequest("The method is none.")
	case r.ProtoMajor < 2:
	case !strings.HasPrefix(r.RequestURI, "/"):
		return badRequest("The path does not begin with a slash.")
	case strings.IndexByte(r.RequestURI, ' ') >= 0:
		// In a request line, what is behind it would be the version.
		return badRequest("The path or the query has a space.")
	case !sameLength(r.Header["Content-Length"], r.ContentLength):
		return badRequest("The request has a length that is not its own.")
	case slices.ContainsFunc(r.Header["Host"], func(host string) bool { return !strings.EqualFold(host, r.Host) }):
		return badRequest("The request has two hosts.")
	}
	return nil
}

// sameLength reports whether the lines of Content-Length say what the server took for the
// length: it takes the first, and what is no number for zero.
func sameLength(lines []string, length int64) bool {
	if len(lines) == 0 {
		return true
	}
	said, err := strconv.ParseUint(lines[0], 10, 63)
	return len(lines) == 1 && err == nil && int64(said) == length
}
