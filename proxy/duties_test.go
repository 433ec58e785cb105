package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// A side is a way to the gateway: clients speak HTTP/1.1 or HTTP/2.
type side struct {
	name string
	base string
	do   func(*http.Request) (*http.Response, error)
}

// bothSides are the ways to a gateway.
func (f *front) bothSides(t *testing.T) []side {
	t.Helper()
	old := &http.Transport{}
	t.Cleanup(old.CloseIdleConnections)
	secure := f.overTLS(t)
	return []side{
		{"HTTP/1.1", "http://" + f.addr, (&http.Client{Transport: old}).Do},
		{"HTTP/2", secure.URL, secure.Client().Do},
	}
}

// request is one to our host, by this side.
func (s side) request(t *testing.T, method, target string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.base+target, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = publicHost
	return r
}

// fetch sends a request and reads all of the answer.
func (s side) fetch(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := s.do(r)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	_ = res.Body.Close()
	return res, string(body)
}

// TestWhoAClientSaysItIsGoesNowhere sends every header by which some server learns who asks,
// in every spelling, on every kind of route.
func TestWhoAClientSaysItIsGoesNowhere(t *testing.T) {
	up := api(t, nil)
	f := open(t, append(everyAccess(up), Route{Path: "/set/", Upstream: up.url, SetHeaders: map[string]string{"X-User": "{claims.sub}", "X-Env": "prod"}}))
	_, ticket := f.signIn(t, time.Hour)
	names := strings.Fields(`Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Uri X-Forwarded-Method
		X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username X-Forwarded-Access-Token X-Forwarded-Client-Cert X-Forwarded-Tls-Client-Cert
		X-Real-IP True-Client-IP CF-Connecting-IP Fastly-Client-IP X-Client-IP X-Cluster-Client-IP X-Original-URL X-Original-URI X-Original-Method X-Rewrite-URL
		X-Auth-Request-User X-Auth-Request-Email X-Auth-Request-Groups X-Auth-Request-Access-Token Client-Cert Client-Cert-Chain X-SSL-Client-Cert Remote-User
		Authorization Proxy-Authorization DPoP Proxy X-User X-Env`)
	spellings := map[string]func(string) string{
		"as it is": func(n string) string { return n }, "in capitals": strings.ToUpper, "in small letters": strings.ToLower,
		"with underscores": func(n string) string { return strings.ReplaceAll(n, "-", "_") },
		"with one":         func(n string) string { return strings.Replace(n, "-", "_", 1) },
		"with dots":        func(n string) string { return strings.ReplaceAll(n, "-", ".") },
	}
	const forged = "forged-6f1d"
	for _, s := range f.bothSides(t) {
		for spelling, spell := range spellings {
			for _, row := range []struct{ method, path string }{
				{"GET", "/req/x"}, {"GET", "/opt/x"}, {"GET", "/pub/x"}, {"OPTIONS", "/pub/x"}, {"OPTIONS", "/req/x"}, {"POST", "/none/x"}, {"GET", "/set/x"},
			} {
				r := s.request(t, row.method, row.path, nil)
				for _, name := range names {
					r.Header[spell(name)] = []string{forged, forged}
				}
				r.Header.Set("Cookie", f.cookie(ticket))
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				before := up.hits()
				if res, _ := s.fetch(t, r); res.StatusCode != http.StatusOK || up.hits() != before+1 {
					t.Fatalf("%s %s: %s", s.name, row.path, res.Status)
				}
				for name, values := range up.last(t).Header {
					if strings.Contains(strings.Join(values, " "), forged) {
						t.Errorf("%s, %s %s, %s: the upstream has %s: %q", s.name, row.method, row.path, spelling, name, values)
					}
				}
			}
		}
	}
}

