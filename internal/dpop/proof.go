package dpop

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// Proof is what one proof says (RFC 9449 §4.2). It is for one request: whoever repeats the
// request makes another.
type Proof struct {
	Method      string
	URL         *url.URL // as the request goes out
	AccessToken string   // that goes along; empty at a token endpoint
	Nonce       string   // the server's; empty while it has given none
	At          time.Time
}

type proofClaims struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Issued int64  `json:"iat"`
	Token  string `json:"ath,omitempty"`
	Nonce  string `json:"nonce,omitempty"`
}

// Proof returns the value of a DPoP header. No two are alike.
func (k *Key) Proof(p Proof) (string, error) {
	claims := proofClaims{ID: rand.Text(), Method: p.Method, URL: target(p.URL), Issued: p.At.Unix(), Nonce: p.Nonce}
	if p.AccessToken != "" {
		sum := sha256.Sum256([]byte(p.AccessToken))
		claims.Token = encode(sum[:])
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	text := k.head + "." + encode(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	var signature [64]byte // RFC 7518 §3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + encode(signature[:]), nil
}

// target is the URL without query and fragment (RFC 9449 §4.2, htu). A path that stands in
// Opaque goes out as it is there.
func target(u *url.URL) string {
	path := u.Opaque
	if path == "" {
		path = u.EscapedPath()
	}
	return Origin(u) + path
}

// Origin is the server that a URL leads to, as far as nonces go.
func Origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
