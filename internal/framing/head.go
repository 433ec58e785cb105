package framing

import (
	"bytes"
	"net/http"
	"strings"
)

// head is what one request's header says of where its body ends.
type head struct {
	old     bool // HTTP/1.0
	length  uint64
	lengths int  // Content-Length lines
	codings int  // Transfer-Encoding lines
	unknown bool // one is another than chunked
	lines   int  // of the header
	refused int  // status that the line deserves; 0: that of all others
}

// mostFields is several times what browsers send, with all that proxies add. The server
// itself counts bytes only, and a map of ten thousand short lines takes a hundred times
// those.
const mostFields = 200

// field reads a line of the header.
func (h *head) field(line []byte) bool {
	if h.lines++; h.lines > mostFields {
		h.refused = http.StatusRequestHeaderFieldsTooLarge
		return false
	}
	if folded(line) {
		return false
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch len(name) {
	case len("Expect"):
		if strings.EqualFold(string(name), "Expect") && !strings.EqualFold(string(bytes.Trim(value, " \t")), "100-continue") {
			h.refused = http.StatusExpectationFailed
			return false
		}
	case len("Content-Length"):
		if strings.EqualFold(string(name), "Content-Length") {
			return h.contentLength(bytes.Trim(value, " \t"))
		}
	case len("Transfer-Encoding"):
		if strings.EqualFold(string(name), "Transfer-Encoding") {
			h.codings++
			h.unknown = h.unknown || !strings.EqualFold(string(bytes.Trim(value, " \t")), "chunked")
		}
	}
	return true
}

// contentLength takes one number, as often as it is the same (RFC 9112 §6.3).
func (h *head) contentLength(value []byte) bool {
	n, ok := number(value, 10)
	if !ok || h.lengths > 0 && n != h.length {
		return false
	}
	h.length, h.lengths = n, h.lengths+1
	return true
}
