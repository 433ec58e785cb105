package framing

import (
	"bytes"
	"cmp"
	"net/http"
)

// scanner follows the messages of one connection, byte by byte, as far as it takes to know
// where each ends. It keeps a line only if that came in pieces.
type scanner struct {
	state   state
	line    []byte // the beginning of a line whose end is still to come
	head    head
	left    uint64 // bytes of the body, or of the chunk, that are still to come
	excess  uint64 // bytes of the body so far that are no data, beyond what its data excuse
	tail    int    // bytes of the trailers so far
	refused int    // status that a message deserves that may not stand there
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

// longestLine bounds what is kept. The server has its own limit for a whole header.
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
			s.refused = http.StatusBadRequest
			if n = s.take(p[done:]); n == 0 {
				s.state = broken
				return done
			}
		}
		done += n
	}
	return done
}

// between reports whether the next byte begins a message.
func (s *scanner) between() bool { return s.state == requestLine && len(s.line) == 0 }

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
		if bare(p[:len(p)-1]) {
			return 0
		}
		if len(s.line)+len(p) > s.longest() {
			if s.state == requestLine || s.state == fields {
				s.refused = http.StatusRequestHeaderFieldsTooLarge
			}
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

// longest is how long the line may be that is being read. It goes to the server in pieces,
// and the server must not be the first to lose patience.
func (s *scanner) longest() int {
	switch s.state {
	case chunkSize, chunkEnd:
		return longestChunkLine
	case trailers:
		return longestTrailers - s.tail
	}
	return longestLine
}

// bare reports whether there is a carriage return where none may stand.
func bare(p []byte) bool { return bytes.IndexByte(p, '\r') >= 0 }

// judge reads a whole line and reports whether it may stand there.
func (s *scanner) judge(line []byte) bool {
	switch s.state {
	case requestLine:
		// A blank line in front of a request is none of it (RFC 9112 §2.2).
		if len(line) > 0 {
			s.head, s.state = head{old: bytes.HasSuffix(line, []byte(" HTTP/1.0"))}, fields
		}
		// The server goes on in another way behind the beginning of HTTP/2.
		return !bytes.HasPrefix(line, []byte("PRI "))
	case fields:
		if len(line) == 0 {
			return s.headEnds()
		}
		ok := s.head.field(line)
		s.refused = cmp.Or(s.head.refused, s.refused)
		return ok
	case trailers:
		return s.trailer(line)
	case chunkSize:
		return s.chunk(line)
	case chunkEnd:
		s.state = chunkSize
		return len(line) == 0
	}
	return true
}

// folded reports whether a line goes on with the one before it (RFC 9112 §5.2).
func folded(line []byte) bool { return line[0] == ' ' || line[0] == '\t' }

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
		s.state, s.excess = chunkSize, 0
	case h.length > 0:
		s.state, s.left = body, h.length
	default:
		s.state = requestLine
	}
	return true
}
