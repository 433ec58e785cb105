package demo_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// provider publishes keys and signs tokens, also false ones.
type provider struct {
	*httptest.Server
	rsa  *rsa.PrivateKey
	ec   *ecdsa.PrivateKey
	away atomic.Bool
	asks atomic.Int32 // for the keys
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := new(provider)
	var err error
	if p.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.answer(w, map[string]string{"jwks_uri": p.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.asks.Add(1)
		p.answer(w, map[string]any{"keys": p.published(t)})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) answer(w http.ResponseWriter, v any) {
	if p.away.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode(v)
}

// published is the key set, with neighbours that must do no harm.
func (p *provider) published(t testing.TB) []map[string]string {
	point, err := p.ec.PublicKey.Bytes()
	if err != nil {
		t.Error(err)
	}
	n, e := b64(p.rsa.N.Bytes()), b64(big.NewInt(int64(p.rsa.E)).Bytes())
	return []map[string]string{
		{"kty": "RSA", "kid": "rsa", "use": "sig", "n": n, "e": e},
		{"kty": "EC", "kid": "ec", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
		{"kty": "RSA", "kid": "enc", "use": "enc", "n": n, "e": e},
		{"kty": "EC", "kid": "off-curve", "crv": "P-256", "x": "AA", "y": "AA"},
		{"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "AA"},
		{"kty": "RSA", "kid": "broken", "n": "!", "e": "!"},
	}
}

// token signs an access token for alice with what it differs in.
func (p *provider) token(t *testing.T, now time.Time, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": "ES256", "kid": "ec", "typ": "at+jwt"}
	c := map[string]any{"iss": p.URL, "sub": "alice", "iat": now.Add(-5 * time.Second).Unix(), "exp": now.Add(10 * time.Second).Unix()}
	maps.Copy(h, header)
	maps.Copy(c, claims)
	text := b64(marshal(t, h)) + "." + b64(marshal(t, c))
	digest := sha256.Sum256([]byte(text))
	if h["kid"] == "rsa" || h["kid"] == "enc" {
		signature, err := rsa.SignPKCS1v15(rand.Reader, p.rsa, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + b64(signature)
	}
	r, s, err := ecdsa.Sign(rand.Reader, p.ec, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + b64(signature)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
