package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// alwaysSaying is an upstream that says the same bytes to every request, and hangs up.
func alwaysSaying(t *testing.T, answer string) []Route {
	t.Helper()
	return []Route{{Path: "/", Access: Public, Upstream: accepting(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(c, answer)
		}
	})}}
}

// TestAnAnswerThatCannotBeReadIsNotPassedOn has upstreams that break the rules of RFC 9112.
func TestAnAnswerThatCannotBeReadIsNotPassedOn(t *testing.T) {
	const ok = "Connection: close\r\nContent-Length: 2\r\n\r\nok"
	for _, row := range []struct {
		name, answer string
		want         int // 0: the connection ends before the answer does
	}{
		{"NUL in a value", "HTTP/1.1 200 OK\r\nX-A: b\x00c\r\n" + ok, 502},
		{"CR in a value", "HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\n" + ok, 502},
		{"a control character in a value", "HTTP/1.1 200 OK\r\nX-A: b\x01c\r\n" + ok, 502},
		{"a name that is none", "HTTP/1.1 200 OK\r\nX\xc3\xa9: b\r\n" + ok, 502},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", 502},
		{"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", 502},
		{"an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 502},
		{"a status of two digits", "HTTP/1.1 20 OK\r\n" + ok, 502},
		{"a status below all", "HTTP/1.1 099 OK\r\n" + ok, 502},
		{"no status", "HTTP/1.1 OK\r\n" + ok, 502},
		{"another protocol", "220 smtp.example.com\r\n\r\n", 502},
		{"a header without end", "HTTP/1.1 200 OK\r\nX-A: b\r\n", 502},
		{"a header beyond all bounds", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("b", headerBytes) + "\r\n" + ok, 502},
		{"a body that ends too early", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 0},
		{"a chunk without length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n0\r\n\r\n", 0},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", 0},
		{"a length beside chunks, which win", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200},
		{"a status of nobody's", "HTTP/1.1 599 Odd\r\n" + ok, 599},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := open(t, alwaysSaying(t, row.answer))
			for _, s := range f.bothSides(t) {
				for _, method := range []string{"GET", "POST"} { // which do not go out by the same way
					status, body, err := s.tryTo(t, method)
					switch {
					case row.want == 0:
						if err == nil {
							t.Errorf("%s, %s: the client takes %q for whole", s.name, method, body)
						}
					case err != nil || status != row.want || status < 500 && body != "ok":
						t.Errorf("%s, %s: %d %q, %v", s.name, method, status, body, err)
					}
				}
			}
		})
	}
}

// tryTo is fetch for an answer that may not come whole.
func (s side) tryTo(t *testing.T, method string) (status int, body string, err error) {
	t.Helper()
	res, err := s.do(s.request(t, method, "/x", nil))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if code := res.Header.Get("Cloakroom-Error"); code != "" {
		mustFail(t, reply{res}, UpstreamUnreachable)
	}
	return res.StatusCode, string(read), err
}

// TestWhatAnUpstreamSaysIsInNoLog has some that say a token where the protocol wants a word:
// answers of which the gateway has lost the thread look like that.
func TestWhatAnUpstreamSaysIsInNoLog(t *testing.T) {
	for _, answer := range []string{
		"secret\r\n\r\n", "HTTP/1.1 secret\r\n\r\n", "HTTP/secret 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nsecret\r\n\r\n", "HTTP/1.1 200 OK\r\n secret\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\nsecret token: c\r\n\r\n", "HTTP/1.1 200 OK\r\nA: secret\x00\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: secret\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: secret\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nXsecret",
	} {
		f := open(t, alwaysSaying(t, answer))
		for _, method := range []string{"GET", "POST"} {
			_, _, _ = f.bothSides(t)[0].tryTo(t, method) // any outcome will do
		}
		if log := f.log.String(); strings.Contains(log, "secret") || !strings.Contains(log, `"msg":"request"`) {
			t.Errorf("%q: %s", answer, log)
		}
	}
}

// TestNobodyGetsTheAnswerToAnother has an upstream that says two answers to one request.
func TestNobodyGetsTheAnswerToAnother(t *testing.T) {
	f := open(t, []Route{{Path: "/", Access: Public, Upstream: accepting(t, func(c net.Conn, r *bufio.Reader) {
		for {
			asked, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			one := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
			_, _ = io.WriteString(c, one+asked.URL.Path+one+"/?")
		}
	})}})
	for range 50 {
		for _, path := range []string{"/a", "/b"} {
			if res := f.get(t, path); res.StatusCode == 200 {
				if got := text(t, res); got != path {
					t.Fatalf("%s got the answer %q", path, got)
				}
			}
		}
	}
}

