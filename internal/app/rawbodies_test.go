package app

import (
	"fmt"
	"strings"
)

// whole says how long smuggled is.
var whole = fmt.Sprint("Content-Length: ", len(smuggled))

// lengthRows are bodies of a length that is said.
func lengthRows() []rawRow {
	rows := []rawRow{
		{"a length", posted("abcde", "Content-Length: 5"), "200", `POST /open/a "abcde"`},
		{"the same length twice", posted("abcde", "Content-Length: 5", "Content-Length: 5"), "200", `POST /open/a "abcde"`},
		{"a length with zeros in front", posted("abcde", "Content-Length: 005"), "200", `POST /open/a "abcde"`},
		{"a length of a GET", asked("/open/a", "Content-Length: 5") + "abcde", "200", `GET /open/a "abcde"`},
		{"a body that looks like a request", posted(smuggled, whole), "200", "POST /open/a \"GET /api/smuggled HTTP/1.1\\r\\nHost: app.example.com\\r\\n\\r\\n\""},
		{"a request behind a body of no length", posted(smuggled, "Content-Length: 0"), "200 401", "POST /open/a"},
		{"a request where nobody spoke of a body", posted(smuggled, "X-A: b"), "200 401", "POST /open/a"},
		{"a length beyond the route's", posted("abcde", "Content-Length: 1025"), "413", ""},
		{"two lengths, the shorter first", posted(smuggled, "Content-Length: 0", whole), "400", ""},
		{"two lengths, the longer first", posted(smuggled, whole, "content-length: 0"), "400", ""},
		{"the same length, written differently", posted("abcde", "Content-Length: 5", "Content-Length: 05"), "400", ""},
	}
	for _, value := range []string{
		"+5", "-5", "5,5", "5, 5", "5 5", "5;", "5.0", "5e0", "0x5", "0b1", "5_0", "5\x0b", "5\x00", "five", "", "\"5\"", "'5'", "٥",
		"99999999999999999999", "9223372036854775808", "18446744073709551621", "000000000000000005",
	} {
		rows = append(rows, rawRow{"the length " + value, posted("abcde", "Content-Length: "+value), "400", ""})
	}
	return rows
}

