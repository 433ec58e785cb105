package demo

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
)

// errInvalidToken is why the API refuses a token; what wraps it holds no part of the token.
var errInvalidToken = errors.New("demo: invalid token")

// claims is what the API reads of an access token.
type claims struct {
	Subject string
	Issued  time.Time
	Expires time.Time
}

// verify checks a JWT access token (RFC 9068 §4): its type, its issuer, its signature
// under one of the provider's keys, and its time, with no leeway at all, as the strictest
// APIs do. The error wraps errInvalidToken, or says that the keys could not be had.
func (k *keySet) verify(ctx context.Context, token string, now time.Time) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, invalid("no signed JWT")
	}
	var header struct{ Alg, Kid, Typ string }
	if err := readPart(parts[0], &header); err != nil {
		return claims{}, err
	}
	if typ := strings.TrimPrefix(strings.ToLower(header.Typ), "application/"); typ != "at+jwt" {
		return claims{}, invalid("no access token: an ID token, for example")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return claims{}, invalid("the signature is no base64url")
	}
	key, err := k.find(ctx, header.Kid, now)
	if err != nil {
		return claims{}, err
	}
	if !signed(header.Alg, key, parts[0]+"."+parts[1], signature) {
		return claims{}, invalid("the signature is not the provider's")
	}
	return k.readClaims(parts[1], now)
}

func (k *keySet) readClaims(part string, now time.Time) (claims, error) {
	var body struct {
		Iss, Sub string
		Iat, Exp float64
	}
	if err := readPart(part, &body); err != nil {
		return claims{}, err
	}
	c := claims{Subject: body.Sub, Issued: unix(body.Iat), Expires: unix(body.Exp)}
	switch {
	case body.Iss != k.issuer:
		return claims{}, invalid("another issuer")
	case body.Sub == "":
		return claims{}, invalid("no subject")
	case !now.Before(c.Expires):
		return claims{}, invalid("it has run out")
	}
	return c, nil
}

// signed reports whether signature is key's of text. The algorithm comes from an attacker
// who may name "none", or HMAC with the public key as its secret: the kind of the key
// decides, and the name must agree.
func signed(alg string, key crypto.PublicKey, text string, signature []byte) bool {
	digest := sha256.Sum256([]byte(text))
	switch key := key.(type) {
	case *rsa.PublicKey:
		return alg == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		if alg != "ES256" || len(signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(key, digest[:], r, s)
	}
	return false
}

func readPart(part string, v any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return invalid("a part is no base64url")
	}
	if err := json.Unmarshal(text, v); err != nil {
		return invalid("a part is no JSON") // the detail would quote the token
	}
	return nil
}

func invalid(why string) error { return fmt.Errorf("%w: %s", errInvalidToken, why) }

func unix(seconds float64) time.Time {
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}
