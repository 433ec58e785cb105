package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func public(up *upstream) []Route {
	return []Route{{Path: "/", Upstream: up.url, Access: Public}}
}

func TestThePathThatIsAuthorisedIsThePathThatIsForwarded(t *testing.T) {
	up := api(t, nil)
	f := open(t, public(up))
	for _, path := range []string{
		"/", "/a/b", "/a%20b", "/a%2eb", "/%61", "/a|b", `/a"b`, "/a[1]", "/{x}", "/a//b", "/a;v=1/b", "/a%3Fb", "/ü", "/a%c3%bc",
		"/a:b@c", "/a%25b", "/!$&'()*+,=", "/a?x=%zz;y&&", "/a?", "//evil.example/x", "/~a_b-c.d",
	} {
		res := f.get(t, path)
		if res.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, res.StatusCode, text(t, res))
			continue
		}
		if got := up.last(t).RequestURI; got != path {
			t.Errorf("%s reached the upstream as %s", path, got)
		}
	}
}

func TestTheUpstreamsOwnPathAndStripPrefix(t *testing.T) {
	up := api(t, nil)
	at := func(path string) *url.URL { u := *up.url; u.Path = path; return &u }
	f := open(t, []Route{
		{Path: "/a/", Upstream: at("/v1/"), Access: Public, StripPrefix: "/a"},
		{Path: "/b/c/", Upstream: at(""), Access: Public, StripPrefix: "/b/"},
		{Path: "/d", Upstream: at("/only"), Access: Public, StripPrefix: "/d"},
		{Path: "/e/", Upstream: at("/v2"), Access: Public},
	})
	for path, want := range map[string]string{
		"/a/x%20y?q": "/v1/x%20y?q", "/a/": "/v1/", "/a//x": "/v1//x", "/b/c/x|y": "/c/x|y", "/d": "/only/", "/e/x": "/v2/e/x",
	} {
		f.get(t, path)
		if got := up.last(t).RequestURI; got != want {
			t.Errorf("%s reached the upstream as %s, not %s", path, got, want)
		}
	}
}

func TestASignedInCallHasItsTokenAndNothingOfOurs(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{{
		Path: "/api/", Upstream: up.url,
		SetHeaders: map[string]string{"X-User": "{claims.sub}", "X-Roles": "{claims.roles}", "X-Gone": "{claims.gone}"},
	}})
	_, ticket := f.signIn(t, time.Hour)
	res := f.get(t, "/api/x", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty",
		"Cookie: a=1; "+f.cookie(ticket)+";  b=\"2; 3\"", "Cookie: "+f.cookie("x"), "Cookie: c=4",
		"Authorization: Bearer mine", "X-User: root", "x_user: root", "X.USER: root", "X-Gone: root", "X-Forwarded-For: 6.6.6.6",
		"X_Forwarded_For: 6.6.6.6", "X-Forwarded-Email: root", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "Client-Cert: x",
		"Proxy-Authorization: Basic x", "Proxy_Authorization: x", "Proxy: http://evil.example", "HTTP2-Settings: x", "DPoP: x", "X-Auth-Request-User: root",
		"Via: 1.1 before", "Connection: keep-alive, Authorization, X-User, X-Forwarded-For, Via")
	if res.StatusCode != 200 {
		t.Fatal(res.StatusCode, text(t, res))
	}
	h := up.last(t).Header
	want := http.Header{
		"Authorization": {"Bearer " + accessToken}, "X-User": {"alice"}, "X-Roles": {"a%2Cb,ops"},
		"Cookie": {"a=1;  b=\"2; 3\"", "c=4"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {publicHost},
		"X-Forwarded-Proto": {"https"}, "Via": {"1.1 cloakroom"},
		"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"},
	}
	for name, v := range h {
		if !slices.Equal(v, want[name]) {
			t.Errorf("the upstream has %s: %q, not %q", name, v, want[name])
		}
	}
	for name := range want {
		if _, ok := h[name]; !ok {
			t.Errorf("the upstream has no %s", name)
		}
	}
	if got := up.last(t).Host; got != up.url.Host {
		t.Errorf("the upstream's Host is %s", got)
	}
	if strings.Contains(f.log.String(), accessToken) || strings.Contains(f.log.String(), ticket) {
		t.Error("the log holds a secret")
	}
}

func TestAPublicRouteSendsNeitherTokenNorClaims(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{
		{Path: "/", Upstream: up.url, Access: Public, SetHeaders: map[string]string{"X-User": "{claims.sub}", "X-Env": "prod"}},
		{Path: "/native/", Upstream: up.url, Access: Public, Token: Passthrough},
	})
	_, ticket := f.signIn(t, time.Hour)
	f.get(t, "/x", "Cookie: "+f.cookie(ticket), "Authorization: Bearer  mine", "X-User: root", "X-Env: dev", "Sec-Fetch-Site: same-site")
	h := up.last(t).Header
	if h["Authorization"] != nil || h["X-User"] != nil || h["Cookie"] != nil || h.Get("X-Env") != "prod" {
		t.Errorf("public: %v", h)
	}
	f.get(t, "/native/x", "Cookie: "+f.cookie(ticket), "Authorization: Weird  a=\"b\",c")
	h = up.last(t).Header
	if h.Get("Authorization") != "Weird  a=\"b\",c" || h["Cookie"] != nil {
		t.Errorf("passthrough: %v", h)
	}
}

