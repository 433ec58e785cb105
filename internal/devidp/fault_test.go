package devidp_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// publishedKeys reads the provider's key set.
func (p *party) publishedKeys() *jose.JSONWebKeySet {
	p.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(p.get(p.endpoint("/jwks")).text), &set); err != nil {
		p.t.Fatal(err)
	}
	return &set
}

// verdict says what is wrong with a token's signature; empty for nothing.
func (p *party) verdict(token string) string {
	p.t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.HS256, "none"})
	if err != nil {
		p.t.Fatal(err)
	}
	header := signed.Signatures[0].Header
	switch header.Algorithm {
	case "none":
		return "none"
	case "HS256":
		key := p.publishedKeys().Key(header.KeyID)
		if len(key) != 1 {
			return "HS256 under an unknown kid"
		}
		der, err := x509.MarshalPKIXPublicKey(key[0].Key)
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := signed.Verify(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})); err != nil {
			return "HS256 with something"
		}
		return "HS256 with the public key"
	}
	keys := p.publishedKeys().Key(header.KeyID)
	if len(keys) == 0 {
		return "unknown kid"
	}
	if _, err := signed.Verify(keys[0]); err != nil {
		return "false"
	}
	return ""
}

func TestEachIDTokenFaultIsWrongInOneThing(t *testing.T) {
	t.Parallel()
	now := float64(time.Now().Unix())
	p := newParty(t, devidp.Knobs{RefreshTokenMode: devidp.Static, NonceOnRefresh: true})
	rt := p.login().str("refresh_token")
	claim := func(name string, want any) func(map[string]any) bool {
		return func(c map[string]any) bool { return c[name] == want }
	}
	type check = func(map[string]any) bool
	fine := func(c map[string]any) bool {
		return c["iss"] == p.idp.URL && c["sub"] == "alice" && c["aud"] == "app:1" && c["nonce"] == "the-nonce" && c["exp"].(float64) > now
	}
	for _, row := range []struct {
		fault     devidp.Fault
		signature string
		claims    check
	}{
		{"", "", fine},
		{devidp.ForeignKey, "unknown kid", fine},
		{devidp.WrongKey, "false", fine},
		{devidp.BrokenSignature, "false", fine},
		{devidp.AlgNone, "none", fine},
		{devidp.HMACPublicKey, "HS256 with the public key", fine},
		{devidp.HMACBroken, "HS256 under an unknown kid", fine},
		{devidp.WrongAudience, "", claim("aud", "somebody-else")},
		{devidp.WrongIssuer, "", claim("iss", "https://evil.example")},
		{devidp.WrongSubject, "", claim("sub", "mallory")},
		{devidp.WrongNonce, "", claim("nonce", "another-nonce")},
		{devidp.MissingNonce, "", claim("nonce", nil)},
		{devidp.MissingExpiry, "", claim("exp", nil)},
		{devidp.MissingIssued, "", claim("iat", nil)},
		{devidp.MissingSubject, "", claim("sub", nil)},
		{devidp.MissingAudience, "", claim("aud", nil)},
		{devidp.MissingIssuer, "", claim("iss", nil)},
		{devidp.WrongAuthorized, "", claim("azp", "somebody-else")},
		{devidp.WrongAccessHash, "", claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")},
		{devidp.Expired, "", func(c map[string]any) bool { return c["exp"].(float64) < now-1800 }},
		{devidp.FutureIssued, "", func(c map[string]any) bool { return c["iat"].(float64) > now+1800 }},
		{devidp.StaleIssued, "", func(c map[string]any) bool { return c["iat"].(float64) < now-80000 && c["exp"].(float64) > now }},
		{devidp.MovedAuthTime, "", func(c map[string]any) bool { return c["auth_time"].(float64) > now+1800 }},
		{devidp.ExtraAudience, "", func(c map[string]any) bool {
			aud, ok := c["aud"].([]any)
			return ok && len(aud) == 2 && c["azp"] == "app:1"
		}},
		{devidp.AudienceList, "", func(c map[string]any) bool { aud, ok := c["aud"].([]any); return ok && len(aud) == 1 }},
	} {
		t.Run("fault "+string(row.fault), func(t *testing.T) {
			p.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = row.fault })
			token := p.mustAnswer(p.refresh(rt)).str("id_token")
			if got := p.verdict(token); got != row.signature {
				t.Errorf("signature: %q, want %q", got, row.signature)
			}
			if c := payload(t, token); !row.claims(c) {
				t.Errorf("claims %v", c)
			}
		})
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = devidp.NoTokenAtAll })
	if _, ok := p.mustAnswer(p.refresh(rt)).json["id_token"]; ok {
		t.Error("an ID token where none was to be")
	}
}