// codingRows are transfer codings.
func codingRows() []rawRow {
	const chunks = "5\r\nabcde\r\n0\r\n\r\n"
	const read = `POST /open/a "abcde"`
	rows := []rawRow{
		{"chunks", posted(chunks, "Transfer-Encoding: chunked"), "200", read},
		{"chunks in capitals", posted(chunks, "TRANSFER-ENCODING:\tCHUNKED\t"), "200", read},
		{"chunks of a GET", asked("/open/a", "Transfer-Encoding: chunked") + chunks, "200", `GET /open/a "abcde"`},
		{"chunks and a length", posted(chunks, "Transfer-Encoding: chunked", "Content-Length: 5"), "400", ""},
		{"a length and chunks", posted(chunks, "Content-Length: 5", "Transfer-Encoding: chunked"), "400", ""},
		{"no length and chunks", posted(chunks, "Content-Length: 0", "Transfer-Encoding: chunked"), "400", ""},
		{"chunks twice", posted(chunks, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "400", ""},
		{"chunks and identity", posted(chunks, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"), "400", ""},
		{"identity and chunks", posted(chunks, "Transfer-Encoding: identity", "Transfer-Encoding: chunked"), "400", ""},
		{"an unknown coding and a length", posted("abcde", "Transfer-Encoding: xchunked", "Content-Length: 5"), "400", ""},
		{"a folded coding", posted(chunks, "Transfer-Encoding:\r\n chunked"), "400", ""},
		{"a coding with a space before the colon", posted(chunks, "Transfer-Encoding : chunked"), "400", ""},
		{"a coding behind a bare line feed", posted(chunks, "X-A: b\nTransfer-Encoding: chunked"), "400", ""},
		{"a coding behind a bare carriage return", posted(chunks, "X-A: b\rTransfer-Encoding: chunked"), "400", ""},
		{"chunks from HTTP/1.0", "POST /open/a HTTP/1.0\r\nHost: app.example.com\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, "400", ""},
		{"a coding named hop by hop", posted(chunks, "Connection: Transfer-Encoding", "Transfer-Encoding: chunked"), "200", read},
		{"a length named hop by hop", posted("abcde", "Connection: Content-Length", "Content-Length: 5"), "200", read},
	}
	for _, value := range []string{
		"xchunked", "identity", "gzip", "gzip, chunked", "chunked, identity", "chunked, chunked", ", chunked", "chunked,", "chunked;q=1", "\"chunked\"",
		"cow", "", "c hunked", "\xa0chunked", "chun\u212aed",
	} {
		rows = append(rows, rawRow{"the coding " + value, posted(chunks, "Transfer-Encoding: "+value), "501", ""})
	}
	for _, value := range []string{"\x0bchunked", "chunked\x0b", "chunk\x00ed", "chunked\x00", "chunked\x7f"} {
		rows = append(rows, rawRow{fmt.Sprintf("the coding %q", value), posted(chunks, "Transfer-Encoding: "+value), "400", ""})
	}
	return rows
}

// chunkRows are bodies in chunks.
func chunkRows() []rawRow {
	chunked := func(body string) string { return posted(body, "Transfer-Encoding: chunked") }
	rows := []rawRow{
		{"chunks' sizes in every case", chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "200", `POST /open/a "01234567890123456789"`},
		{"a chunk's size with zeros in front", chunked("0005\r\nabcde\r\n0000\r\n\r\n"), "200", `POST /open/a "abcde"`},
		{"extensions go no further", chunked("5;a=b;c=\"d\"\r\nabcde\r\n0;e\r\n\r\n"), "200", `POST /open/a "abcde"`},
		{"a space behind a chunk's size", chunked("5 \r\nabcde\r\n0\r\n\r\n"), "200", `POST /open/a "abcde"`},
		{"trailers that nobody announced", chunked("5\r\nabcde\r\n0\r\nX-Mark: evil\r\nX-T: 1\r\n\r\n"), "200", `POST /open/a "abcde"`},
		{"trailers that were announced", posted("5\r\nabcde\r\n0\r\nX-T: 1\r\nX-Mark: evil\r\n\r\n", "Trailer: X-T, X-Mark", "Transfer-Encoding: chunked"), "200", `POST /open/a "abcde|X-T: 1"`},
		{"trailers that frame", posted("5\r\nabcde\r\n0\r\nContent-Length: 9\r\n\r\n", "Trailer: Content-Length", "Transfer-Encoding: chunked"), "400", ""},
		{"a body that looks like chunks", posted("0\r\n\r\n"+smuggled, fmt.Sprint("Content-Length: ", len(smuggled)+5)), "200", "POST /open/a \"0\\r\\n\\r\\nGET /api/smuggled HTTP/1.1\\r\\nHost: app.example.com\\r\\n\\r\\n\""},
		{"a request behind the last chunk", chunked("0\r\n\r\n" + smuggled), "200 401", "POST /open/a"},
		{"chunks beyond the route's measure", chunked("401\r\n" + strings.Repeat("a", 0x401) + "\r\n0\r\n\r\n"), "413", ""},
		{"extensions beyond measure", chunked("1;" + strings.Repeat("a", 8<<10) + "\r\na\r\n0\r\n\r\n"), "400", ""},
		{"trailers beyond measure", chunked("1\r\na\r\n0\r\nX-T: " + strings.Repeat("a", 80<<10) + "\r\n\r\n"), "400", ""},
	}
	for _, body := range []string{
		"+5\r\nabcde", "-5\r\nabcde", "0x5\r\nabcde", " 5\r\nabcde", "5\nabcde", "5\rabcde", "5;\nabcde", "5;a\rb\r\nabcde", "\r\nabcde", ";a\r\nabcde", "5,\r\nabcde",
		"5.0\r\nabcde", "g\r\nabcde", "00000000000000005\r\nabcde", "10000000000000005\r\nabcde", "ffffffffffffffff\r\nabcde", "5\r\nabcdef", "5\r\nabcd", "5\r\nabcde\n0\r\n",
		"5\r\nabcde0\r\n", "5\r\nabcde\r\r\n0\r\n", "5\x00\r\nabcde", "5\t;\x00\r\nabcde", "5\r\nabcde\r\n0\r\n X: y", "5\r\nabcde\r\n0\r\nX: y\n", "5\r\nabcde\r\n0\r\nX: y\r\n z",
		"5\r\nabcde\r\n0\n\r\n", "5\r\nabcde\r\n-0\r\n", "5\r\nabcde\r\n0\r\n\n",
	} {
		name := strings.NewReplacer("\r", `\r`, "\n", `\n`, "\x00", `\0`).Replace(body)
		rows = append(rows, rawRow{"the chunk " + name, chunked(body + "\r\n0\r\n\r\n"), "400", ""})
	}
	return rows
}

// sequenceRows are several requests in a row.
func sequenceRows() []rawRow {
	const bad = "POST /open/a HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	return []rawRow{
		{"three in a row", asked("/open/a") + asked("/api/a") + asked("/open/b"), "200 401 200", "GET /open/a, GET /open/b"},
		{"a bad one behind a good one", asked("/open/a") + bad, "200 400", "GET /open/a"},
		{"a good one behind a bad one", bad + asked("/open/a"), "400", ""},
		{"a bare line feed in the second", asked("/open/a") + "GET /open/b HTTP/1.1\nHost: app.example.com\n\n", "200 400", "GET /open/a"},
		{"another host in the second", asked("/open/a") + "GET /open/b HTTP/1.1\r\nHost: evil.example\r\n\r\n", "200 404", "GET /open/a"},
		{"a request behind a close", asked("/open/a", "Connection: close") + smuggled, "200", "GET /open/a"},
		{"a blank line behind a POST", posted("abcde", "Content-Length: 5") + "\r\n" + asked("/open/b"), "200 200", `POST /open/a "abcde", GET /open/b`},
		{"chunks from HTTP/1.0 behind a POST and a blank line", posted("abcde", "Content-Length: 5") + "\r\nPOST /open/b HTTP/1.0\r\nHost: app.example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200 400", `POST /open/a "abcde"`},
		{"a body behind an expectation that was not met", posted("", whole, "Expect: 200-ok") + smuggled, "417", ""},
		{"a body of a request that was refused", "POST /api/a HTTP/1.1\r\nHost: app.example.com\r\n" + whole + "\r\n\r\n" + smuggled + asked("/open/b"), "401 200", "GET /open/b"},
		{"HEAD with a body", "HEAD /open/a HTTP/1.1\r\nHost: app.example.com\r\n" + whole + "\r\n\r\n" + smuggled, "200", "HEAD /open/a \"GET /api/smuggled HTTP/1.1\\r\\nHost: app.example.com\\r\\n\\r\\n\""},
		{"OPTIONS with a body", "OPTIONS /open/a HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 5\r\n\r\nabcde", "200", `OPTIONS /open/a "abcde"`},
	}
}
