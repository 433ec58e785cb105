package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// balanced is a public route over these upstreams.
func balanced(ups ...*url.URL) []Route {
	return []Route{{Path: "/", Upstream: ups[0], Replicas: ups[1:], Access: Public}}
}

// nobody is an address at which no connection is accepted.
func nobody(t testing.TB) *url.URL {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}

func TestRequestsAreSpreadOverAllUpstreams(t *testing.T) {
	one, two, three := api(t, nil), api(t, nil), api(t, nil)
	f := open(t, balanced(one.url, two.url, three.url))
	const all = 120
	for range all {
		if res := f.get(t, "/a%7Cb?c=d"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
	}
	for _, up := range []*upstream{one, two, three} {
		if n := up.hits(); n < all/10 || n > all*8/10 {
			t.Errorf("%d of %d requests went to one of three upstreams", n, all)
		}
		if got := up.last(t); got.RequestURI != "/a%7Cb?c=d" || got.Host != up.url.Host {
			t.Errorf("the upstream %s has %s at %s", up.url.Host, got.RequestURI, got.Host)
		}
	}
}

func TestTheOneThatHasTheLeastToDoIsAskedFirst(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	busy := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			arrived <- struct{}{}
			<-finish
		}
	}
	one, two := api(t, busy), api(t, busy)
	f := open(t, balanced(one.url, two.url))
	slow := f.get(t, "/slow")
	<-arrived
	idle := one
	if one.hits() > 0 {
		idle = two
	}
	for range 20 {
		f.get(t, "/quick")
	}
	if idle.hits() != 20 {
		t.Errorf("of 20 requests, %d went to the upstream that had nothing to do", idle.hits())
	}
	close(finish)
	_ = text(t, slow)
}

func TestWhatAnUpstreamDidNotGetGoesToAnother(t *testing.T) {
	large := strings.Repeat("x", 2*replayable)
	for name, request := range map[string]string{
		"GET":                      "GET / HTTP/1.1\r\nHost: " + publicHost + "\r\n\r\n",
		"POST with a short body":   "POST / HTTP/1.1\r\nHost: " + publicHost + "\r\nContent-Length: 5\r\n\r\nhello",
		"POST with a large body":   "POST / HTTP/1.1\r\nHost: " + publicHost + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(large), large),
		"PATCH of unknown length":  "PATCH / HTTP/1.1\r\nHost: " + publicHost + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"POST that asks for a 100": "POST / HTTP/1.1\r\nHost: " + publicHost + "\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 64)
			up := api(t, func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got <- string(body)
			})
			f := open(t, balanced(nobody(t), up.url, nobody(t)))
			_, head, _ := strings.Cut(request, "\r\n\r\n")
			want := ""
			switch {
			case strings.Contains(request, "chunked"):
				want = "hello"
			case !strings.HasPrefix(request, "GET"):
				want = head
			}
			for tries := 0; strings.Count(f.log.String(), "left out") < 2; tries++ {
				if tries > 100 {
					t.Fatal("those who are not there are not left out")
				}
				res := f.raw(t, request)
				if res.StatusCode != 200 && res.StatusCode != 100 {
					t.Fatal(res.Status, text(t, res))
				}
				if body := <-got; body != want {
					t.Fatalf("the upstream got %d bytes, want %d", len(body), len(want))
				}
			}
		})
	}
}

func TestOnlyWhatMayBeDoneTwiceIsSentTwice(t *testing.T) {
	large := strings.Repeat("x", 2*replayable)
	sized := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }
	for _, row := range []struct {
		name, method, rest string
		hits               int
	}{
		{"GET", "GET", "\r\n", 2},
		{"HEAD", "HEAD", "\r\n", 2},
		{"DELETE", "DELETE", "\r\n", 2},
		{"PUT with a body that was kept", "PUT", sized("hello"), 2},
		{"PUT with a body that is gone", "PUT", sized(large), 1},
		{"PUT of unknown length", "PUT", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 1},
		{"POST", "POST", sized("hello"), 1},
		{"POST without a body", "POST", sized(""), 1},
		{"POST that the client would repeat", "POST", "Idempotency-Key: 1\r\n" + sized("hello"), 1},
		{"PATCH", "PATCH", sized("hello"), 1},
		{"a method that nobody knows", "RESERVE", "\r\n", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			cut := func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler)
			}
			one, two, three := api(t, cut), api(t, cut), api(t, cut)
			f := open(t, balanced(one.url, two.url, three.url))
			res := f.raw(t, row.method+" / HTTP/1.1\r\nHost: "+publicHost+"\r\n"+row.rest)
			mustFail(t, res, UpstreamUnreachable)
			if hits := one.hits() + two.hits() + three.hits(); hits != row.hits {
				t.Errorf("sent %d times, want %d", hits, row.hits)
			}
			if strings.Contains(f.log.String(), "left out") {
				t.Error("an upstream that can be reached is left out")
			}
		})
	}
}

