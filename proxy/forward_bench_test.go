package proxy

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"syscall"
	"testing"
	"time"
)

// BenchmarkThroughGateway compares a signed-in call with the same call through a bare
// ReverseProxy that has the same transport. cpu-ns/op is what counts: the process's own
// time, with client and upstream in it on both sides.
func BenchmarkThroughGateway(b *testing.B) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"orders":[1,2,3]}`)
	}))
	b.Cleanup(up.Close)
	target := mustURL(up.URL)

	b.Run("bare", func(b *testing.B) {
		p := &httputil.ReverseProxy{
			Rewrite: func(pr *httputil.ProxyRequest) {
				pr.SetURL(target)
				pr.SetXForwarded()
				pr.Out.Header.Set("Authorization", "Bearer "+accessToken)
			},
			Transport:  newTransport(target, 30*time.Second, nil).Transport,
			BufferPool: bareBuffers{&newBuffers().large},
		}
		s := httptest.NewServer(p)
		b.Cleanup(s.Close)
		drive(b, s.Listener.Addr().String(), "__Host-Http-cloakroom=x")
	})
	b.Run("gateway", func(b *testing.B) {
		f := open(b, []Route{{Path: "/api/", Upstream: target}}, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
		_, ticket := f.signIn(b, time.Hour)
		drive(b, f.addr, f.cookie(ticket))
	})
	b.Run("gateway-with-log", func(b *testing.B) {
		f := open(b, []Route{{Path: "/api/", Upstream: target}}, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(struct{ io.Writer }{io.Discard}, nil)) })
		_, ticket := f.signIn(b, time.Hour)
		drive(b, f.addr, f.cookie(ticket))
	})
}

// bareBuffers lends the gateway's buffers to a bare ReverseProxy.
type bareBuffers struct{ pool *bufferPool }

func (b bareBuffers) Get() []byte  { return *b.pool.get() }
func (b bareBuffers) Put(p []byte) { b.pool.put(&p) }

func drive(b *testing.B, addr, cookie string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext:         (&net.Dialer{}).DialContext,
	}}
	b.Cleanup(client.CloseIdleConnections)
	b.ReportAllocs()
	before := cpu()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+addr+"/api/orders?page=2", nil)
			req.Host = publicHost
			for name, v := range map[string]string{
				"Cookie": "theme=dark; " + cookie, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty",
				"Accept": "application/json", "Accept-Language": "en", "User-Agent": "bench", "Referer": "https://app.example.com/",
			} {
				req.Header.Set(name, v)
			}
			res, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != 200 {
				b.Errorf("status %d", res.StatusCode)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the processor time that this process has used, in nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
