package devidp

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Fault is what is wrong with an ID token.
type Fault string

// The faults of ID tokens. Each is wrong in one thing only.
const (
	ForeignKey      Fault = "foreign_key"      // signed by somebody else, under an unknown kid
	WrongKey        Fault = "wrong_key"        // signed by somebody else, under a known kid
	AlgNone         Fault = "alg_none"         // not signed at all
	HMACPublicKey   Fault = "hs256_public_key" // HS256 with the public key as the secret
	HMACBroken      Fault = "hs256_broken"     // HS256 with the client's secret, and a character is another one
	BrokenSignature Fault = "broken_signature" // a character of it is another one
	WrongAudience   Fault = "wrong_aud"        //
	WrongIssuer     Fault = "wrong_iss"        //
	WrongSubject    Fault = "wrong_sub"        //
	WrongNonce      Fault = "wrong_nonce"      // also where a refreshed token needs none
	MissingNonce    Fault = "missing_nonce"    //
	Expired         Fault = "expired"          // an hour ago
	MissingExpiry   Fault = "missing_exp"      //
	MissingIssued   Fault = "missing_iat"      //
	MissingSubject  Fault = "missing_sub"      //
	MissingAudience Fault = "missing_aud"      //
	MissingIssuer   Fault = "missing_iss"      //
	FutureIssued    Fault = "future_iat"       // an hour ahead
	StaleIssued     Fault = "stale_iat"        // a day old
	MovedAuthTime   Fault = "moved_auth_time"  // by an hour
	ExtraAudience   Fault = "extra_audience"   // the client and a stranger, with azp for the client
	WrongAuthorized Fault = "wrong_azp"        //
	AudienceList    Fault = "aud_list"         // a list with the client alone: no fault at all
	WrongAccessHash Fault = "wrong_at_hash"    //
	NoTokenAtAll    Fault = "missing"          // the answer has none
)

// Faults lists them all.
func Faults() []Fault {
	return []Fault{
		ForeignKey, WrongKey, AlgNone, HMACPublicKey, HMACBroken, BrokenSignature, WrongAudience, WrongIssuer, WrongSubject,
		WrongNonce, MissingNonce, Expired, MissingExpiry, MissingIssued, MissingSubject, MissingAudience, MissingIssuer, FutureIssued,
		StaleIssued, MovedAuthTime, ExtraAudience, WrongAuthorized, AudienceList, WrongAccessHash, NoTokenAtAll,
	}
}

// signFaulty signs an ID token, and does wrong what the fault says.
func (p *Provider) signFaulty(k Knobs, f Fault, claims map[string]any) (string, error) {
	f.spoil(claims, p.clock(k))
	alg := cmp.Or(k.IDTokenAlg, "RS256")
	key, err := p.currentKeys().signer(alg)
	if err != nil {
		return "", err
	}
	switch f {
	case NoTokenAtAll:
		return "", nil
	case AlgNone:
		return unsigned(claims)
	case HMACPublicKey:
		return p.signWithPublicKey(claims)
	case HMACBroken:
		text, err := p.signWithSecret(claims)
		return flip(text), err
	case ForeignKey, WrongKey:
		foreign, err := p.foreignKeys()
		if err != nil {
			return "", err
		}
		forged, err := foreign.signer(alg)
		if err != nil {
			return "", err
		}
		if f == WrongKey {
			forged.KeyID = key.KeyID
		}
		key = forged
	}
	text, err := sign(key, "JWT", claims, k.OmitKid)
	if f == BrokenSignature && err == nil {
		text = flip(text)
	}
	return text, err
}

// spoil changes the claims of a token whose signature is good.
func (f Fault) spoil(claims map[string]any, now time.Time) {
	const hour, day = 3600, 86400
	switch f {
	case WrongAudience:
		claims["aud"], claims["azp"] = "somebody-else", "somebody-else"
	case WrongIssuer:
		claims["iss"] = "https://evil.example"
	case WrongSubject:
		claims["sub"] = "mallory"
	case WrongNonce:
		claims["nonce"] = "another-nonce"
	case Expired:
		claims["iat"], claims["exp"] = now.Unix()-2*hour, now.Unix()-hour
	case FutureIssued:
		claims["iat"], claims["exp"] = now.Unix()+hour, now.Unix()+2*hour
	case StaleIssued:
		claims["iat"] = now.Unix() - day
	case MovedAuthTime:
		if t, ok := claims["auth_time"].(int64); ok {
			claims["auth_time"] = t + hour
		}
	case ExtraAudience:
		claims["aud"] = []any{claims["aud"], "somebody-else"}
	case WrongAuthorized:
		claims["azp"] = "somebody-else"
	case AudienceList:
		claims["aud"] = []any{claims["aud"]}
	case WrongAccessHash:
		claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA"
	}
	if name, ok := map[Fault]string{
		MissingNonce: "nonce", MissingExpiry: "exp", MissingIssued: "iat", MissingSubject: "sub", MissingAudience: "aud", MissingIssuer: "iss",
	}[f]; ok {
		delete(claims, name)
	}
}

// unsigned makes the JWS of RFC 7515 appendix A.5, which nobody may believe.
func unsigned(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("devidp: write claims: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + ".", nil
}

// signWithPublicKey forges a token against clients that take the algorithm from the token:
// they would check an HMAC with the public RSA key, which everybody has, as its secret.
func (p *Provider) signWithPublicKey(claims map[string]any) (string, error) {
	key, err := p.currentKeys().signer("RS256")
	if err != nil {
		return "", err
	}
	private, ok := key.Key.(*rsa.PrivateKey)
	if !ok {
		return "", fmt.Errorf("devidp: the RS256 key is a %T", key.Key)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return "", fmt.Errorf("devidp: write a public key: %w", err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return sign(jose.JSONWebKey{Key: secret, KeyID: key.KeyID, Algorithm: string(jose.HS256)}, "JWT", claims, false)
}

// signWithSecret signs with the secret of the client that a token is for (OpenID Connect Core
// §10.1).
func (p *Provider) signWithSecret(claims map[string]any) (string, error) {
	id, _ := claims["aud"].(string)
	p.mu.Lock()
	secret := p.clients[id].Secret
	p.mu.Unlock()
	// HMAC fills a short key up with zeros in any case; go-jose wants to see that done.
	key := append([]byte(secret), make([]byte, max(0, 32-len(secret)))...)
	return sign(jose.JSONWebKey{Key: key, Algorithm: string(jose.HS256)}, "JWT", claims, true)
}

// flip changes a character of the signature.
func flip(text string) string {
	b := []byte(text)
	i := len(b) - 10
	if i < 0 {
		return text
	}
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