func TestAnUpstreamCannotSpeakForTheGateway(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Add("Set-Cookie", "__Host-Http-cloakroom=evil; Path=/")
		h.Add("Set-Cookie", "=__Host-Http-cloakroom=evil")
		h.Add("Set-Cookie", "__Secure-cloakroom-attempt-1=evil")
		h.Add("Set-Cookie", "theirs=1; Path=/")
		h.Set("Cloakroom-Error", "no_session")
		h.Set("X-Theirs", "1")
		h.Set("Cache-Control", "max-age=5")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "theirs")
	})
	f := open(t, public(up))
	res := f.raw(t, "GET / HTTP/1.1\r\nHost: "+publicHost+"\r\n\r\n")
	check := func(h http.Header) {
		t.Helper()
		if got := h["Set-Cookie"]; len(got) != 1 || got[0] != "theirs=1; Path=/" {
			t.Errorf("Set-Cookie: %q", got)
		}
		if h.Get("Cloakroom-Error") != "" || h.Get("X-Theirs") != "1" || h.Get("Cache-Control") != "max-age=5" || h.Get("Via") != "" {
			t.Errorf("header: %v", h)
		}
	}
	if res.StatusCode != http.StatusEarlyHints {
		t.Fatal(res.Status)
	}
	check(res.Header)
	client := &http.Client{}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.addr, nil)
	req.Host = publicHost
	final, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer final.Body.Close()
	check(final.Header)
	if final.StatusCode != 401 || text(t, reply{final}) != "theirs" {
		t.Error(final.Status)
	}
}

