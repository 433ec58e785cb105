package framing

import (
	"bytes"
	"strings"
)

// scanner follows the messages of one connection, byte by byte, as far as it takes to know
// where each ends. It keeps a line only if that came in pieces.
type scanner struct {
	state state
	line  []byte // the beginning of a line whose end is still to come
	head  head
	left  uint64 // bytes of the body, or of the chunk, that are still to come
}

// state is what the next byte belongs to.
type state int

const (
	requestLine state = iota
	fields            // of the header
	body              // of a length that was said
	chunkSize
	chunkData
	chunkEnd // the line break behind a chunk
	trailers
	theirs // no more HTTP/1.1: nobody looks
	broken // what follows means nothing any more
)

// head is what one request's header says of where its body ends.
type head struct {
	old     bool // HTTP/1.0
	length  uint64
	lengths int  // Content-Length lines
	codings int  // Transfer-Encoding lines
	unknown bool // one is another than chunked
}

// longestLine is more than the server lets a whole header have.
const longestLine = 1 << 20

// next reads p and returns how many bytes of it the server may have. Fewer than all means
// that the next one makes the message one with two readings.
func (s *scanner) next(p []byte) int {
	done := 0
	for done < len(p) {
		n := 0
		switch s.state {
		case theirs:
			return len(p)
		case broken:
			return done
		case body, chunkData:
			n = s.skip(p[done:])
		default:
			if n = s.take(p[done:]); n == 0 {
				s.state = broken
				return done
			}
		}
		done += n
	}
	return done
}

// skip passes over a body's bytes.
func (s *scanner) skip(p []byte) int {
	n := uint64(len(p))
	if n < s.left {
		s.left -= n
		return len(p)
	}
	n, s.left = s.left, 0
	if s.state == body {
		s.state = requestLine
	} else {
		s.state = chunkEnd
	}
	return int(n) //nolint:gosec // at most len(p)
}

// take reads up to the end of a line and returns how many bytes that were: none, if the
// line may not stand there.
func (s *scanner) take(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		// A line break that comes in two pieces is looked at when it is whole.
		if bare(p[:len(p)-1]) || len(s.line)+len(p) > longestLine {
			return 0
		}
		s.line = append(s.line, p...)
		return len(p)
	}
	line := p[:end]
	if len(s.line) > 0 {
		s.line = append(s.line, line...)
		line = s.line
	}
	text, ok := bytes.CutSuffix(line, []byte{'\r'})
	if !ok || bare(text) || !s.judge(text) {
		return 0
	}
	s.line = s.line[:0]
	return end + 1
}

// bare reports whether there is a carriage return where none may stand.
func bare(p []byte) bool { return bytes.IndexByte(p, '\r') >= 0 }

// judge reads a whole line and reports whether it may stand there.
func (s *scanner) judge(line []byte) bool {
	switch s.state {
	case requestLine:
		s.head = head{old: bytes.HasSuffix(line, []byte(" HTTP/1.0"))}
		s.state = fields
		if bytes.Equal(line, []byte("PRI * HTTP/2.0")) {
			s.state = theirs // The server knows what to say to that.
		}
	case fields:
		if len(line) == 0 {
			return s.headEnds()
		}
		return s.head.field(line)
	case trailers:
		if len(line) == 0 {
			s.state = requestLine
			return true
		}
		return !folded(line)
	case chunkSize:
		size, _, _ := bytes.Cut(line, []byte{';'})
		var ok bool
		if s.left, ok = number(bytes.TrimRight(size, " \t"), 16); !ok {
			return false
		}
		if s.state = chunkData; s.left == 0 {
			s.state = trailers
		}
	case chunkEnd:
		s.state = chunkSize
		return len(line) == 0
	}
	return true
}

// folded reports whether a line goes on with the one before it (RFC 9112 §5.2).
func folded(line []byte) bool { return line[0] == ' ' || line[0] == '\t' }

// field reads a line of the header.
func (h *head) field(line []byte) bool {
	if folded(line) {
		return false
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch len(name) {
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

// headEnds decides where the body ends.
func (s *scanner) headEnds() bool {
	h := s.head
	switch {
	case h.codings > 0 && (h.lengths > 0 || h.old || h.codings > 1):
		// Two readings (RFC 9112 §6.3), or one that a recipient of that version has not.
		return false
	case h.codings > 0 && h.unknown:
		// The server says 501. Where the body ends nobody knows.
		s.state = broken
	case h.codings > 0:
		s.state = chunkSize
	case h.length > 0:
		s.state, s.left = body, h.length
	default:
		s.state = requestLine
	}
	return true
}

// number reads digits and nothing else: no sign, no prefix, no separator.
func number(p []byte, base uint64) (uint64, bool) {
	if len(p) == 0 || len(p) > 15 { // a million gigabytes
		return 0, false
	}
	var n uint64
	for _, c := range p {
		digit := uint64(99)
		switch {
		case c >= '0' && c <= '9':
			digit = uint64(c - '0')
		case c >= 'a' && c <= 'f':
			digit = uint64(c-'a') + 10
		case c >= 'A' && c <= 'F':
			digit = uint64(c-'A') + 10
		}
		if digit >= base {
			return 0, false
		}
		n = n*base + digit
	}
	return n, true
}
