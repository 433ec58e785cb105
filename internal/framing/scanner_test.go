package framing

import (
	"strings"
	"testing"
)

const crlf = "\r\n"

// messages are whole requests, and where the server must not read on: -1 for nowhere.
var messages = []struct {
	name, text string
	good       int
}{
	{"a GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", -1},
	{"two in a row", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", -1},
	{"a body of a length", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\r\nGET / HTTP/1.1\r\n\r\n", -1},
	{"a length said twice", "POST / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length:1\r\n\r\nxGET / HTTP/1.1\r\n\r\n", -1},
	{"no length", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n", -1},
	{"chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\na\n\rb\n\r\n0\r\nX-T: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n", -1},
	{"chunks without trailers", "POST / HTTP/1.1\r\nTransfer-Encoding:\tchunked \r\n\r\nA \r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n", -1},
	{"HTTP/1.0 with a length", "POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.0\r\n\r\n", -1},
	{"a blank line in front", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", -1},
	{"a header line for each that may be there", "GET / HTTP/1.1\r\n" + strings.Repeat("X: a\r\n", mostFields) + "\r\n", -1},
	{"an expectation", "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", -1},
	{"a header that only looks like one", "GET / HTTP/1.1\r\nX-Content-Length: a\r\nTransfer-Encodings: x\r\n\r\nGET / HTTP/1.1\r\n\r\n", -1},

	{"a bare line feed behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 0},
	{"a bare line feed in the header", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 16},
	{"a bare line feed at its end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 25},
	{"a bare carriage return", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 16},
	{"a bare carriage return behind the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", 0},
	{"two carriage returns", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 16},
	{"a folded line", "GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 22},
	{"a line folded by a tab", "GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", 22},
	{"a first line that is folded", "GET / HTTP/1.1\r\n X: a\r\n\r\n", 16},
	{"length and chunks", "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 64},
	{"chunks and length", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 64},
	{"an unknown coding and a length", "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\nabcd", 65},
	{"chunks twice", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 73},
	{"chunks and identity", "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 74},
	{"chunks from HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 45},
	{"two lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 36},
	{"a list of lengths", "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na", 17},
	{"a length with a sign", "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 17},
	{"a negative length", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\na", 17},
	{"a length in hexadecimal", "POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\na", 17},
	{"an empty length", "POST / HTTP/1.1\r\nContent-Length:\r\n\r\na", 17},
	{"a length beyond measure", "POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\na", 17},
	{"a length with a line feed", "POST / HTTP/1.1\r\nContent-Length: 1\n\r\na", 17},
	{"a chunk without a size", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\n", 47},
	{"a chunk's size that is none", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2g\r\nab\r\n", 47},
	{"a chunk's size with a sign", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n", 47},
	{"a chunk's size that overflows", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n", 47},
	{"a chunk's size with a bare line feed", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n", 47},
	{"a bare line feed in a chunk's extension", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;\nab\r\n", 47},
	{"a chunk that is longer than it says", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 52},
	{"a chunk without its line break", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab0\r\n\r\n", 52},
	{"a chunk with a bare line feed behind", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", 52},
	{"a folded trailer", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n", 56},
	{"a trailer with a bare line feed", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\n\r\n", 50},
	{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
	{"HTTP/2's preface with a header", "PRI * HTTP/2.0\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\n\n", 0},
	{"an expectation that nobody knows", "POST / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n", 17},
	{"a header line too many", "GET / HTTP/1.1\r\n" + strings.Repeat("X: a\r\n", mostFields+1) + "\r\n", 16 + 6*mostFields},
	{"a tab before a chunk's extension", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\t;a\r\nab\r\n", 47},
	{"a chunk's line without an end", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 5000), 47},
	{"a trailer that is none", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n", 50},
	{"a trailer with a space before the colon", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : a\r\n\r\n", 50},
	{"a trailer with a NUL", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: \x00\r\n\r\n", 50},
	{"trailers without an end", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\nY: " + strings.Repeat("a", 5000), 56},
	{"chunks from HTTP/1.0 behind a blank line", "\r\nPOST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 47},
	{"what is bad in the second request", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\nHost: a\r\n\r\n", 27},
	{"what might be chunks of a coding that nobody knows", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 44},
	{"what follows a coding that nobody knows", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nGET / HTTP/1.1\r\n\r\n", 44},
}

// However the bytes are cut, the server never gets the byte that would complete a message
// with two readings, and gets all of those that have one.
func TestAMessageHasOneReadingHoweverItIsCut(t *testing.T) {
	for _, m := range messages {
		t.Run(m.name, func(t *testing.T) {
			for size := 1; size <= len(m.text); size++ {
				var s scanner
				passed, stopped := 0, false
				for at := 0; at < len(m.text) && !stopped; at += size {
					piece := m.text[at:min(at+size, len(m.text))]
					n := s.next([]byte(piece))
					passed += n
					stopped = n < len(piece)
				}
				switch {
				case m.good < 0 && passed != len(m.text):
					t.Fatalf("in pieces of %d: stopped at %d of %d, before %q", size, passed, len(m.text), m.text[passed:])
				case m.good >= 0 && !stopped:
					t.Fatalf("in pieces of %d: nothing was stopped", size)
				case m.good >= 0 && (passed < m.good || complete(m.text[m.good:passed])):
					t.Fatalf("in pieces of %d: stopped at %d, want %d", size, passed, m.good)
				}
				if size == len(m.text) && m.good >= 0 && passed != m.good {
					t.Fatalf("in one piece: stopped at %d, want %d", passed, m.good)
				}
			}
		})
	}
}

// complete reports whether more has passed of a bad line than a beginning.
func complete(line string) bool { return strings.Contains(line, "\n") }

func TestALineHasAnEnd(t *testing.T) {
	var s scanner
	piece := []byte(strings.Repeat("a", 1<<12))
	for sent := 0; s.next(piece) == len(piece); sent += len(piece) {
		if sent > longestLine {
			t.Fatal("it goes on for ever")
		}
	}
}

func TestNothingIsAllocatedForARequestInOnePiece(t *testing.T) {
	request := []byte("GET /api/orders?x=1 HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 0\r\nTransfer-Encodinx: a\r\nCookie: " + strings.Repeat("a", 300) + crlf + crlf)
	var s scanner
	if n := testing.AllocsPerRun(100, func() { s.next(request) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkScan(b *testing.B) {
	request := []byte("GET /api/orders?x=1 HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\nAccept-Language: en\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nCookie: " + strings.Repeat("a", 300) + crlf + crlf)
	var s scanner
	b.SetBytes(int64(len(request)))
	for b.Loop() {
		s.next(request)
	}
}
