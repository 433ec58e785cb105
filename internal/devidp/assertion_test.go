package devidp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// newClientKey makes a key and the set that a provider gets to know.
func newClientKey(t *testing.T, id string) (jose.JSONWebKey, json.RawMessage) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: id, Algorithm: "ES256", Use: "sig"}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	return key, set
}

// assert makes a good assertion, changed by change, and signs it.
func assert(t *testing.T, p *party, alg jose.SignatureAlgorithm, key any, change func(claims map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": "keyed", "sub": "keyed", "aud": p.idp.Issuer(), "jti": rand.Text(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	change(claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// asserting authenticates with one assertion, however often.
func asserting(text string) func(*http.Request, url.Values) {
	return func(_ *http.Request, f url.Values) {
		f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		f.Set("client_assertion", text)
	}
}

func TestAnAssertionIsHeldToTheLetter(t *testing.T) {
	t.Parallel()
	key, set := newClientKey(t, "one")
	foreign, _ := newClientKey(t, "one")
	p := newPartyWith(t, devidp.Config{Clients: []devidp.Client{
		{ID: "keyed", Auth: devidp.PrivateKeyJWT, JWKS: set, RedirectURIs: []string{callback}},
		{ID: "signing", Auth: devidp.SecretJWT, Secret: "a secret of thirty-two bytes or so", RedirectURIs: []string{callback}},
	}})
	for _, row := range []struct {
		name   string
		alg    jose.SignatureAlgorithm
		key    any
		change func(map[string]any)
		want   string // the error
	}{
		{"a good one", jose.ES256, key, func(map[string]any) {}, "invalid_grant"}, // for what it then asks
		{"another's key", jose.ES256, foreign, func(map[string]any) {}, "invalid_client"},
		{"a secret in a key's place", jose.HS256, []byte("a secret of thirty-two bytes or so"), func(map[string]any) {}, "invalid_client"},
		{"a secret", jose.HS256, []byte("a secret of thirty-two bytes or so"), func(c map[string]any) { c["iss"], c["sub"] = "signing", "signing" }, "invalid_grant"},
		{"another secret", jose.HS256, []byte("another secret of thirty-two bytes"), func(c map[string]any) { c["iss"], c["sub"] = "signing", "signing" }, "invalid_client"},
		{"another issuer", jose.ES256, key, func(c map[string]any) { c["iss"] = "other" }, "invalid_client"},
		{"the token endpoint as audience", jose.ES256, key, func(c map[string]any) { c["aud"] = p.idp.URL + "/token" }, "invalid_client"},
		{"a list of audiences", jose.ES256, key, func(c map[string]any) { c["aud"] = []string{p.idp.URL} }, "invalid_client"},
		{"no end", jose.ES256, key, func(c map[string]any) { delete(c, "exp") }, "invalid_client"},
		{"over", jose.ES256, key, func(c map[string]any) { c["exp"] = time.Now().Unix() - 1 }, "invalid_client"},
		{"too long", jose.ES256, key, func(c map[string]any) { c["exp"] = time.Now().Unix() + 90 }, "invalid_client"},
		{"of the future", jose.ES256, key, func(c map[string]any) { c["iat"] = time.Now().Unix() + 30 }, "invalid_client"},
		{"no id", jose.ES256, key, func(c map[string]any) { delete(c, "jti") }, "invalid_client"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.auth = asserting(assert(t, p, row.alg, row.key, row.change))
			p.mustRefuse(p.refresh("unknown"), row.want)
			if row.want == "invalid_grant" { // and it is taken once
				p.mustRefuse(p.refresh("unknown"), "invalid_client")
			}
		})
	}
}

func TestAKeyThatIsPublishedLaterIsFetched(t *testing.T) {
	t.Parallel()
	old, first := newClientKey(t, "old")
	next, second := newClientKey(t, "next")
	var published atomic.Pointer[json.RawMessage]
	published.Store(&first)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*published.Load()) }))
	t.Cleanup(s.Close)
	p := newPartyWith(t, devidp.Config{Clients: []devidp.Client{{ID: "keyed", Auth: devidp.PrivateKeyJWT, JWKSURI: s.URL, RedirectURIs: []string{callback}}}})
	come := func(key jose.JSONWebKey, want string) {
		t.Helper()
		p.auth = asserting(assert(t, p, jose.ES256, key, func(map[string]any) {}))
		p.mustRefuse(p.refresh("unknown"), want)
	}
	come(old, "invalid_grant")
	come(next, "invalid_client")
	published.Store(&second)
	come(next, "invalid_grant")
}
