package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/session"
)

// mint signs logout tokens as a provider would, and counts who asks for its keys.
type mint struct {
	*Client
	t       *testing.T
	key     *ecdsa.PrivateKey
	now     time.Time
	fetches int
	down    bool
}

func newMint(t *testing.T, issuers Issuers) *mint {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &mint{t: t, key: key, now: time.Unix(2_000_000_000, 0)}
	o.Client, err = New(Config{
		Issuer: "https://id.example.com/", Issuers: issuers, ClientID: "app", ClientAuth: NoSecret,
		RedirectURL: "https://app.example.com/cb", Now: func() time.Time { return o.now },
		Endpoints: Endpoints{Authorization: "https://id.example.com/a", Token: "https://id.example.com/t", JWKS: "https://id.example.com/k"},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.keys.fetch = func(context.Context, string) ([]byte, error) {
		o.fetches++
		if o.down {
			return nil, errors.New("down")
		}
		return publish(t, jose.JSONWebKey{Key: key.Public(), KeyID: "k"}), nil
	}
	return o
}

// claims are those of a good token.
func (o *mint) claims() map[string]any {
	return map[string]any{
		"iss": "https://id.example.com/", "aud": "app", "iat": o.now.Unix(), "exp": o.now.Add(2 * time.Minute).Unix(), "jti": "j1",
		"sub": "alice", "sid": "s1", "events": map[string]any{logoutEvent: map[string]any{}}, "trace_id": "nobody knows me",
	}
}

// token signs claims; header has more than alg and kid.
func (o *mint) token(alg jose.SignatureAlgorithm, key any, kid string, header, claims map[string]any) string {
	o.t.Helper()
	options := new(jose.SignerOptions).WithHeader("kid", kid)
	for name, value := range header {
		options = options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		o.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		o.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		o.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		o.t.Fatal(err)
	}
	return text
}

func (o *mint) good(typ any, claims map[string]any) string {
	o.t.Helper()
	var header map[string]any
	if typ != nil {
		header = map[string]any{"typ": typ}
	}
	return o.token(jose.ES256, o.key, "k", header, claims)
}

func TestALogoutTokenSaysWhoIsOut(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	for _, typ := range []any{nil, "JWT", "jwt", "logout+jwt", "Logout+JWT", "application/logout+jwt"} {
		l, err := o.VerifyLogoutToken(t.Context(), o.good(typ, o.claims()))
		want := Logout{"https://id.example.com/", "alice", "s1", "j1", o.now, o.now.Add(3 * time.Minute)}
		if err != nil || *l != want {
			t.Errorf("typ %v: got %+v, %v", typ, l, err)
		}
	}
	for name, change := range map[string]func(map[string]any){
		"sub alone":               func(c map[string]any) { delete(c, "sid") },
		"sid alone":               func(c map[string]any) { delete(c, "sub") },
		"aud is a list":           func(c map[string]any) { c["aud"] = []string{"app"} },
		"more events":             func(c map[string]any) { c["events"].(map[string]any)["urn:other"] = "x" },
		"the event has members":   func(c map[string]any) { c["events"] = map[string]any{logoutEvent: map[string]any{"why": "x"}} },
		"exp is a year ahead":     func(c map[string]any) { c["exp"] = o.now.AddDate(1, 0, 0).Unix() },
		"as old as a token may":   func(c map[string]any) { c["iat"] = o.now.Add(-11 * time.Minute).Unix() },
		"the clock is a bit slow": func(c map[string]any) { c["iat"] = o.now.Add(time.Minute).Unix() },
		"the clock is a bit fast": func(c map[string]any) { c["exp"] = o.now.Add(-59 * time.Second).Unix() },
	} {
		c := o.claims()
		change(c)
		l, err := o.VerifyLogoutToken(t.Context(), o.good("logout+jwt", c))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if life := l.Until.Sub(o.now); life <= 0 && name != "as old as a token may" || life > 12*time.Minute {
			t.Errorf("%s: it is remembered for %v", name, life)
		}
	}
}

func TestBadLogoutTokensAreRefused(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: o.key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	good := o.good("logout+jwt", o.claims())
	head, rest, _ := strings.Cut(good, ".")
	payload, sum, _ := strings.Cut(rest, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	tampered := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"sub":"bob",%s`, must(base64.RawURLEncoding.DecodeString(payload))[1:]))
	long := o.claims()
	long["pad"] = strings.Repeat("x", longestLogoutToken)
	texts := map[string]string{
		"nothing":                  "",
		"no JWT":                   "x",
		"encrypted":                good + ".x.y",
		"tampered":                 head + "." + tampered + "." + sum,
		"no signature":             head + "." + payload + ".",
		"none":                     none + "." + payload + ".",
		"none, with a signature":   none + "." + payload + "." + sum,
		"HS256 keyed with public":  o.token(jose.HS256, public, "k", nil, o.claims()),
		"a foreign key":            o.token(jose.ES256, other, "x", nil, o.claims()),
		"a foreign key, known kid": o.token(jose.ES256, other, "k", nil, o.claims()),
		"its own jwk":              o.token(jose.ES256, other, "x", map[string]any{"jwk": jose.JSONWebKey{Key: other.Public()}}, o.claims()),
		"too long":                 o.good(nil, long),
		"no JSON object in it":     o.token(jose.ES256, o.key, "k", nil, nil),
		"typ of an access token":   o.good("at+jwt", o.claims()),
		"typ of an ID token":       o.good("id_token+jwt", o.claims()),
		"typ of a security event":  o.good("secevent+jwt", o.claims()),
		"typ of a proof":           o.good("dpop+jwt", o.claims()),
		"typ is a number":          o.good(7, o.claims()),
		"critical and nobody's":    o.token(jose.ES256, o.key, "k", map[string]any{"crit": []string{"urn:x"}, "urn:x": true}, o.claims()),
		"commas":                   strings.ReplaceAll(good, ".", ","),
	}
	for name, change := range map[string]func(map[string]any){
		"no iss":                func(c map[string]any) { delete(c, "iss") },
		"wrong iss":             func(c map[string]any) { c["iss"] = "https://evil.example" },
		"iss without its slash": func(c map[string]any) { c["iss"] = "https://id.example.com" },
		"no aud":                func(c map[string]any) { delete(c, "aud") },
		"wrong aud":             func(c map[string]any) { c["aud"] = "other" },
		"a further aud":         func(c map[string]any) { c["aud"] = []string{"app", "other"} },
		"no iat":                func(c map[string]any) { delete(c, "iat") },
		"iat ahead":             func(c map[string]any) { c["iat"] = o.now.Add(time.Hour).Unix() },
		"iat long ago":          func(c map[string]any) { c["iat"] = o.now.Add(-12 * time.Minute).Unix() },
		"no exp":                func(c map[string]any) { delete(c, "exp") },
		"exp is text":           func(c map[string]any) { c["exp"] = "soon" },
		"expired":               func(c map[string]any) { c["exp"] = o.now.Add(-time.Minute).Unix() },
		"not yet":               func(c map[string]any) { c["nbf"] = o.now.Add(time.Hour).Unix() },
		"no jti":                func(c map[string]any) { delete(c, "jti") },
		"jti is empty":          func(c map[string]any) { c["jti"] = "" },
		"no sub, no sid":        func(c map[string]any) { delete(c, "sub"); delete(c, "sid") },
		"sid is empty":          func(c map[string]any) { c["sid"] = "" },
		"sid is null":           func(c map[string]any) { c["sid"] = nil },
		"sid is a list":         func(c map[string]any) { c["sid"] = []string{"s1"} },
		"sub is empty":          func(c map[string]any) { c["sub"] = "" },
		"sub is a number":       func(c map[string]any) { c["sub"] = 7 },
		"nonce":                 func(c map[string]any) { c["nonce"] = "n" },
		"nonce is null":         func(c map[string]any) { c["nonce"] = nil },
		"no events":             func(c map[string]any) { delete(c, "events") },
		"events is text":        func(c map[string]any) { c["events"] = logoutEvent },
		"events is a list":      func(c map[string]any) { c["events"] = []string{logoutEvent} },
		"another event":         func(c map[string]any) { c["events"] = map[string]any{"urn:other": map[string]any{}} },
		"the event is text":     func(c map[string]any) { c["events"] = map[string]any{logoutEvent: "x"} },
		"the event is null":     func(c map[string]any) { c["events"] = map[string]any{logoutEvent: nil} },
		"an ID token":           func(c map[string]any) { delete(c, "events"); c["nonce"], c["auth_time"] = "n", o.now.Unix() },
		"an access token":       func(c map[string]any) { delete(c, "events"); c["scope"] = "read" },
	} {
		c := maps.Clone(o.claims())
		change(c)
		texts[name] = o.good("logout+jwt", c)
	}
	for name, text := range texts {
		l, err := o.VerifyLogoutToken(t.Context(), text)
		if l != nil || !errors.Is(err, ErrLogoutToken) {
			t.Errorf("%s: got %+v, %v", name, l, err)
			continue
		}
		for secret := range strings.SplitSeq(text, ".") {
			if len(secret) > 20 && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error holds the token: %v", name, err)
			}
		}
	}
	if _, err := o.VerifyLogoutToken(t.Context(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestALogoutTokenOfATenantIsFiledUnderIt(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{Template: "https://id.example.com/{tenantid}/v2", Tenants: []string{"a", "b"}})
	for _, row := range []struct {
		iss, tid any
		want     bool
	}{
		{"https://id.example.com/a/v2", nil, true},
		{"https://id.example.com/b/v2", "b", true},
		{"https://id.example.com/a/v2", "b", false},
		{"https://id.example.com/a/v2", 7, false},
		{"https://id.example.com/c/v2", nil, false},
		{"https://id.example.com/", nil, false},
	} {
		c := o.claims()
		c["iss"] = row.iss
		if row.tid != nil {
			c["tid"] = row.tid
		}
		l, err := o.VerifyLogoutToken(t.Context(), o.good(nil, c))
		if (err == nil) != row.want || err == nil && l.Issuer != row.iss {
			t.Errorf("%v, tid %v: %+v, %v", row.iss, row.tid, l, err)
		}
	}
}

func TestALogoutTokenIsNotRefusedForKeysThatAreAway(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	o.down = true
	_, err := o.VerifyLogoutToken(t.Context(), o.good(nil, o.claims()))
	if failed, ok := errors.AsType[*session.RefreshError](err); !ok || failed.Class != session.Transient || errors.Is(err, ErrLogoutToken) {
		t.Errorf("got %v", err)
	}
	o.down, o.now = false, o.now.Add(time.Second)
	if _, err := o.VerifyLogoutToken(t.Context(), o.good(nil, o.claims())); err != nil {
		t.Errorf("when they are back: %v", err)
	}
}

func TestForgedLogoutTokensHoldUpNoLogin(t *testing.T) {
	t.Parallel()
	o := newMint(t, Issuers{})
	if _, err := o.VerifyLogoutToken(t.Context(), o.good(nil, o.claims())); err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		forged := o.token(jose.ES256, other, fmt.Sprint("x", i), nil, o.claims())
		if _, err := o.VerifyLogoutToken(t.Context(), forged); !errors.Is(err, ErrLogoutToken) {
			t.Fatal(err)
		}
	}
	if o.fetches != 2 {
		t.Errorf("%d fetches of the keys, want one for the good token and one for the forged", o.fetches)
	}
	// The provider rotates now: an ID token from its own answer is believed at once.
	if o.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	o.keys.fetch = func(context.Context, string) ([]byte, error) {
		return publish(t, jose.JSONWebKey{Key: o.key.Public(), KeyID: "new"}), nil
	}
	fresh := &signature{keys: o.keys, algs: algorithms()}
	if _, err := fresh.VerifySignature(t.Context(), o.token(jose.ES256, o.key, "new", nil, o.claims())); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
}

// FuzzLogoutToken reads whatever a provider may sign. Nothing panics, and what passes
// names somebody, is remembered for minutes, and is for us.
func FuzzLogoutToken(f *testing.F) {
	now := time.Unix(2_000_000_000, 0)
	c, err := New(Config{
		Issuer: "https://id.example.com", ClientID: "c", ClientAuth: NoSecret, RedirectURL: "https://app.example.com/cb",
		Now: func() time.Time { return now },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("logout+jwt", `{"iss":"https://id.example.com","aud":"c","iat":2000000000,"exp":2000000120,"jti":"j","sid":"s","events":{"`+logoutEvent+`":{}}}`)
	f.Add("", `{"iss":"https://id.example.com","aud":["c"],"iat":2000000000.5,"exp":2e9,"jti":"j","sub":"a","sid":"","events":{"`+logoutEvent+`":{}}}`)
	f.Add("JWT", `{"events":{"`+logoutEvent+`":null},"nonce":null}`)
	f.Add("JWT", `[]`)
	f.Fuzz(func(t *testing.T, typ, payload string) {
		l, err := c.readLogout(&metadata{Issuer: c.cfg.Issuer}, typ, []byte(payload))
		if err != nil {
			return
		}
		if l.Issuer != c.cfg.Issuer || l.ID == "" || l.Subject == "" && l.ProviderSession == "" || l.Until.Before(now) || l.Until.Sub(now) > 2*oldestLogout {
			t.Fatalf("got %+v", l)
		}
	})
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
