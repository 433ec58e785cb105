package demo_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"
)

type greeting struct {
	Who       string  `json:"who"`
	Count     uint64  `json:"count"`
	Age       float64 `json:"token_age_seconds"`
	Remaining float64 `json:"token_remaining_seconds"`
}

func TestTheAPIAnswersWhoeverHasAGoodToken(t *testing.T) {
	t.Parallel()
	b := newAPIBench(t)
	for i, header := range []map[string]any{nil, {"alg": "RS256", "kid": "rsa"}, {"typ": "application/at+jwt"}} {
		token := b.provider.token(t, time.Now(), header, nil)
		w := b.ask(t, http.MethodGet, "/api/hello", "Authorization", "bearer "+token)
		if w.Code != http.StatusOK {
			t.Fatalf("%v: %d %s", header, w.Code, w.Body)
		}
		g := decode[greeting](t, w)
		if g.Who != "alice" || g.Count != uint64(i+1) || g.Remaining <= 8 || g.Remaining > 10 || g.Age < 5 {
			t.Errorf("%+v", g)
		}
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(w.Body.String(), part) {
				t.Error("the answer holds a part of the token")
			}
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("a personal answer may be stored")
		}
	}
}

func TestTheAPIRefusesEveryOtherToken(t *testing.T) {
	t.Parallel()
	b := newAPIBench(t)
	now := time.Now()
	good := b.provider.token(t, now, nil, nil)
	foreign := newProvider(t)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"run out":                b.provider.token(t, now, nil, map[string]any{"exp": now.Add(-time.Second).Unix()}),
		"without end":            b.provider.token(t, now, nil, map[string]any{"exp": nil}),
		"another issuer":         b.provider.token(t, now, nil, map[string]any{"iss": "http://127.0.0.1:1"}),
		"nobody's":               b.provider.token(t, now, nil, map[string]any{"sub": ""}),
		"an ID token":            b.provider.token(t, now, map[string]any{"typ": "JWT"}, nil),
		"an untyped token":       b.provider.token(t, now, map[string]any{"typ": nil}, nil),
		"a foreign key":          foreign.token(t, now, nil, map[string]any{"iss": b.provider.URL}),
		"an unknown key":         b.provider.token(t, now, map[string]any{"kid": "other"}, nil),
		"an encryption key":      b.provider.token(t, now, map[string]any{"alg": "RS256", "kid": "enc"}, nil),
		"algorithm of other key": b.provider.token(t, now, map[string]any{"kid": "rsa"}, nil),
		"RSA as PS256":           b.provider.token(t, now, map[string]any{"alg": "PS256", "kid": "rsa"}, nil),
		"P-256 as ES384":         b.provider.token(t, now, map[string]any{"alg": "ES384"}, nil),
		"algorithm none":         b64([]byte(`{"alg":"none","kid":"ec","typ":"at+jwt"}`)) + "." + parts[1] + ".",
		"HMAC with public key":   hmacToken(t, b, parts[1]),
		"changed claims":         parts[0] + "." + b64([]byte(`{"sub":"bob"}`)) + "." + parts[2],
		"short signature":        parts[0] + "." + parts[1] + "." + parts[2][:20],
		"no signature":           parts[0] + "." + parts[1] + ".",
		"two parts":              parts[0] + "." + parts[1],
		"opaque":                 "rt_0123456789",
		"no base64url":           "!.!.!",
		"no JSON":                "AAAA." + parts[1] + "." + parts[2],
	} {
		w := b.ask(t, http.MethodGet, "/api/hello", "Authorization", "Bearer "+token)
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: %d, challenge %q", name, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
}

// hmacToken is signed with the public key as the secret of an HMAC.
func hmacToken(t *testing.T, b *bench, claims string) string {
	t.Helper()
	secret, err := b.provider.ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(`{"alg":"HS256","kid":"ec","typ":"at+jwt"}`)) + "." + claims
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

func TestTheAPIWantsOneBearerToken(t *testing.T) {
	t.Parallel()
	b := newAPIBench(t)
	good := b.provider.token(t, time.Now(), nil, nil)
	for name, header := range map[string][]string{
		"none":         nil,
		"basic":        {"Authorization", "Basic YWxpY2U6YWxpY2U="},
		"only scheme":  {"Authorization", "Bearer"},
		"empty":        {"Authorization", "Bearer "},
		"two of them":  {"Authorization", "Bearer " + good, "Authorization", "Bearer " + good},
		"as a subject": alice(),
	} {
		w := b.ask(t, http.MethodGet, "/api/hello", header...)
		if challenge := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || strings.Contains(challenge, "error=") || !strings.HasPrefix(challenge, "Bearer") {
			t.Errorf("%s: %d, challenge %q", name, w.Code, challenge)
		}
	}
}

func TestTheAPIGoesOnWhileTheProviderIsAway(t *testing.T) {
	t.Parallel()
	b := newAPIBench(t)
	good := b.provider.token(t, time.Now(), nil, nil)
	call := func() int { return b.ask(t, http.MethodGet, "/api/hello", "Authorization", "Bearer "+good).Code }

	b.provider.away.Store(true)
	if got := call(); got != http.StatusServiceUnavailable {
		t.Errorf("without any key: %d, want 503 and no verdict on the token", got)
	}
	b.provider.away.Store(false)
	if got := call(); got != http.StatusOK {
		t.Fatalf("the provider is back: %d", got)
	}
	b.provider.away.Store(true)
	b.ahead.Store(int64(5 * time.Second))
	if got := call(); got != http.StatusOK {
		t.Errorf("the keys are known: %d", got)
	}
}

func TestUnknownKeysMakeNoHammer(t *testing.T) {
	t.Parallel()
	b := newAPIBench(t)
	unknown := b.provider.token(t, time.Now(), map[string]any{"kid": "other"}, nil)
	for range 20 {
		b.ask(t, http.MethodGet, "/api/hello", "Authorization", "Bearer "+unknown)
	}
	if got := b.provider.asks.Load(); got > 2 {
		t.Errorf("20 tokens with an unknown key asked for the keys %d times", got)
	}
}

func FuzzBearer(f *testing.F) {
	b := newAPIBench(f)
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIiwidHlwIjoiYXQrand0In0.e30.AA")
	f.Add("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if w := b.ask(t, http.MethodGet, "/api/hello", "Authorization", "Bearer "+token); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", token, w.Code)
		}
	})
}
