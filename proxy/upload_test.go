package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// deaf is an upstream that reads the head of a request, and then nothing.
func deaf(t *testing.T, http2 bool) *url.URL {
	t.Helper()
	over := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(!http2)
	s.Config.Protocols.SetUnencryptedHTTP2(http2)
	s.Start()
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(over) })
	if http2 {
		return mustURL("h2c" + strings.TrimPrefix(s.URL, "http"))
	}
	return mustURL(s.URL)
}

func TestAnUpstreamThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	for name, up := range map[string]*url.URL{"HTTP/1.1": deaf(t, false), "HTTP/2": deaf(t, true)} {
		for length, body := range map[string]io.Reader{
			"known": strings.NewReader(strings.Repeat("x", 32<<20)), "unknown": io.MultiReader(strings.NewReader(strings.Repeat("x", 32<<20))),
		} {
			t.Run(name+", a length that is "+length, func(t *testing.T) {
				f := open(t, []Route{{Path: "/", Upstream: up, Access: Public, MaxBody: 1 << 30, Timeout: 200 * time.Millisecond}})
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.addr+"/x", body)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = publicHost
				began := time.Now()
				res, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				mustFail(t, reply{res}, UpstreamTimeout)
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

func TestASlowUploadIsNoLateOne(t *testing.T) {
	const timeout = 200 * time.Millisecond
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if n != 8 {
			t.Errorf("the upstream got %d bytes", n)
		}
		_, _ = io.WriteString(w, "fine")
	})
	f := open(t, []Route{{Path: "/", Upstream: up.url, Access: Public, Timeout: timeout}})
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: "+publicHost+"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
	for range 8 {
		<-time.After(timeout / 2)
		_, _ = io.WriteString(c, "1\r\nx\r\n")
	}
	_, _ = io.WriteString(c, "0\r\n\r\n")
	if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "fine\r\n0\r\n\r\n") && !strings.HasSuffix(string(got), "\r\n\r\nfine") {
		t.Errorf("%q, %v", got, err)
	}
}
