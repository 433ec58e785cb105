package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// browser asks for pages, on the transport of the gateway's provider client: with its roots
// and its proxy.
type browser struct {
	transport *http.Transport
	timeout   time.Duration // of one page
}

func newBrowser(given http.RoundTripper, timeout time.Duration) *browser {
	t, ok := given.(*http.Transport)
	if !ok {
		if t, ok = http.DefaultTransport.(*http.Transport); !ok {
			t = &http.Transport{Proxy: http.ProxyFromEnvironment}
		}
	}
	return &browser{transport: t.Clone(), timeout: timeout}
}

// trusting is a browser with another idea of TLS, and without a proxy: for what is near.
func (b *browser) trusting(c *tls.Config, protocols *http.Protocols) *browser {
	return &browser{transport: &http.Transport{TLSClientConfig: c, Protocols: protocols, DisableKeepAlives: true}, timeout: b.timeout}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte // as far as 1 MiB
	sent   time.Time
	took   time.Duration
}

func (a *answer) isHTML() bool {
	return strings.Contains(a.header.Get("Content-Type"), "html") || strings.HasPrefix(strings.TrimSpace(string(a.body)), "<")
}

// get asks for a page and follows a few redirects.
func (b *browser) get(ctx context.Context, address string) (*answer, error) {
	return b.ask(ctx, &http.Client{Transport: b.transport, CheckRedirect: fewRedirects}, http.MethodGet, address)
}

// ask makes one request. The error is an *unreached.
func (b *browser) ask(ctx context.Context, client *http.Client, method, address string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	var way progress
	a := &answer{sent: time.Now()}
	failed := func(err error) error {
		return &unreached{address: address, stage: way.stage(), within: b.timeout, err: err}
	}
	req, err := http.NewRequestWithContext(way.follow(ctx), method, address, nil)
	if err != nil {
		return nil, failed(err)
	}
	req.Header.Set("Accept", "application/json, text/html;q=0.9, */*;q=0.5")
	req.Header.Set("User-Agent", "cloakroom-doctor")
	res, err := client.Do(req)
	if err != nil {
		return nil, failed(err)
	}
	defer res.Body.Close()
	a.status, a.header, a.took = res.StatusCode, res.Header, time.Since(a.sent)
	way.at.Store(int32(reading))
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err != nil {
		return nil, failed(err)
	}
	return a, nil
}

func fewRedirects(req *http.Request, via []*http.Request) error {
	const most = 5
	switch {
	case len(via) >= most:
		return fmt.Errorf("more than %d redirects", most)
	case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("redirected from https to %s://%s", req.URL.Scheme, req.URL.Host)
	}
	return nil
}

// noRedirect hands a redirect to the caller.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// stage is how far a request came.
type stage int32

const (
	connecting stage = iota
	lookingUp
	handshaking
	waiting
	reading
)

func (s stage) String() string {
	return [...]string{"connecting", "looking up the name", "in the TLS handshake", "waiting for the answer", "reading the answer"}[s]
}

// progress notes the stage. net/http tells it on goroutines of its own.
type progress struct{ at atomic.Int32 }

func (p *progress) stage() stage { return stage(p.at.Load()) }

func (p *progress) follow(ctx context.Context) context.Context {
	to := func(s stage) { p.at.Store(int32(s)) }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { to(lookingUp) },
		ConnectStart:      func(string, string) { to(connecting) },
		TLSHandshakeStart: func() { to(handshaking) },
		GotConn:           func(httptrace.GotConnInfo) { to(waiting) },
	})
}
