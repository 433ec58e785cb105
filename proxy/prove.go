package proxy

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/dpop"
)

// prover shows the upstream that the gateway holds the key that a request's token is bound
// to (RFC 9449 §7): with a proof for this very request to this very server, so that whoever
// overhears the token has nothing in his hands. It stands right before the server's
// transport: what goes out again, for whatever reason, goes out with another proof.
//
// A server that wants its nonce in the proof, or does not like the proof, has looked at
// nothing else, and gets the request once more. That says nothing about the token.
type prover struct {
	proofs *proofs
	next   http.RoundTripper
}

// proofs is what is known of keys, and of the nonces of upstreams. It is safe for concurrent
// use.
type proofs struct {
	now    func() time.Time
	keys   dpop.Keys
	nonces dpop.Nonces
}

// RoundTrip implements http.RoundTripper.
func (p *prover) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	if x == nil || x.key == "" {
		return p.next.RoundTrip(req)
	}
	origin := dpop.Origin(req.URL)
	res, err := p.send(req, x, p.proofs.nonces.Of(origin))
	if err != nil {
		return nil, err
	}
	nonce := dpop.NonceOf(res.Header)
	if res.StatusCode == http.StatusUnauthorized && wantsProof(res.Header["Www-Authenticate"], nonce) && x.repeats(req) {
		spend(res)
		if res, err = p.send(x.again(req), x, nonce); err != nil {
			return nil, err
		}
		nonce = cmp.Or(dpop.NonceOf(res.Header), nonce)
	}
	p.proofs.nonces.Keep(origin, nonce)
	return res, nil
}

// send sends a copy of the request, with a proof: a transport may still look at one that has
// failed.
func (p *prover) send(req *http.Request, x *exchange, nonce string) (*http.Response, error) {
	key, err := p.proofs.keys.Get(x.key.Reveal())
	if err != nil {
		return nil, err
	}
	proof, err := key.Proof(dpop.Proof{Method: req.Method, URL: req.URL, AccessToken: x.token.Reveal(), Nonce: nonce, At: p.proofs.now()})
	if err != nil {
		return nil, err
	}
	proven := *req
	proven.Header = req.Header.Clone()
	proven.Header["Authorization"] = []string{"DPoP " + x.token.Reveal()}
	proven.Header["Dpop"] = []string{proof}
	return p.next.RoundTrip(&proven)
}

// repeats reports whether a request that was sent can be sent again. A body that has gone
// cannot; whoever sends it again finds the nonce.
func (x *exchange) repeats(req *http.Request) bool {
	return x.kept != nil || req.Body == nil || req.Body == http.NoBody
}

// again is a request with its body, to be sent once more.
func (x *exchange) again(req *http.Request) *http.Request {
	if x.kept == nil {
		return req
	}
	next := *req
	next.Body = io.NopCloser(bytes.NewReader(x.kept))
	return &next
}

// spend reads an answer to its end, unless that is far: so its connection can be used again.
func spend(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, replayable)
	_ = res.Body.Close()
}