func TestAFailingUpstreamIsOursToExplain(t *testing.T) {
	listen := func(answer string) *url.URL {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_, _ = http.ReadRequest(bufio.NewReader(c))
					_, _ = io.WriteString(c, answer)
					if answer == "" {
						<-t.Context().Done()
					}
				}()
			}
		}()
		return &url.URL{Scheme: "http", Host: l.Addr().String()}
	}
	gone, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	f := open(t, []Route{
		{Path: "/gone/", Upstream: &url.URL{Scheme: "http", Host: gone.Addr().String()}, Access: Public},
		{Path: "/silent/", Upstream: listen(""), Access: Public, Timeout: 50 * time.Millisecond},
		{Path: "/closes/", Upstream: listen("HTTP/1.1"), Access: Public},
		{Path: "/garbage/", Upstream: listen("220 smtp.example.com\r\n\r\n"), Access: Public},
		{Path: "/header/", Upstream: listen("HTTP/1.1 200 OK\r\nbroken\x00: x\r\n\r\n"), Access: Public},
		{Path: "/zero/", Upstream: listen("HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n"), Access: Public},
		{Path: "/switch/", Upstream: listen("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), Access: Public},
	})
	for path, code := range map[string]Code{
		"/gone/": UpstreamUnreachable, "/silent/": UpstreamTimeout, "/closes/": UpstreamUnreachable,
		"/garbage/": UpstreamUnreachable, "/header/": UpstreamUnreachable, "/switch/": UpstreamUnreachable,
		"/zero/": UpstreamUnreachable,
	} {
		// A GET takes the short way to the upstream, a POST the long one.
		mustFail(t, f.raw(t, "POST "+path+" HTTP/1.1\r\nHost: "+publicHost+"\r\nContent-Length: 2\r\n\r\nhi"), code)
		res := f.get(t, path, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
		mustFail(t, res, code)
		if body := text(t, res); strings.Contains(body, "127.0.0.1") {
			t.Errorf("%s: the answer tells where the upstream is: %s", path, body)
		}
	}
}

func TestOnlyWebSocketsAreUpgraded(t *testing.T) {
	up := api(t, nil)
	f := open(t, public(up))
	f.get(t, "/x", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
	h := up.last(t).Header
	if h["Upgrade"] != nil || h["Connection"] != nil || h["Http2-Settings"] != nil {
		t.Errorf("the upstream was asked to upgrade: %v", h)
	}
}

func TestTooLargeABodyIsRefused(t *testing.T) {
	up := api(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	f := open(t, []Route{{Path: "/", Upstream: up.url, Access: Public, MaxBody: 5}})
	for body, code := range map[string]Code{
		"Content-Length: 6\r\n\r\n123456":                                               BodyTooLarge,
		"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n":                      BodyTooLarge,
		"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456\r\n0\r\n\r\n":           BodyTooLarge,
		"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\nzz\r\n45\r\n0\r\n\r\n":           BadRequest,
		"Content-Length: 5\r\n\r\n12345":                                                "",
		"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n":            "",
		"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n": "continue",
	} {
		res := f.raw(t, "POST / HTTP/1.1\r\nHost: "+publicHost+"\r\n"+body)
		switch {
		case code == "continue":
			if res.StatusCode != 100 {
				t.Errorf("%q: %s", body, res.Status)
			}
		case code != "":
			mustFail(t, res, code)
		case res.StatusCode != 200:
			t.Errorf("%q: %s %s", body, res.Status, text(t, res))
		}
	}
}

func TestBytesStreamBothWays(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(200)
		_ = rc.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintf(w, "<%s>\n", lines.Text())
			_ = rc.Flush()
		}
		w.Header().Set("X-Sum", "42")
	})
	f := open(t, public(up))
	in, out := io.Pipe()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.addr+"/x", in)
	req.Host = publicHost
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer := bufio.NewReader(res.Body)
	for _, line := range []string{"one", "two", "three"} {
		_, _ = io.WriteString(out, line+"\n")
		if got, err := answer.ReadString('\n'); got != "<"+line+">\n" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	_ = out.Close()
	_, _ = io.Copy(io.Discard, answer)
	if res.Trailer.Get("X-Sum") != "42" {
		t.Errorf("trailer: %v", res.Trailer)
	}
}

func TestWhoSendsTooMuchReadsWhy(t *testing.T) {
	f := open(t, []Route{{Path: "/", Upstream: api(t, nil).url, Access: Public, MaxBody: 1 << 10}})
	for i := range 20 {
		var body io.Reader = strings.NewReader(strings.Repeat("x", 32<<20))
		if i%2 == 1 {
			body = io.NopCloser(body) // of a length that nobody says
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.addr+"/x", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.Close = publicHost, true
		res, err := (&http.Client{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		mustFail(t, reply{res}, BodyTooLarge)
		_ = res.Body.Close()
	}
}

func TestTrailersOfTheClientGoOnWithoutForgedNames(t *testing.T) {
	trailer := make(chan http.Header, 1)
	up := api(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		trailer <- r.Trailer
	})
	f := open(t, []Route{{
		Path: "/", Upstream: up.url, Access: Public, RemoveHeaders: []string{"X-Gone"},
		SetHeaders: map[string]string{"X-User": "{claims.sub}"},
	}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.addr+"/x", io.NopCloser(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = publicHost
	req.Trailer = http.Header{
		"X-Sum": {"42"}, "X-User": {"root"}, "X_user": {"root"}, "X-Gone": {"x"}, "Authorization": {"Bearer mine"},
		"Cookie": {"a=1"}, "X-Forwarded-For": {"6.6.6.6"},
	}
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := <-trailer; len(got) != 1 || got.Get("X-Sum") != "42" {
		t.Errorf("the upstream has the trailers %v", got)
	}
}

func TestALeavingClientCancelsTheUpstream(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	up := api(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	f := open(t, public(up))
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+publicHost+"\r\n\r\n")
	<-arrived
	_ = c.Close()
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Fatal("the upstream still works for a client that has left")
	}
}

func TestOptionsStopsWhereMaxForwardsSays(t *testing.T) {
	up := api(t, nil)
	f := open(t, public(up))
	res := f.send(t, "OPTIONS", "/x", "Max-Forwards: 0")
	if res.StatusCode != 204 || res.Header.Get("Allow") == "" || up.hits() != 0 {
		t.Error(res.Status, res.Header, up.hits())
	}
	f.send(t, "OPTIONS", "/x", "Max-Forwards: 3")
	if got := up.last(t).Header.Get("Max-Forwards"); got != "2" {
		t.Errorf("Max-Forwards: %s", got)
	}
}

func TestAMethodOverrideOpensNoMethod(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{{Path: "/", Upstream: up.url, Access: Public, Methods: []string{"GET"}}})
	f.get(t, "/x", "X-HTTP-Method-Override: DELETE", "X-Method-Override: HEAD")
	h := up.last(t).Header
	if h["X-Http-Method-Override"] != nil || h.Get("X-Method-Override") != "HEAD" {
		t.Error(h)
	}
}

func TestHTTP2OnBothSides(t *testing.T) {
	var proto string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto = r.Proto + " " + r.RequestURI + " " + r.Header.Get("Via")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Grpc-Status", "0")
	})
	both := new(http.Protocols)
	both.SetUnencryptedHTTP2(true)
	up := httptest.NewUnstartedServer(handler)
	up.Config.Protocols = both
	up.Start()
	t.Cleanup(up.Close)
	f := open(t, []Route{{Path: "/", Upstream: mustURL("h2c" + strings.TrimPrefix(up.URL, "http")), Access: Public}})
	s := httptest.NewUnstartedServer(f.Gateway)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/a%7Cb?c", strings.NewReader("hello"))
	req.Host = publicHost
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := text(t, reply{res}); got != "hello" || res.ProtoMajor != 2 || res.Trailer.Get("Grpc-Status") != "0" {
		t.Error(got, res.Proto, res.Trailer)
	}
	if proto != "HTTP/2.0 /a%7Cb?c 2.0 cloakroom" {
		t.Error(proto)
	}
}