// TestWhatBelongsToAConnectionStaysThere looks at both ways (RFC 9110 §7.6.1).
func TestWhatBelongsToAConnectionStaysThere(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Connection", "X-Secret, X-Other")
		for _, name := range []string{"X-Secret", "X-Other", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Upgrade"} {
			h.Set(name, "theirs")
		}
		h.Set("X-Stays", "1")
	})
	f := open(t, public(up))
	res := f.get(t, "/x", "Connection: keep-alive, X-Secret", "Connection: X-Other", "X-Secret: 1", "X-Other: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
		"Proxy-Authorization: Basic Zm9v", "Proxy-Authenticate: Basic", "TE: trailers, deflate", "Upgrade: h2c", "Trailer: X-T", "X-Stays: 1")
	if got := arrival(up.last(t)); got != "GET /x · Te: trailers · X-Stays: 1" {
		t.Errorf("the upstream saw %s", got)
	}
	for name := range res.Header {
		if !slices.Contains([]string{"Date", "X-Stays", "Content-Length"}, name) {
			t.Errorf("the client has %s: %q", name, res.Header[name])
		}
	}
	if res.Header.Get("X-Stays") == "" {
		t.Error("a header of the answer has gone")
	}
}

func TestEveryHopAddsItselfToVia(t *testing.T) {
	up := api(t, nil)
	f := open(t, public(up))
	for line, want := range map[string][]string{
		"Via: 1.1 cdn":                        {"1.1 cdn", "1.1 cloakroom"},
		"Via: 1.1 cdn, 2 edge\r\nVia: 1.1 lb": {"1.1 cdn, 2 edge", "1.1 lb", "1.1 cloakroom"},
		"X-A: b":                              {"1.1 cloakroom"},
	} {
		f.get(t, "/x", line)
		if got := up.last(t).Header["Via"]; !slices.Equal(got, want) {
			t.Errorf("after %q: %q", line, got)
		}
	}
	f.raw(t, "GET /x HTTP/1.0\r\nHost: "+publicHost+"\r\n\r\n")
	if got := up.last(t).Header.Get("Via"); got != "1.0 cloakroom" {
		t.Errorf("after HTTP/1.0: %q", got)
	}
}

func TestAPartOfAFilePassesAsAPart(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Etag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	})
	f := open(t, public(up))
	for _, s := range f.bothSides(t) {
		for _, row := range []struct {
			header, value string
			status        int
			part, body    string
		}{
			{"Range", "bytes=2-4", 206, "bytes 2-4/10", "234"},
			{"Range", "bytes=-3", 206, "bytes 7-9/10", "789"},
			{"Range", "bytes=50-", 416, "bytes */10", "invalid range: failed to overlap\n"},
			{"If-None-Match", `"1"`, 304, "", ""},
			{"If-Match", `"2"`, 412, "", ""},
			{"X-None", "1", 200, "", "0123456789"},
		} {
			r := s.request(t, "GET", "/x", nil)
			r.Header.Set(row.header, row.value)
			res, body := s.fetch(t, r)
			if res.StatusCode != row.status || res.Header.Get("Content-Range") != row.part || body != row.body {
				t.Errorf("%s, %s: %s: %s %q %q", s.name, row.header, row.value, res.Status, res.Header.Get("Content-Range"), body)
			}
		}
		r := s.request(t, "GET", "/x", nil)
		r.Header.Set("Range", "bytes=0-1,8-9")
		if res, body := s.fetch(t, r); res.StatusCode != 206 || !strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/byteranges") || !strings.Contains(body, "bytes 8-9/10") {
			t.Errorf("%s, two parts: %s %q", s.name, res.Status, body)
		}
	}
}

