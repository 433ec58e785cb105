package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// sign signs a payload as a provider would.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, typ string) *jose.JSONWebSignature {
	t.Helper()
	options := new(jose.SignerOptions).WithType(jose.ContentType(typ))
	if kid != "" {
		options = options.WithHeader(jose.HeaderKey("kid"), kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"sub":"alice"}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

// publish writes a key set, with members that jose would not write.
func publish(t *testing.T, keys ...any) []byte {
	t.Helper()
	doc, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheFittingKeyIsFoundInAHardSet(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk := func(key crypto.Signer, kid, alg, use string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: alg, Use: use}
	}
	odd := []any{
		map[string]any{"kty": "EC", "crv": "secp256k1", "kid": "k", "x": "AA", "y": "AA"},
		map[string]any{"kty": "OKP", "crv": "X25519", "kid": "x", "x": "AA"},
		map[string]any{"kty": "oct", "kid": "k", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
		map[string]any{"kty": "to come"},
		"not a key",
	}
	for _, row := range []struct {
		name string
		keys []any
		alg  jose.SignatureAlgorithm
		key  any
		kid  string
		want error
	}{
		{"one key id for several types", []any{jwk(other, "k", "", ""), jwk(rsaKey, "k", "", ""), jwk(p256, "k", "", "")}, jose.ES256, p256, "k", nil},
		{"one key id for two curves", []any{jwk(p384, "k", "", ""), jwk(p256, "k", "", "")}, jose.ES384, p384, "k", nil},
		{"an id, but another curve", []any{jwk(p256, "k", "", "")}, jose.ES384, p384, "k", errUnknownKey},
		{"the same, for encryption", []any{jwk(rsaKey, "k", "", "enc"), jwk(rsaKey, "k", "", "sig")}, jose.RS256, rsaKey, "k", nil},
		{"only for encryption", []any{jwk(rsaKey, "k", "", "enc"), jwk(p256, "p", "", "")}, jose.RS256, rsaKey, "k", errUnknownKey},
		{"for another algorithm", []any{jwk(rsaKey, "k", "RS512", "")}, jose.RS256, rsaKey, "k", errUnknownKey},
		{"PSS", []any{jwk(rsaKey, "k", "PS256", "sig")}, jose.PS256, rsaKey, "k", nil},
		{"Ed25519", []any{jwk(edKey, "k", "EdDSA", "sig")}, jose.EdDSA, edKey, "k", nil},
		{"no id, several keys", []any{jwk(other, "a", "", ""), jwk(p256, "b", "", "")}, jose.ES256, p256, "", nil},
		{"an id, keys without", []any{jwk(p256, "", "", "")}, jose.ES256, p256, "k", nil},
		{"an id that nobody has", []any{jwk(p256, "a", "", "")}, jose.ES256, p256, "b", errUnknownKey},
		{"false under a known id", []any{jwk(other, "k", "", "")}, jose.ES256, p256, "k", errForged},
		{"false, without id", []any{jwk(other, "k", "", "")}, jose.ES256, p256, "", errForged},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			doc := publish(t, append(append([]any{}, odd...), row.keys...)...)
			set := &keySet{now: time.Now, fetch: func(context.Context, string) ([]byte, error) { return doc, nil }}
			_, err := set.verify(t.Context(), "jwks", fromProvider, sign(t, row.alg, row.key, row.kid, "JWT"))
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
}

func TestASetWithoutAUsableKeyIsTheProvidersTrouble(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string]string{"empty": `{"keys":[]}`, "HTML": `<html>`, "a secret": `{"keys":[{"kty":"oct","k":"AAAA"}]}`, "nothing": `{}`} {
		set := &keySet{now: time.Now, fetch: func(context.Context, string) ([]byte, error) { return []byte(doc), nil }}
		if _, err := set.verify(t.Context(), "jwks", fromProvider, sign(t, jose.ES256, key, "k", "JWT")); !errors.Is(err, errNoKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldKeysAreFetchedAgainAndServeWhileThatFails(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	doc := publish(t, jose.JSONWebKey{Key: key.Public(), KeyID: "k"})
	now, fetches, down := time.Now(), 0, false
	set := &keySet{now: func() time.Time { return now }, fetch: func(context.Context, string) ([]byte, error) {
		fetches++
		if down {
			return nil, errors.New("down")
		}
		return doc, nil
	}}
	check := func(want int) {
		t.Helper()
		if _, err := set.verify(t.Context(), "jwks", fromProvider, sign(t, jose.ES256, key, "k", "JWT")); err != nil {
			t.Error(err)
		}
		if fetches != want {
			t.Errorf("%d fetches, want %d", fetches, want)
		}
	}
	check(1)
	check(1)
	now = now.Add(keysStale)
	check(2)
	now, down = now.Add(keysStale), true
	check(3)
	check(3) // not at every token
	now, down = now.Add(keysEvery), false
	check(4)
}

func TestOnlyAForgedKeyDelaysTheNextSearch(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now, fetches, published := time.Now(), 0, "a"
	set := &keySet{now: func() time.Time { return now }, fetch: func(context.Context, string) ([]byte, error) {
		fetches++
		return publish(t, jose.JSONWebKey{Key: key.Public(), KeyID: published}), nil
	}}
	check := func(kid string, want error, wantFetches int) {
		t.Helper()
		_, err := set.verify(t.Context(), "jwks", fromProvider, sign(t, jose.ES256, key, kid, "JWT"))
		if !errors.Is(err, want) || fetches != wantFetches {
			t.Errorf("%s: %v after %d fetches, want %v after %d", kid, err, fetches, want, wantFetches)
		}
	}
	check("a", nil, 1)
	published = "b"
	check("b", nil, 2)
	published = "c" // The second rotation within a minute.
	check("c", nil, 3)
	check("forged", errUnknownKey, 4)
	check("forged again", errUnknownKey, 4)
	now = now.Add(keysEvery)
	check("forged again", errUnknownKey, 5)
}

// One false signature must not hold up the logins after a rotation.
func TestAFalseSignatureDelaysNoSearchForAnUnknownKey(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now, fetches, published := time.Now(), 0, "a"
	set := &keySet{now: func() time.Time { return now }, fetch: func(context.Context, string) ([]byte, error) {
		fetches++
		return publish(t, jose.JSONWebKey{Key: key.Public(), KeyID: published}), nil
	}}
	check := func(kid string, by *ecdsa.PrivateKey, want error, wantFetches int) {
		t.Helper()
		_, err := set.verify(t.Context(), "jwks", fromProvider, sign(t, jose.ES256, by, kid, "JWT"))
		if !errors.Is(err, want) || fetches != wantFetches {
			t.Errorf("%s: %v after %d fetches, want %v after %d", kid, err, fetches, want, wantFetches)
		}
	}
	check("a", key, nil, 1)
	check("a", other, errForged, 2)
	check("a", other, errForged, 2)
	published = "b"
	check("b", other, errForged, 3) // the key was found, whatever is under it
	published = "c"
	check("c", key, nil, 4)
	check("c", other, errForged, 4)
	published = "b"
	check("b", key, nil, 5)
	check("forged", key, errUnknownKey, 6)
	check("forged", key, errUnknownKey, 6)
	now = now.Add(keysEvery)
	check("b", other, errForged, 7)
}

func TestOtherKindsOfTokensAreNoIDTokens(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]bool{
		"": true, "JWT": true, "jwt": true, "id_token+jwt": true,
		"at+jwt": false, "application/at+jwt": false, "AT+JWT": false, "logout+jwt": false, "dpop+jwt": false,
	} {
		if err := (&idToken{}).checkKind(typ); (err == nil) != want {
			t.Errorf("typ %q: %v", typ, err)
		}
	}
	if err := (&idToken{claims: claims{"events": map[string]any{}}}).checkKind("JWT"); err == nil {
		t.Error("a logout token passes")
	}
}

func TestOddClaimsAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Unix(2_000_000_000, 0)
	read := func(text string) *idToken {
		c, err := readClaims([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return &idToken{claims: c}
	}
	long := make([]byte, 256)
	for i := range long {
		long[i] = 'a'
	}
	for _, row := range []struct {
		name string
		err  error
	}{
		{"aud is a number", read(`{"aud":7}`).checkAudience("c")},
		{"aud holds a number", read(`{"aud":["c",7]}`).checkAudience("c")},
		{"aud is empty", read(`{"aud":[]}`).checkAudience("c")},
		{"azp is a list", read(`{"azp":["c"]}`).checkParty("c")},
		{"azp is null", read(`{"azp":null}`).checkParty("c")},
		{"sub is a number", read(`{"sub":7}`).checkSubject()},
		{"sub is empty", read(`{"sub":""}`).checkSubject()},
		{"sub is not ASCII", read(`{"sub":"ü"}`).checkSubject()},
		{"sub is too long", read(`{"sub":"` + string(long) + `"}`).checkSubject()},
		{"iss is a list", read(`{"iss":["i"]}`).checkIssuer(&Config{Issuer: "i"}, &metadata{Issuer: "i"})},
		{"iss is missing", read(`{}`).checkIssuer(&Config{}, &metadata{})},
		{"iss is a tenant's, tid is another's", read(`{"iss":"i/a","tid":"b"}`).checkIssuer(&Config{Issuers: Issuers{Template: "i/{tenantid}", Tenants: []string{"a", "b"}}}, &metadata{})},
		{"iss is a tenant's without tid", read(`{"iss":"i/a"}`).checkIssuer(&Config{Issuers: Issuers{Template: "i/{tenantid}", Tenants: []string{"a"}}}, &metadata{})},
		{"iss is the template", read(`{"iss":"i/{tenantid}","tid":"{tenantid}"}`).checkIssuer(&Config{Issuers: Issuers{Template: "i/{tenantid}", Tenants: []string{"a"}}}, &metadata{Issuer: "i/{tenantid}"})},
		{"exp is text", read(`{"exp":"2000000100","iat":2000000000}`).checkTimes(now, time.Minute)},
		{"exp is endless", read(`{"exp":1e300,"iat":2000000000}`).checkTimes(now, time.Minute)},
		{"nbf is ahead", read(`{"exp":2000000300,"iat":2000000000,"nbf":2000000200}`).checkTimes(now, time.Minute)},
		{"nbf is text", read(`{"exp":2000000300,"iat":2000000000,"nbf":"x"}`).checkTimes(now, time.Minute)},
		{"iat is a week old", read(`{"exp":2000000300,"iat":1999395200}`).checkTimes(now, time.Minute)},
		{"exp is just past the skew", read(`{"exp":1999999940,"iat":1999999900}`).checkTimes(now, time.Minute)},
		{"no nonce was asked for", read(`{"nonce":""}`).checkNonce("")},
		{"nonce is a list", read(`{"nonce":["n"]}`).checkNonce("n")},
	} {
		if row.err == nil {
			t.Errorf("%s: accepted", row.name)
		}
	}
	if err := read(`{"exp":1999999941,"iat":2000000060,"nbf":2000000060}`).checkTimes(now, time.Minute); err != nil {
		t.Errorf("within the skew: %v", err)
	}
}
