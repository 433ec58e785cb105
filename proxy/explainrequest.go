package proxy

import (
	"cmp"
	"net/http"
)

// explanation begins one with what is known before anything is decided.
func (g *Gateway) explanation(x *exchange, r *http.Request, d dialect) *explanation {
	q := classify(r)
	return &explanation{
		At: second(g.cfg.Now()),
		Request: explainedRequest{
			Method: shortened(r.Method), Host: shortened(x.client.host), Path: shortened(rawPath(r.URL)),
			Class: className(r, q), Metadata: q.metadata, Asked: cmp.Or(string(d), "browser"), Bearer: hasBearer(r.Header),
		},
		Client:   g.explainClient(x, r),
		Provider: g.explainProvider(),
	}
}

// className is what a request is taken for, in a word.
func className(r *http.Request, q request) string {
	switch {
	case isWebSocket(r) || r.Header["Sec-Websocket-Key"] != nil:
		return "websocket"
	case opensStream(r):
		return "stream"
	case prefetch(r.Header):
		return "prefetch"
	case q.navigation:
		return "navigation"
	case q.page:
		return "page"
	}
	return "fetch"
}

func (g *Gateway) explainClient(x *exchange, r *http.Request) explainedClient {
	c := explainedClient{
		Address: x.client.addr, Chain: x.client.chain, Proto: x.client.proto,
		Peer: hostOnly(r.RemoteAddr), Trusted: x.client.trusted,
	}
	switch {
	case len(g.cfg.TrustedProxies) == 0:
		c.Why = "The peer's own address: there are no trusted_proxies, and what Forwarded and X-Forwarded-* say counts for nothing."
	case !c.Trusted:
		c.Why = "The peer's own address: it is not in trusted_proxies, and what it says in Forwarded and X-Forwarded-* counts for nothing."
	case c.Address == c.Peer:
		c.Why = "The peer is a trusted proxy, and names no client that can be believed: no address, or two headers that contradict each other."
	default:
		c.Why = "What trusted proxies say: the nearest address of the chain that is not one of theirs."
	}
	return c
}

func (g *Gateway) explainProvider() explainedProvider {
	p := explainedProvider{Ready: true, Breaker: "closed"}
	for _, err := range []error{g.cfg.Sessions.ProviderRefused(), g.cfg.Sessions.Misconfigured(), g.cfg.Provider.Ready()} {
		if err != nil {
			p.Why = err.Error()
		}
	}
	if g.cfg.Sessions.ProviderRefused() != nil {
		p.Breaker = "open"
	}
	p.Ready = p.Why == ""
	return p
}
