package inbound

import (
	"bytes"
	"context"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// request is one that the loop takes: GET or HEAD, HTTP/1.1, an origin-form target, one
// Host, and nothing in the header that changes how the connection is read.
type request struct {
	head   bool // the method is HEAD
	target string
	host   string
	header http.Header
	url    *url.URL
}

// parse reads a request that has to be all of text. What it does not take is no mistake; it
// is for others to read.
func parse(text []byte) (request, bool) {
	if !bytes.HasSuffix(text, []byte("\r\n\r\n")) {
		return request{}, false
	}
	// All strings of the request are parts of this one.
	all := string(text[:len(text)-2])
	line, rest, _ := strings.Cut(all, "\r\n")
	var r request
	target, ok := strings.CutPrefix(line, "GET ")
	if !ok {
		if target, r.head = strings.CutPrefix(line, "HEAD "); !r.head {
			return request{}, false
		}
	}
	if r.target, ok = strings.CutSuffix(target, " HTTP/1.1"); !ok || !r.parseTarget() || !r.parseHeader(rest) {
		return request{}, false
	}
	return r, true
}

// parseTarget takes a path with a query (RFC 9112 §3.2.1).
func (r *request) parseTarget() bool {
	if !strings.HasPrefix(r.target, "/") || !visible(r.target) {
		return false
	}
	path, query, asked := strings.Cut(r.target, "?")
	if ordinary(path) {
		r.url = &url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}
		return true
	}
	u, err := url.ParseRequestURI(r.target)
	r.url = u
	return err == nil
}

// parseHeader takes the lines of the header, each with its line break.
func (r *request) parseHeader(lines string) bool {
	count := strings.Count(lines, "\n")
	r.header = make(http.Header, count)
	values := make([]string, count) // one array for all
	hosts := 0
	for len(lines) > 0 {
		line, rest, _ := strings.Cut(lines, "\r\n")
		lines = rest
		colon := strings.IndexByte(line, ':')
		if colon <= 0 {
			return false
		}
		name, value := known[line[:colon]], strings.Trim(line[colon+1:], " \t")
		if name == "" {
			if !token(line[:colon]) {
				return false
			}
			name = textproto.CanonicalMIMEHeaderKey(line[:colon])
		}
		if !plain(value) {
			return false
		}
		switch name {
		case "Host":
			hosts++
			r.host = value
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Expect", "Te", "Http2-Settings", "Pragma":
			return false
		}
		if before, there := r.header[name]; there {
			r.header[name] = append(before, value)
			continue
		}
		values[0] = value
		r.header[name] = values[:1:1]
		values = values[1:]
	}
	return hosts == 1 && hostname(r.host)
}

// request is the request as handlers know it.
func (r *request) request(ctx context.Context, peer string) *http.Request {
	method := http.MethodGet
	if r.head {
		method = http.MethodHead
	}
	out := &http.Request{
		Method: method, URL: r.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: r.header,
		Body: http.NoBody, Host: r.host, RemoteAddr: peer, RequestURI: r.target,
	}
	return out.WithContext(ctx)
}

// visible reports whether s consists of characters that can stand in a target.
func visible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// ordinary reports whether a path means itself: no escapes, and nothing that one could be
// made of.
func ordinary(path string) bool {
	for i := range len(path) {
		if !inPath[path[i]] {
			return false
		}
	}
	return !strings.HasPrefix(path, "//")
}

// plain reports whether s can be the value of a header (RFC 9110 §5.5).
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// token reports whether s can be the name of a header (RFC 9110 §5.6.2).
func token(s string) bool {
	for i := range len(s) {
		if !inToken[s[i]] {
			return false
		}
	}
	return s != ""
}

// hostname reports whether s looks like a host, with or without a port.
func hostname(s string) bool {
	for i := range len(s) {
		if !inHost[s[i]] {
			return false
		}
	}
	return s != ""
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Characters, by what they can stand in. Nobody writes to these.
var (
	inPath  = set(alphanumeric + "-._~/")
	inToken = set(alphanumeric + "!#$%&'*+-.^_`|~")
	inHost  = set(alphanumeric + "-.:[]_")
)

func set(chars string) (s [256]bool) {
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return s
}

// known are the names of headers that most requests have, as they are written and as they
// are kept. Nobody writes to it.
var known = spellings(
	"Host", "Connection", "Accept", "Accept-Encoding", "Accept-Language", "Authorization",
	"Cache-Control", "Cookie", "Dnt", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Origin", "Priority", "Purpose", "Range", "Referer", "Sec-Ch-Ua",
	"Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site",
	"Sec-Fetch-User", "Sec-Gpc", "Sec-Purpose", "Traceparent", "Tracestate", "Upgrade-Insecure-Requests",
	"User-Agent", "Via", "X-Bff-Background", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Method",
	"X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Uri", "X-Original-Method", "X-Original-Url",
	"X-Real-Ip", "X-Request-Id", "X-Requested-With",
)

func spellings(names ...string) map[string]string {
	all := make(map[string]string, 2*len(names))
	for _, name := range names {
		all[name], all[strings.ToLower(name)] = name, name
	}
	return all
}
