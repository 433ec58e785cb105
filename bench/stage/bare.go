package stage

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Tuned is the name of the side that every other is held against.
const Tuned = "ReverseProxy, tuned"

// NewBare is what anybody would write. Tuned, it has a buffer pool and a transport that
// keeps its connections.
func NewBare(upstream *url.URL, tuned bool) http.Handler {
	p := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) {
		pr.SetURL(upstream)
		pr.SetXForwarded()
	}}
	if tuned {
		p.Transport = &http.Transport{MaxIdleConnsPerHost: 1024, IdleConnTimeout: 90 * time.Second, DisableCompression: true}
		p.BufferPool = &pool{}
	}
	return p
}

type pool struct{ p sync.Pool }

func (p *pool) Get() []byte {
	if b, ok := p.p.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *pool) Put(b []byte) { p.p.Put(&b) }

// Bare starts a bare reverse proxy.
func (st *Stage) Bare(ctx context.Context, tuned bool) (*Side, error) {
	name, how := Tuned, "tuned"
	if !tuned {
		name, how = "ReverseProxy, default transport", "default"
	}
	p, address, err := st.part(ctx, "bare", st.Upstream, how)
	if err != nil {
		return nil, err
	}
	return &Side{Name: name, Origin: "http://" + address, Measured: measured(p)}, nil
}

// BareTLS starts a tuned one that ends TLS, and speaks HTTP/2.
func (st *Stage) BareTLS(ctx context.Context) (*Side, error) {
	pair, err := st.certificate()
	if err != nil {
		return nil, err
	}
	p, address, err := st.part(ctx, "bare", st.Upstream, "tuned", pair.cert, pair.key)
	if err != nil {
		return nil, err
	}
	return &Side{Name: Tuned, Origin: "https://" + address, Measured: measured(p)}, nil
}

// Direct is the upstream without anybody before it.
func (st *Stage) Direct() *Side {
	return &Side{Name: "upstream alone", Origin: st.Upstream, Measured: measured(st.upstream)}
}
