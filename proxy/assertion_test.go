package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// keySet reads /bff/jwks.json as an API does.
func (f *front) keySet(t testing.TB) map[string]*ecdsa.PublicKey {
	t.Helper()
	var set struct{ Keys []publicKey }
	res := f.get(t, "/bff/jwks.json")
	if err := json.Unmarshal([]byte(text(t, res)), &set); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		if k.Type != "EC" || k.Curve != "P-256" || k.Alg != "ES256" || k.Use != "sig" {
			t.Errorf("key %+v", k)
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, unbase64(t, k.X)...), unbase64(t, k.Y)...))
		if err != nil {
			t.Fatal(err)
		}
		keys[k.ID] = public
	}
	return keys
}

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checked returns the claims of a JWT whose signature one of the keys has made.
func checked(t testing.TB, keys map[string]*ecdsa.PublicKey, jwt string) (claims map[string]any, kid string) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", jwt)
	}
	var header map[string]string
	if err := json.Unmarshal(unbase64(t, parts[0]), &header); err != nil || header["alg"] != "ES256" || header["typ"] != "JWT" {
		t.Fatalf("header %v, %v", header, err)
	}
	key, signature := keys[header["kid"]], unbase64(t, parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if key == nil || len(signature) != 64 || !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Fatalf("no published key has signed %s", jwt)
	}
	if err := json.Unmarshal(unbase64(t, parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return claims, header["kid"]
}

// clock is a time that a test moves.
type clock struct{ atomic.Pointer[time.Time] }

func newClock() *clock {
	c, now := &clock{}, time.Now()
	c.Store(&now)
	return c
}

func (c *clock) now() time.Time { return *c.Load() }

func (c *clock) move(d time.Duration) {
	next := c.now().Add(d)
	c.Store(&next)
}

func TestAnUpstreamCanCheckWhoAsks(t *testing.T) {
	up := api(t, nil)
	time0 := newClock()
	f := open(t, []Route{
		{Path: "/api/", Upstream: up.url, Assertion: Assertion{Header: "x-identity", Claims: []string{"email", "roles", "missing"}}},
		{Path: "/named/", Upstream: up.url, Token: NoToken, Access: Optional, Assertion: Assertion{Header: "X-Identity", Audience: "billing"}},
		{Path: "/plain/", Upstream: up.url, Access: Public},
	}, func(c *Config) { c.Now = time0.now })
	_, ticket := f.signIn(t, time.Hour)
	me := []string{"Cookie: " + f.cookie(ticket), "X-CSRF: 1", "X-Identity: forged", "X_Identity: forged"}
	f.get(t, "/api/", me...)
	claims, _ := checked(t, f.keySet(t), up.last(t).Header.Get("X-Identity"))
	now := float64(time0.now().Unix())
	want := map[string]any{
		"iss": "https://" + publicHost, "sub": "alice", "aud": up.url.String(), "iat": now, "exp": now + 60,
		"email": "alice@example.com", "roles": []any{"a,b", "ops"},
	}
	got, _ := json.Marshal(claims)
	if wanted, _ := json.Marshal(want); !bytes.Equal(got, wanted) {
		t.Errorf("claims\n%s\nwant\n%s", got, wanted)
	}
	f.get(t, "/named/", me...)
	if claims, _ := checked(t, f.keySet(t), up.last(t).Header.Get("X-Identity")); claims["aud"] != "billing" || claims["email"] != nil {
		t.Errorf("claims %v", claims)
	}
	f.get(t, "/named/", "X-Identity: forged")
	if v := up.last(t).Header["X-Identity"]; v != nil {
		t.Errorf("nobody is %q", v)
	}
	f.get(t, "/plain/", me...)
	if h := up.last(t).Header; h["X-Identity"] != nil || h["X_identity"] != nil {
		t.Errorf("a forged one passes where none is sent: %v", h)
	}
}

// A signature costs more than all the rest of a request.
func TestAnAssertionServesForHalfItsLife(t *testing.T) {
	up := api(t, nil)
	time0 := newClock()
	f := open(t, []Route{{Path: "/api/", Upstream: up.url, Assertion: Assertion{Header: "X-Who"}}}, func(c *Config) { c.Now = time0.now })
	_, alice := f.signIn(t, time.Hour)
	_, other := f.signIn(t, time.Hour)
	ask := func(ticket string) string {
		f.get(t, "/api/", "Cookie: "+f.cookie(ticket), "X-CSRF: 1")
		return up.last(t).Header.Get("X-Who")
	}
	first := ask(alice)
	if ask(other) == first {
		t.Fatal("two sessions share one")
	}
	made, keys := time0.now(), f.keySet(t)
	for i := range 100 {
		time0.move(time.Duration([]int{29, 14, 1}[i%3]) * time.Second)
		got := ask(alice)
		claims, _ := checked(t, keys, got)
		left := time.Unix(int64(claims["exp"].(float64)), 0).Sub(time0.now())
		if left < assertionLife/2-time.Second || left > assertionLife {
			t.Fatalf("it goes out with %v left", left)
		}
		if got != first {
			if age := time0.now().Sub(made); age < assertionTurn {
				t.Fatalf("another one after %v", age)
			}
			first, made = got, time0.now()
		}
	}
}

func TestAnAssertionIsOfTheNewestClaims(t *testing.T) {
	a := newAssertions(&Route{Upstream: mustURL("h2c://orders:9000/base"), Assertion: Assertion{Header: "X-Who"}})
	if a.audience != "http://orders:9000" {
		t.Errorf("the audience is %s", a.audience)
	}
	f := open(t, nil)
	rt := &route{assertions: a}
	x := &exchange{state: &session.State{Grant: session.Grant{Subject: "alice"}}}
	if err := f.assert(x, rt); err != nil {
		t.Fatal(err)
	}
	first := x.proof
	x.state = &session.State{Grant: session.Grant{Subject: "alice"}}
	if err := f.assert(x, rt); err != nil || x.proof == first {
		t.Errorf("another state has the assertion of the one before, %v", err)
	}
}

func TestTheKeysOfAssertionsRotateWithTheKeyring(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{{Path: "/api/", Upstream: up.url, Assertion: Assertion{Header: "X-Who"}}})
	_, ticket := f.signIn(t, time.Hour)
	ask := func() string {
		f.get(t, "/api/", "Cookie: "+f.cookie(ticket), "X-CSRF: 1")
		return up.last(t).Header.Get("X-Who")
	}
	ring := func(seeds ...byte) {
		var secrets [][]byte
		for _, b := range seeds {
			secrets = append(secrets, bytes.Repeat([]byte{b}, session.KeySize))
		}
		keys, err := session.NewKeyring(secrets...)
		if err == nil {
			err = f.sessions.SetKeys(keys)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := ask()
	_, old := checked(t, f.keySet(t), before)
	ring(8, 7)
	keys := f.keySet(t)
	if len(keys) != 2 {
		t.Fatalf("%d keys are published", len(keys))
	}
	checked(t, keys, before)
	if _, kid := checked(t, keys, ask()); kid == old {
		t.Error("the old key signs on")
	}
	ring(7)
	if _, kid := checked(t, f.keySet(t), ask()); kid != old {
		t.Error("the same keyring has another key than before")
	}
}

func TestEverySecretIsAKey(t *testing.T) {
	for name, secret := range map[string][]byte{"zero": make([]byte, 32), "too large": bytes.Repeat([]byte{0xff}, 32)} {
		k, err := newSigningKey(secret)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := newSigningKey(secret)
		if err != nil || again.public != k.public {
			t.Errorf("%s: another key each time, %v", name, err)
		}
	}
}
