package dpop_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/dpop"
)

// newKey returns a key and its text.
func newKey(t *testing.T) (*dpop.Key, string) {
	t.Helper()
	text, err := dpop.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	k, err := dpop.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

// opened verifies a proof with a library that is not ours.
func opened(t *testing.T, proof string) (jose.Header, map[string]any) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	head := signed.Signatures[0].Protected
	if head.JSONWebKey == nil || !head.JSONWebKey.IsPublic() {
		t.Fatal("the header has no public key")
	}
	body, err := signed.Verify(head.JSONWebKey)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil {
		t.Fatal(err)
	}
	return head, claims
}

func TestAProofSaysWhatItIsForAndNoMore(t *testing.T) {
	t.Parallel()
	k, _ := newKey(t)
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	asSent := parse("http://orders:9000")
	asSent.Opaque = "/a%2Fb;c" // as the gateway addresses its upstreams
	for _, row := range []struct {
		name  string
		proof dpop.Proof
		want  map[string]any
	}{
		{
			"at a token endpoint",
			dpop.Proof{Method: "POST", URL: parse("https://id.example.com/token")},
			map[string]any{"htm": "POST", "htu": "https://id.example.com/token"},
		},
		{
			"at an upstream",
			dpop.Proof{Method: "GET", URL: parse("http://orders:9000/v1/a%20b?q=1#f"), AccessToken: "the-token", Nonce: "n-1"},
			map[string]any{"htm": "GET", "htu": "http://orders:9000/v1/a%20b", "nonce": "n-1", "ath": "wqc_z2HfvcrceaELozCy7162b8Cmc17Wm3lrs8l7l64"},
		},
		{
			"a path as it is sent",
			dpop.Proof{Method: "PATCH", URL: asSent},
			map[string]any{"htm": "PATCH", "htu": "http://orders:9000/a%2Fb;c"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.proof.At = time.Unix(1_800_000_000, 5)
			proof, err := k.Proof(row.proof)
			if err != nil {
				t.Fatal(err)
			}
			head, claims := opened(t, proof)
			if head.ExtraHeaders["typ"] != "dpop+jwt" || head.Algorithm != "ES256" {
				t.Errorf("header %+v", head)
			}
			sum, err := head.JSONWebKey.Thumbprint(crypto.SHA256)
			if err != nil || base64.RawURLEncoding.EncodeToString(sum) != k.Thumbprint() {
				t.Errorf("thumbprint %q (%v)", k.Thumbprint(), err)
			}
			id, _ := claims["jti"].(string)
			if claims["iat"] != 1.8e9 || len(id) < 22 { // 128 bits
				t.Errorf("iat %v, jti %q", claims["iat"], id)
			}
			delete(claims, "iat")
			delete(claims, "jti")
			if !maps.Equal(claims, row.want) {
				t.Errorf("claims %v, want %v", claims, row.want)
			}
		})
	}
}

func TestNoTwoProofsAreAlike(t *testing.T) {
	t.Parallel()
	k, _ := newKey(t)
	u := &url.URL{Scheme: "https", Host: "id.example.com", Path: "/token"}
	seen := make(map[any]bool)
	for range 100 {
		proof, err := k.Proof(dpop.Proof{Method: "POST", URL: u, At: time.Unix(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		_, claims := opened(t, proof)
		seen[claims["jti"]] = true
	}
	if len(seen) != 100 {
		t.Errorf("100 proofs have %d ids", len(seen))
	}
}

// The example of RFC 9449 §7.1: this token has this hash.
func TestAProofIsForOneAccessToken(t *testing.T) {
	t.Parallel()
	k, _ := newKey(t)
	proof, err := k.Proof(dpop.Proof{
		Method: "GET", URL: &url.URL{Scheme: "https", Host: "resource.example.org", Path: "/protectedresource"},
		AccessToken: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := opened(t, proof); claims["ath"] != "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" {
		t.Errorf("ath %v", claims["ath"])
	}
}

func TestAKeyIsReadOnceAndPrintsNothing(t *testing.T) {
	t.Parallel()
	k, text := newKey(t)
	if out := fmt.Sprintf("%v %+v %#v %s %x", k, k, k, k, k); strings.ContainsAny(out, "0123456789{") {
		t.Errorf("a key prints %s", out)
	}
	var keys dpop.Keys
	first, err := keys.Get(text)
	if err != nil || first.Thumbprint() != k.Thumbprint() {
		t.Fatalf("got %v, %v", first, err)
	}
	if again, err := keys.Get(text); err != nil || again != first {
		t.Errorf("read again: %v, %v", again, err)
	}
	for _, bad := range []string{"", "?", "AAAA", strings.Repeat("A", 43), text + text} {
		if _, err := keys.Get(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}

func TestNoncesAreThoseOfTheirServer(t *testing.T) {
	t.Parallel()
	var n dpop.Nonces
	header := func(lines ...string) http.Header { return http.Header{"Dpop-Nonce": lines} }
	for _, row := range []struct {
		name, origin, want string
		answer             http.Header
	}{
		{"none yet", "https://a", "", http.Header{}},
		{"the first", "https://a", "a-1", header("a-1")},
		{"of another server", "https://b", "b-1", header("b-1")},
		{"a newer one", "https://a", "a-2", header("a-2")},
		{"an answer without one", "https://a", "a-2", http.Header{}},
		{"two are none", "https://a", "a-2", header("a-3", "a-4")},
		{"no character of a nonce", "https://a", "a-2", header("a 3")},
		{"nor this", "https://a", "a-2", header(`a"3`)},
		{"too long", "https://a", "a-2", header(strings.Repeat("a", 1025))},
		{"the other's stays", "https://b", "b-1", nil},
	} {
		n.Keep(row.origin, dpop.NonceOf(row.answer))
		if got := n.Of(row.origin); got != row.want {
			t.Errorf("%s: %q", row.name, got)
		}
	}
}

func TestServersCannotMakeNoncesGrow(t *testing.T) {
	t.Parallel()
	var n dpop.Nonces
	var origins []string
	var wg sync.WaitGroup
	for i := range 1000 {
		origin := fmt.Sprintf("https://%d", i)
		origins = append(origins, origin)
		wg.Go(func() { n.Keep(origin, "x") })
	}
	wg.Wait()
	known := slices.DeleteFunc(origins, func(o string) bool { return n.Of(o) == "" })
	if len(known) != 256 {
		t.Errorf("%d are known", len(known))
	}
}

func BenchmarkProof(b *testing.B) {
	text, err := dpop.NewKey()
	if err != nil {
		b.Fatal(err)
	}
	var keys dpop.Keys
	p := dpop.Proof{
		Method: "GET", URL: &url.URL{Scheme: "http", Host: "orders:9000", Path: "/v1/orders"},
		AccessToken: strings.Repeat("a", 900), Nonce: "nonce", At: time.Unix(1, 0),
	}
	b.ReportAllocs()
	for b.Loop() {
		k, err := keys.Get(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Proof(p); err != nil {
			b.Fatal(err)
		}
	}
}