func TestAFaultKnowsItsOccasion(t *testing.T) {
	t.Parallel()
	for _, at := range []devidp.Occasion{devidp.AtLogin, devidp.AtRefresh, ""} {
		t.Run("at "+string(at), func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{IDTokenFault: devidp.WrongSubject, IDTokenFaultAt: at})
			login := p.login()
			refreshed, _ := p.mustRefresh(login.str("refresh_token"))
			atLogin := payload(t, login.str("id_token"))["sub"] == "mallory"
			atRefresh := payload(t, refreshed.str("id_token"))["sub"] == "mallory"
			if atLogin != (at != devidp.AtRefresh) || atRefresh != (at != devidp.AtLogin) {
				t.Errorf("at login %t, at refresh %t", atLogin, atRefresh)
			}
		})
	}
}

func TestANastyKeySetHoldsWhatClientsMustSkip(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{NastyKeys: true})
	var set struct {
		Keys []struct{ Kty, Crv, Use, D string }
	}
	if err := json.Unmarshal([]byte(p.get(p.endpoint("/jwks")).text), &set); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, key := range set.Keys {
		got[strings.Join([]string{key.Kty, key.Crv, key.Use}, " ")]++
		if key.D != "" {
			t.Error("a private key is published")
		}
	}
	want := map[string]int{"RSA  sig": 2, "EC P-256 sig": 2, "EC secp256k1 sig": 1, "OKP Ed25519 sig": 1, "RSA  enc": 1, "EC P-256 enc": 1}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%d keys of kind %q, want %d", got[kind], kind, n)
		}
	}
	if len(set.Keys) != 8 {
		t.Errorf("%d keys", len(set.Keys))
	}
}

func TestKeysCanBeElsewhereAndFew(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{JWKSName: "here"})
	var metadata struct {
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(p.get(p.endpoint("/.well-known/openid-configuration")).text), &metadata); err != nil {
		t.Fatal(err)
	}
	if r := p.get(p.endpoint("/jwks")); r.status != http.StatusNotFound || metadata.JWKSURI != p.endpoint("/jwks/here") {
		t.Errorf("the usual place: status %d; jwks_uri %s", r.status, metadata.JWKSURI)
	}
	keys, err := sharedKeys()
	if err != nil {
		t.Fatal(err)
	}
	p.idp.UseKeys(keys.Alone())
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(p.get(metadata.JWKSURI).text), &set); err != nil || len(set.Keys) != 1 {
		t.Errorf("%d keys, %v", len(set.Keys), err)
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	before := p.login()
	if err := p.idp.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	if got := p.verdict(before.str("id_token")); got != "unknown kid" {
		t.Errorf("the old token: %q", got)
	}
	after, _ := p.mustRefresh(before.str("refresh_token"))
	if got := p.verdict(after.str("id_token")); got != "" {
		t.Errorf("the new token: %q", got)
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.OmitKid = true })
	after, _ = p.mustRefresh(after.str("refresh_token"))
	if r := p.verdict(after.str("id_token")); r != "unknown kid" {
		t.Errorf("without kid: %q", r)
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.JWKSDown = true })
	if r := p.get(p.endpoint("/jwks")); r.status != http.StatusServiceUnavailable {
		t.Errorf("jwks_down: status %d", r.status)
	}
}
