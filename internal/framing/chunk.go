package framing

import "bytes"

// The server closes no connection only because it could not read a body: it would go on
// behind the bytes that it did not like, in the middle of what others take for the body. So
// chunks and trailers are judged at least as strictly here.
const (
	longestChunkLine = 256      // bytes; the server's limit is 4 KiB
	mostExcess       = 16 << 10 // the server's limit
	longestTrailers  = 4 << 10  // what the server can look ahead
)

// chunk reads the line before a chunk (RFC 9112 §7.1). Extensions mean nothing to anybody.
func (s *scanner) chunk(line []byte) bool {
	size, _, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte{';'})
	n, ok := number(size, 16)
	if !ok || len(line) > longestChunkLine {
		return false
	}
	// A byte a chunk is an honest stream; a lot of lines for hardly any data is not.
	s.excess += uint64(len(line)) + 2
	s.excess -= min(s.excess, 16+2*n)
	if s.left, s.state = n, chunkData; n == 0 {
		s.state, s.tail = trailers, 0
	}
	return s.excess <= mostExcess
}

// trailer reads a line behind the last chunk.
func (s *scanner) trailer(line []byte) bool {
	if s.tail += len(line) + 2; s.tail > longestTrailers {
		return false
	}
	if len(line) == 0 {
		s.state = requestLine
		return true
	}
	name, value, ok := bytes.Cut(line, []byte{':'})
	return ok && token(name) && !bytes.ContainsFunc(value, control)
}

// token reports whether p can be a field's name (RFC 9110 §5.6.2).
func token(p []byte) bool {
	for _, c := range p {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte("\"(),/:;<=>?@[\\]{}"), c) >= 0 {
			return false
		}
	}
	return len(p) > 0
}

// control reports whether c may stand in no value (RFC 9110 §5.5).
func control(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

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
