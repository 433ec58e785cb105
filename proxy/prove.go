package proxy

import (
	"bytes"
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
	res, nonce, err := p.send(req, x, "")
	if err != nil || res.StatusCode != http.StatusUnauthorized || !wantsProof(res.Header["Www-Authenticate"], nonce) {
		return res, err
	}
	if x.kept != nil {
		again := *req
		again.Body = io.NopCloser(bytes.NewReader(x.kept))
		req = &again
	} else if req.Body != nil && req.Body != http.NoBody {
		return res, nil // the body has gone; whoever sends it again finds the nonce
	}
	spend(res)
	// The nonce of that very answer: another request may have heard another one meanwhile.
	res, _, err = p.send(req, x, nonce)
	return res, err
}

// send sends the request with a proof, and returns the nonce of the answer. It sends a copy:
// a transport may still look at one that has failed.
func (p *prover) send(req *http.Request, x *exchange, nonce string) (*http.Response, string, error) {
	origin := dpop.Origin(req.URL)
	if nonce == "" {
		nonce = p.proofs.nonces.Of(origin)
	}
	key, err := p.proofs.keys.Get(x.key.Reveal())
	if err != nil {
		return nil, "", err
	}
	proof, err := key.Proof(dpop.Proof{Method: req.Method, URL: req.URL, AccessToken: x.token.Reveal(), Nonce: nonce, At: p.proofs.now()})
	if err != nil {
		return nil, "", err
	}
	proven := *req
	proven.Header = req.Header.Clone()
	proven.Header["Authorization"] = []string{"DPoP " + x.token.Reveal()}
	proven.Header["Dpop"] = []string{proof}
	res, err := p.next.RoundTrip(&proven)
	if err != nil {
		return nil, "", err
	}
	return res, p.proofs.nonces.Heard(origin, res.Header), nil
}

// spend reads an answer to its end, unless that is far: so its connection can be used again.
func spend(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, replayable)
	_ = res.Body.Close()
}