// TestWhatIsNotIdempotentGoesOutOnce has an upstream that dies over every request but the
// first of a connection. A POST may have been done by then.
func TestWhatIsNotIdempotentGoesOutOnce(t *testing.T) {
	var posts atomic.Int32
	f := open(t, []Route{{Path: "/", Access: Public, Upstream: accepting(t, func(c net.Conn, r *bufio.Reader) {
		for first := true; ; first = false {
			asked, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, asked.Body)
			if asked.Method == "POST" {
				posts.Add(1)
			}
			if !first {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})}})
	for i, body := range []string{"Content-Length: 0\r\n\r\n", "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"} {
		// This one opens the connection.
		if res := f.raw(t, "POST /x HTTP/1.1\r\nHost: "+publicHost+"\r\n"+body); text(t, res) != "ok" {
			t.Fatal(res.Status)
		}
		before := posts.Load()
		res := f.raw(t, "POST /x HTTP/1.1\r\nHost: "+publicHost+"\r\n"+body)
		if posts.Load() != before+1 {
			t.Errorf("body %d: the POST went out %d times", i, posts.Load()-before)
		}
		mustFail(t, res, UpstreamUnreachable)
	}
}

// TestAConnectionWithABrokenBodyIsNotUsedAgain sends a chunk that is none, and then a good
// request: the upstream must not take that for the rest of the first.
func TestAConnectionWithABrokenBodyIsNotUsedAgain(t *testing.T) {
	up := api(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	f := open(t, public(up))
	post := func(path string) reply { return f.send(t, "POST", path, "Content-Length: 0") }
	post("/warm")
	warm := up.last(t).RemoteAddr
	mustFail(t, f.raw(t, "POST /broken HTTP/1.1\r\nHost: "+publicHost+"\r\nTransfer-Encoding: chunked\r\n\r\n2;\n\nxx\r\n0\r\n\r\n"), BadRequest)
	if res := post("/next"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	if r := up.last(t); r.RequestURI != "/next" || r.RemoteAddr == warm {
		t.Errorf("%s came by %s, and the broken one by %s", r.RequestURI, r.RemoteAddr, warm)
	}
}

// TestAnAnswerWithATokenIsNobodyElses looks at what caches are told (RFC 9111 §3.5), also by
// addresses that look like a picture's.
func TestAnAnswerWithATokenIsNobodyElses(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		for _, v := range r.URL.Query()["say"] {
			w.Header().Add("Cache-Control", v)
		}
		if r.URL.Query().Has("same") {
			w.WriteHeader(http.StatusNotModified)
		}
	})
	f := open(t, everyAccess(up))
	_, ticket := f.signIn(t, time.Hour)
	for _, row := range []struct {
		path string
		want []string
	}{
		{"/req/x", []string{"private"}},
		{"/opt/x", []string{"private"}},
		{"/none/x", []string{"private"}},
		{"/req/me.css", []string{"private"}},
		{"/req/me;.js", []string{"private"}},
		{"/req/me%3f.css", []string{"private"}},
		{"/req/x?say=max-age=5", []string{"max-age=5"}},
		{"/req/x?say=public&say=max-age=5", []string{"public", "max-age=5"}},
		{"/req/x?say=no-store", []string{"no-store"}},
		{"/req/x?same", nil},
		{"/pub/x", nil},
		{"/pub/x?say=public", []string{"public"}},
	} {
		res := f.get(t, row.path, fromPage, "Cookie: "+f.cookie(ticket))
		if got := res.Header["Cache-Control"]; res.StatusCode >= 400 || !slices.Equal(got, row.want) {
			t.Errorf("%s: %s, Cache-Control %q, want %q", row.path, res.Status, got, row.want)
		}
	}
	if res := f.get(t, "/opt/x", fromPage); res.Header["Cache-Control"] != nil {
		t.Errorf("without a session: %q", res.Header["Cache-Control"])
	}
	mustFail(t, f.get(t, "/req/me%2f.css", fromPage, "Cookie: "+f.cookie(ticket)), BadRequest)
}

// TestAnAnswerHasTheTypeThatItsUpstreamSays guesses none.
func TestAnAnswerHasTheTypeThatItsUpstreamSays(t *testing.T) {
	for said, want := range map[string][]string{"": nil, "Content-Type: text/plain\r\n": {"text/plain"}, "Content-Type:\r\n": {""}} {
		f := open(t, alwaysSaying(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+said+"Content-Length: 14\r\n\r\n<!doctype html"))
		for _, s := range f.bothSides(t) {
			if res, body := s.fetch(t, s.request(t, "GET", "/x", nil)); !slices.Equal(res.Header["Content-Type"], want) || body != "<!doctype html" {
				t.Errorf("%s, %q: %q", s.name, said, res.Header["Content-Type"])
			}
		}
	}
}

// TestEveryEndpointForbidsToKeepItsAnswer asks each with every method, signed in and not.
func TestEveryEndpointForbidsToKeepItsAnswer(t *testing.T) {
	f := open(t, nil)
	for path := range f.own {
		if strings.HasPrefix(path, "/cloakroom.") {
			continue // the same file for everybody
		}
		path = strings.Replace(path, "{id}", "1", 1)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
			for _, lines := range []string{typed, fromPage, "Accept: */*"} {
				_, ticket := f.signIn(t, time.Hour)
				for _, cookie := range []string{"X-None: 1", "Cookie: " + f.cookie(ticket)} {
					if path == "/events" && method == "GET" && cookie != "X-None: 1" {
						continue // an answer without end; it has a test of its own
					}
					res := f.send(t, method, "/bff"+path, lines, cookie, "Content-Length: 0")
					media := res.Header.Get("Content-Type")
					if res.Header.Get("Cache-Control") != "no-store" || strings.HasPrefix(media, "text/") && !strings.HasSuffix(media, "; charset=utf-8") || res.Header["Server"] != nil {
						t.Errorf("%s %s: %s %v", method, path, res.Status, res.Header)
					}
				}
			}
		}
	}
}