// TestABodyIsAskedForByWhoWantsIt sends Expect: 100-continue (RFC 9110 §10.1.1). Of HTTP/2
// Go's server keeps the expectation to itself: it may ask as soon as the request goes out.
func TestABodyIsAskedForByWhoWantsIt(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pub/full" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	f := open(t, everyAccess(up))
	for _, s := range f.bothSides(t) {
		for path, want := range map[string]struct {
			asked  bool
			status int
			hits   int
		}{
			"/pub/x": {true, 200, 1}, "/pub/full": {false, 413, 1}, "/req/x": {false, 401, 0},
		} {
			asked := false
			trace := &httptrace.ClientTrace{Got100Continue: func() { asked = true }}
			r := s.request(t, "POST", path, strings.NewReader("hello"))
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
			r.Header.Set("Expect", "100-continue")
			before := up.hits()
			res, body := s.patiently(t, r)
			early := s.name == "HTTP/2" && want.hits > 0
			if asked != want.asked && !early || res.StatusCode != want.status || up.hits()-before != want.hits || want.status == 200 && body != "hello" {
				t.Errorf("%s %s: asked for the body: %t; %s %q; %d reached the upstream", s.name, path, asked, res.Status, body, up.hits()-before)
			}
		}
	}
}

// patiently fetches with a transport that waits to be asked for the body.
func (s side) patiently(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	if s.name == "HTTP/1.1" {
		old := &http.Transport{ExpectContinueTimeout: 10 * time.Second}
		t.Cleanup(old.CloseIdleConnections)
		s.do = (&http.Client{Transport: old}).Do
	}
	return s.fetch(t, r)
}

// TestInterimAnswersPass lets an upstream give early hints (RFC 8297).
func TestInterimAnswersPass(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</app.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "done")
	})
	f := open(t, public(up))
	for _, s := range f.bothSides(t) {
		var hints []string
		r := s.request(t, "GET", "/x", nil)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, http.StatusText(code)+" "+h.Get("Link"))
			return nil
		}}))
		res, body := s.fetch(t, r)
		if !slices.Equal(hints, []string{"Early Hints </app.css>; rel=preload"}) || body != "done" || res.Header.Get("Link") != "" {
			t.Errorf("%s: %q, then %s %q with %v", s.name, hints, res.Status, body, res.Header)
		}
	}
}

// TestTrailersPassBetweenVersions sends trailers both ways, by every pair of versions.
func TestTrailersPassBetweenVersions(t *testing.T) {
	var arrived http.Header
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.Copy(w, r.Body)
		arrived = r.Trailer
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
	})
	h2c := httptest.NewUnstartedServer(handler)
	h2c.Config.Protocols = new(http.Protocols)
	h2c.Config.Protocols.SetUnencryptedHTTP2(true)
	h2c.Start()
	t.Cleanup(h2c.Close)
	for name, upstream := range map[string]*url.URL{"HTTP/1.1": api(t, handler).url, "HTTP/2": mustURL("h2c" + strings.TrimPrefix(h2c.URL, "http"))} {
		f := open(t, []Route{{Path: "/", Upstream: upstream, Access: Public}})
		for _, s := range f.bothSides(t) {
			r := s.request(t, "POST", "/x", io.NopCloser(strings.NewReader("body")))
			r.Trailer = http.Header{"X-Check": {"7"}, "X-Real-Ip": {"6.6.6.6"}}
			res, body := s.fetch(t, r)
			if body != "body" || res.Trailer.Get("X-Sum") != "42" || res.Trailer.Get("X-Late") != "1" {
				t.Errorf("%s to %s: %q with %v", s.name, name, body, res.Trailer)
			}
			if len(arrived) != 1 || arrived.Get("X-Check") != "7" {
				t.Errorf("%s to %s: the upstream has %v", s.name, name, arrived)
			}
		}
	}
}

func TestALeavingClientOfHTTP2CancelsTheUpstream(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	up := api(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	s := open(t, public(up)).bothSides(t)[1]
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-arrived
		leave()
	}()
	if res, err := s.do(s.request(t, "GET", "/x", nil).WithContext(ctx)); err == nil {
		_ = res.Body.Close()
		t.Errorf("an answer: %s", res.Status)
	}
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Fatal("the upstream still works for a client that has left")
	}
}

// accepting is an upstream of bytes: what handle does with its connections.
func accepting(t *testing.T, handle func(c net.Conn, r *bufio.Reader)) *url.URL {
	t.Helper()
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
				handle(c, bufio.NewReader(c))
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}
