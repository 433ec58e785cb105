package app

import (
	"slices"
	"strings"
)

// rawRow is what a client sends and what becomes of it.
type rawRow struct {
	name    string
	send    string
	answers string // statuses, in their order
	seen    string // what the upstream read: method, target and body of each request
}

// asked is a request with this target, and more header lines.
func asked(target string, lines ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: app.example.com\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
}

// posted is a request with these header lines and this body.
func posted(body string, lines ...string) string {
	return "POST /open/a HTTP/1.1\r\nHost: app.example.com\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// smuggled is what a body would be if the gateway read a shorter one.
const smuggled = "GET /api/smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n"

func rawRows() []rawRow {
	return slices.Concat(lineRows(), targetRows(), hostRows(), fieldRows(), lengthRows(), codingRows(), chunkRows(), sequenceRows())
}

// lineRows are request lines.
func lineRows() []rawRow {
	const header = "\r\nHost: app.example.com\r\n\r\n"
	return []rawRow{
		{"HTTP/0.9", "GET /open/a\r\n\r\n", "400", ""},
		{"HTTP/0.9, with its version", "GET /open/a HTTP/0.9" + header, "505", ""},
		{"HTTP/1.0", "GET /open/a HTTP/1.0" + header, "200", "GET /open/a"},
		{"HTTP/1.2 is read as 1.1", "GET /open/a HTTP/1.2" + header, "200", "GET /open/a"},
		{"HTTP/2.0", "GET /open/a HTTP/2.0" + header, "505", ""},
		{"HTTP/3.0", "GET /open/a HTTP/3.0" + header, "505", ""},
		{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", ""},
		{"HTTP/2's preface with a header", "PRI * HTTP/2.0" + header + "GET /open/a HTTP/1.1\nHost: app.example.com\n\n", "400", ""},
		{"a version in lower case", "GET /open/a http/1.1" + header, "400", ""},
		{"a version with a zero", "GET /open/a HTTP/1.01" + header, "400", ""},
		{"a version with a sign", "GET /open/a HTTP/+1.1" + header, "400", ""},
		{"a space behind the version", "GET /open/a HTTP/1.1 " + header, "400", ""},
		{"two spaces", "GET  /open/a HTTP/1.1" + header, "400", ""},
		{"two spaces behind the target", "GET /open/a  HTTP/1.1" + header, "400", ""},
		{"a tab", "GET\t/open/a\tHTTP/1.1" + header, "400", ""},
		{"a space in front", " GET /open/a HTTP/1.1" + header, "400", ""},
		{"a space in the target", "GET /open/a b HTTP/1.1" + header, "400", ""},
		{"no method", "/open/a HTTP/1.1" + header, "400", ""},
		{"a method with a bracket", "GE(T /open/a HTTP/1.1" + header, "400", ""},
		{"a method with a NUL", "GE\x00T /open/a HTTP/1.1" + header, "400", ""},
		{"a method in lower case", "get /open/a HTTP/1.1" + header, "200", "get /open/a"},
		{"a method of its own", "M-SEARCH /open/a HTTP/1.1" + header, "200", "M-SEARCH /open/a"},
		{"TRACE", "TRACE /open/a HTTP/1.1" + header, "405", ""},
		{"TRACE in lower case", "trace /open/a HTTP/1.1" + header, "405", ""},
		{"TRACK", "TRACK /open/a HTTP/1.1" + header, "405", ""},
		{"CONNECT", "CONNECT app.example.com:443 HTTP/1.1" + header, "405", ""},
		{"CONNECT to another", "CONNECT 127.0.0.1:22 HTTP/1.1" + header, "405", ""},
		{"CONNECT with a path", "CONNECT /open/a HTTP/1.1" + header, "405", ""},
		{"a bare line feed behind the request line", "GET /open/a HTTP/1.1\nHost: app.example.com\r\n\r\n", "400", ""},
		{"a bare carriage return in the request line", "GET /open/a\rHTTP/1.1" + header, "400", ""},
		{"a blank line in front", "\r\n" + asked("/open/a"), "400", ""},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400", ""},
		{"a request line beyond measure", asked("/open/" + strings.Repeat("a", 80<<10)), "431", ""},
	}
}

// targetRows are targets. What is forwarded is forwarded byte for byte.
func targetRows() []rawRow {
	rows := []rawRow{
		{"the absolute form with our host", asked("http://app.example.com/open/a"), "200", "GET /open/a"},
		{"the absolute form counts, not Host", "GET http://app.example.com/open/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", "200", "GET /open/a"},
		{"the absolute form with another host", asked("http://evil.example/open/a"), "404", ""},
		{"the absolute form with a user", asked("http://evil.example@app.example.com/open/a"), "400", ""},
		{"the absolute form of another scheme", asked("gopher://app.example.com/open/a"), "400", ""},
		{"an authority", asked("app.example.com:443"), "400", ""},
		{"an asterisk", asked("*"), "400", ""},
		{"an asterisk for OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: app.example.com\r\n\r\n", "400", ""},
		{"a host in the place of a path", asked("//evil.example/open/a"), "404", ""},
		{"three slashes", asked("///open/a"), "400", ""},
		{"no slash in front", asked("open/a"), "400", ""},
		{"a query of any kind", asked("/open/a?x=%zz&y=../..;z=//é"), "200", "GET /open/a?x=%zz&y=../..;z=//é"},
		{"a fragment in the query", asked("/open/a?b#c"), "400", ""},
		{"another case leads to no other route", asked("/open/A"), "200", "GET /open/A"},
		{"another case of another route", asked("/OPEN/a"), "400", ""},
		{"parameters", asked("/open/a;b=c"), "200", "GET /open/a;b=c"},
		{"an encoded letter", asked("/open/%61"), "200", "GET /open/%61"},
		{"an encoded slash where it may stand", asked("/kept/a%2Fb"), "200", "GET /kept/a%2Fb"},
	}
	for _, path := range []string{
		"/open/../api/a", "/open/./a", "/open/..", "/open/a/..", "/open/%2e%2e/api/a", "/open/.%2E/api/a", "/open/%252e%252e/api/a",
		"/open/..%2fapi/a", "/open/%2fapi", "/open/a%2Fb", "/kept/..%2fapi/a", "/open/..;/api/a", "/open/..;x=y/api/a", "/open/a;/../b",
		"/open/..\\api\\a", "/open\\a", "/open/a%5cb", "/open/a%00b", "/open/a%zz", "/open/a%", "/open/a%4", "/open/..%00/api/a",
		"/open/%c0%ae%c0%ae/api/a", "/open/%c0%afapi", "/open/a%23/../b", "/open/a#b", "/open/a\x00b", "/open/a\x01b", "/open/a\x7fb",
		"//open/a", "/open%2fa", "/%6fpen/a", "/open//../api/a", "/open/a%0d%0aX-Secret:%20b/../c", "/open/%u002e%u002e/api",
	} {
		rows = append(rows, rawRow{path, asked(path), "400", ""})
	}
	return append(rows, rawRow{"an encoded line break is data", asked("/open/a%0d%0aX-Secret:%20b"), "200", "GET /open/a%0d%0aX-Secret:%20b"})
}

// hostRows are hosts.
func hostRows() []rawRow {
	return []rawRow{
		{"no host", "GET /open/a HTTP/1.1\r\n\r\n", "400", ""},
		{"no host in HTTP/1.0", "GET /open/a HTTP/1.0\r\n\r\n", "404", ""},
		{"an empty host", "GET /open/a HTTP/1.1\r\nHost:\r\n\r\n", "404", ""},
		{"two hosts", asked("/open/a", "Host: evil.example"), "400", ""},
		{"the same host twice", asked("/open/a", "Host: app.example.com"), "400", ""},
		{"two hosts, another spelling", asked("/open/a", "hOST: evil.example"), "400", ""},
		{"another host", "GET /open/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", "404", ""},
		{"a host with a user", "GET /open/a HTTP/1.1\r\nHost: app.example.com@evil.example\r\n\r\n", "400", ""},
		{"a host with a path", "GET /open/a HTTP/1.1\r\nHost: app.example.com/evil\r\n\r\n", "400", ""},
		{"a host with a space", "GET /open/a HTTP/1.1\r\nHost: app.example.com evil.example\r\n\r\n", "400", ""},
		{"a list of hosts", "GET /open/a HTTP/1.1\r\nHost: app.example.com,evil.example\r\n\r\n", "404", ""},
		{"a host with a dot behind", "GET /open/a HTTP/1.1\r\nHost: app.example.com.\r\n\r\n", "404", ""},
		{"a host with another port", "GET /open/a HTTP/1.1\r\nHost: app.example.com:22\r\n\r\n", "404", ""},
		{"a host with a line feed", "GET /open/a HTTP/1.1\r\nHost: app.example.com\nX-Secret: b\r\n\r\n", "400", ""},
		{"a folded host", "GET /open/a HTTP/1.1\r\nHost:\r\n app.example.com\r\n\r\n", "400", ""},
		{"hosts that front proxies write", asked("/open/a", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Original-URL: /api/a", "X-Forwarded-Proto: http", "X-Forwarded-For: 10.0.0.1"), "200", "GET /open/a"},
	}
}

// fieldRows are other header lines.
func fieldRows() []rawRow {
	rows := []rawRow{
		{"hop-by-hop names of ours", asked("/open/a", "Connection: X-Mark, Authorization, Cookie, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Host", "Cookie: a=b"), "200", "GET /open/a"},
		{"hop-by-hop names of the client's", asked("/open/a", "Connection: keep-alive, X-Secret, Keep-Alive", "X-Secret: b", "Keep-Alive: timeout=5"), "200", "GET /open/a"},
		{"names of ours with underscores", asked("/open/a", "X_Mark: evil", "x_forwarded_for: 10.0.0.1", "X_Forwarded_Host: evil.example", "X.Mark: evil"), "200", "GET /open/a"},
		{"framing with underscores", asked("/open/a", "Content_Length: 5", "Transfer_Encoding: chunked"), "200", "GET /open/a"},
		{"a name of ours", asked("/open/a", "X-Mark: evil", "x-mark: worse"), "200", "GET /open/a"},
		{"Authorization", asked("/open/a", "Authorization: Bearer x", "Proxy-Authorization: Basic eA==", "Proxy: http://evil.example"), "200", "GET /open/a"},
		{"Upgrade: h2c", asked("/open/a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), "200", "GET /open/a"},
		{"Upgrade: h2c, without Connection", asked("/open/a", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), "200", "GET /open/a"},
		{"TE", asked("/open/a", "TE: gzip, chunked", "Connection: TE"), "200", "GET /open/a"},
		{"an expectation that nobody knows", posted("", "Content-Length: 0", "Expect: 200-ok"), "417", ""},
		{"an expectation, and one that nobody knows", posted("", "Content-Length: 0", "Expect: 100-continue, 200-ok"), "417", ""},
		{"an expectation in another case", posted("ab", "Content-Length: 2", "Expect: 100-Continue"), "100 200", `POST /open/a "ab"`},
		{"an expectation without a body", asked("/open/a", "Expect: 100-continue"), "200", "GET /open/a"},
		{"a coded tab in a value", asked("/open/a", "X-A: a\tb"), "200", "GET /open/a"},
		{"200 header lines and more", asked("/open/a", slices.Repeat([]string{"X-A: b"}, 200)...), "431", ""},
		{"a header beyond measure", asked("/open/a", "X-A: "+strings.Repeat("b", 80<<10)), "431", ""},
	}
	for _, line := range []string{
		"X-A : b", "X-A\t: b", " X-A: b", "X-A: b\r\n X-Secret: c", "X-A: b\r\n\tc", "X-A: b\r\n ", ": b", "X-A", "X A: b", "X-A\x00: b", "X-A: b\x00c",
		"X-A: b\x01c", "X-A: b\x7fc", "X-A: b\x0bc", "X-A: b\nX-Secret: c", "X-A: b\rX-Secret: c", "X-A: b\r\r", "X-\xc3\xa4: b", "X-A(: b", "X-A\r: b", "X-A\n: b",
		"X-A: b\n\nGET /api/a HTTP/1.1", "X-A: b\n",
	} {
		rows = append(rows, rawRow{"the line " + strings.NewReplacer("\r", `\r`, "\n", `\n`, "\x00", `\0`).Replace(line), asked("/open/a", line), "400", ""})
	}
	return rows
}