func TestASlowUpstreamIsNotAskedAgain(t *testing.T) {
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	one, two := api(t, slow), api(t, slow)
	routes := balanced(one.url, two.url)
	routes[0].Timeout = 50 * time.Millisecond
	f := open(t, routes)
	mustFail(t, f.get(t, "/"), UpstreamTimeout)
	if hits := one.hits() + two.hits(); hits != 1 {
		t.Errorf("sent %d times", hits)
	}
}

func TestWhereNobodyIsThereTheClientHearsIt(t *testing.T) {
	f := open(t, balanced(nobody(t), nobody(t)))
	for range 3 {
		mustFail(t, f.get(t, "/"), UpstreamUnreachable)
	}
	if log := f.log.String(); strings.Count(log, "left out") != 2 {
		t.Error(log)
	}
}

func TestASessionStaysWithItsUpstream(t *testing.T) {
	ups := []*upstream{api(t, nil), api(t, nil), api(t, nil)}
	routes := []Route{{
		Path: "/", Upstream: ups[0].url, Replicas: []*url.URL{ups[1].url, ups[2].url},
		Balance: Balance{Sticky: true},
	}}
	f := open(t, routes)
	home := func(ticket string) int {
		t.Helper()
		before := []int{ups[0].hits(), ups[1].hits(), ups[2].hits()}
		for range 5 {
			if res := f.get(t, "/", "Sec-Fetch-Site: same-origin", "Cookie: "+f.cookie(ticket)); res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
		}
		i := slices.IndexFunc(ups, func(up *upstream) bool { return up.hits() > before[slices.Index(ups, up)] })
		if ups[i].hits() != before[i]+5 {
			t.Fatal("a session's requests went to several upstreams")
		}
		return i
	}
	homes, used := map[string]int{}, map[int]bool{}
	for len(used) < len(ups) {
		if len(homes) > 200 {
			t.Fatal("200 sessions do not use all upstreams")
		}
		_, ticket := f.signIn(t, time.Hour)
		homes[ticket] = home(ticket)
		used[homes[ticket]] = true
	}
	for _, p := range f.ways.pools {
		p.servers[1].leaveOut(io.EOF)
	}
	for ticket, before := range homes {
		if now := home(ticket); before == 1 && now == 1 || before != 1 && now != before {
			t.Errorf("a session of upstream %d is at %d when 1 is out", before, now)
		}
	}
}

func TestAWebSocketKeepsItsUpstreamBusy(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, c)
		_ = c.Close()
	})
	f := open(t, []Route{{Path: "/", Upstream: up.url, Replicas: []*url.URL{nobody(t)}}})
	_, ticket := f.signIn(t, time.Hour)
	ws := f.webSocket(t, ticket)
	ws.write(t, []byte("ping"))
	if got := string(ws.read(t, 4)); got != "ping" {
		t.Error(got)
	}
	busy := func() (n int64) {
		for _, p := range f.ways.pools {
			n += p.servers[0].inFlight.Load()
		}
		return n
	}
	if busy() != 1 {
		t.Errorf("%d requests are under way, want one", busy())
	}
	_ = ws.Close()
	for giveUp := time.After(5 * time.Second); busy() != 0; {
		select {
		case <-giveUp:
			t.Fatalf("%d requests are under way after the end", busy())
		case <-time.After(time.Millisecond):
		}
	}
}
