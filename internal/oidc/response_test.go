package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/session"
)

// said are the claims of a good signed answer.
func (o *mint) said() map[string]any {
	return map[string]any{
		"iss": "https://id.example.com/", "aud": "app", "exp": o.now.Add(time.Minute).Unix(), "state": "st", "code": "c0de",
	}
}

func TestASignedAnswerSaysWhatTheProviderSaid(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	for _, extra := range []map[string]any{{}, {"aud": []string{"app"}}, {"junk": 7}, {"error": "access_denied", "code": nil}} {
		claims := o.said()
		maps.Copy(claims, extra)
		token := o.token(jose.ES256, o.key, "k", map[string]any{"typ": "JWT"}, claims)
		got, err := o.OpenAnswer(t.Context(), token)
		if err != nil || got.Get("state") != "st" || StateOf(token) != "st" || got.Get("code") == "" && got.Get("error") != "access_denied" {
			t.Errorf("%v: %v, %v", extra, got, err)
		}
	}
}

func TestASignedAnswerOfSomebodyElseIsNone(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, value any) map[string]any {
		claims := o.said()
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
		return claims
	}
	good := o.token(jose.ES256, o.key, "k", nil, o.said())
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	for name, token := range map[string]string{
		"no token":        "code",
		"not signed":      none,
		"encrypted":       good + ".x.y",
		"a forged one":    o.token(jose.ES256, other, "k", nil, o.said()),
		"an unknown key":  o.token(jose.ES256, other, "z", nil, o.said()),
		"a shared secret": o.token(jose.HS256, []byte(strings.Repeat("s", 32)), "k", nil, o.said()),
		"another issuer":  o.token(jose.ES256, o.key, "k", nil, with("iss", "https://evil.example/")),
		"a slash less":    o.token(jose.ES256, o.key, "k", nil, with("iss", "https://id.example.com")),
		"no issuer":       o.token(jose.ES256, o.key, "k", nil, with("iss", nil)),
		"another client":  o.token(jose.ES256, o.key, "k", nil, with("aud", "other")),
		"a second client": o.token(jose.ES256, o.key, "k", nil, with("aud", []string{"app", "other"})),
		"no audience":     o.token(jose.ES256, o.key, "k", nil, with("aud", nil)),
		"expired":         o.token(jose.ES256, o.key, "k", nil, with("exp", o.now.Add(-2*time.Minute).Unix())),
		"no end":          o.token(jose.ES256, o.key, "k", nil, with("exp", nil)),
		"an access token": o.token(jose.ES256, o.key, "k", map[string]any{"typ": "at+jwt"}, o.said()),
		"a changed one":   parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"state":"st","code":"mine"}`)) + "." + parts[2],
	} {
		got, err := o.OpenAnswer(t.Context(), token)
		if _, refused := errors.AsType[*LoginError](err); !refused || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestASignedAnswerWaitsForTheKeys(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	token := o.token(jose.ES256, o.key, "k", nil, o.said())
	o.down = true
	_, err := o.OpenAnswer(t.Context(), token)
	if failed, ok := errors.AsType[*session.RefreshError](err); !ok || failed.Class != session.Transient {
		t.Errorf("without keys: %v", err)
	}
	o.down, o.now = false, o.now.Add(time.Second)
	if _, err := o.OpenAnswer(t.Context(), token); err != nil {
		t.Errorf("with keys: %v", err)
	}
}

// Anybody can send a browser here with keys that nobody knows.
func TestForgedAnswersMakeNoHammer(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, err := o.OpenAnswer(t.Context(), o.token(jose.ES256, other, rand.Text(), nil, o.said())); err == nil {
			t.Fatal("a forged answer is taken")
		}
	}
	if o.fetches > 2 {
		t.Errorf("the keys were fetched %d times", o.fetches)
	}
}
