package devidp

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// newAccessToken makes an access token, in the format that the knobs say, and keeps it.
func (p *Provider) newAccessToken(k Knobs, i issue, ttl time.Duration) (string, error) {
	expires := p.clock(k).Add(ttl)
	format := cmp.Or(k.AccessTokenFormat, JWT)
	if k.OpaqueWithoutAudience && i.target == "" {
		format = Opaque
	}
	text := random() + strings.Repeat("x", max(0, k.AccessTokenSize-26))
	if format != Opaque {
		var err error
		if text, err = p.newAccessJWT(k, i, expires); err != nil {
			return "", err
		}
	}
	if format == JWE {
		var err error
		if text, err = p.encrypt(text); err != nil {
			return "", err
		}
	}
	p.books.mint(text, k.keep())
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.access) > k.keep() {
		maps.DeleteFunc(p.access, func(_ string, a *accessToken) bool { return !p.clock(k).Before(a.expires) })
	}
	p.access[text] = &accessToken{grant: i.grant, scope: i.scope, expires: expires, bound: i.bound}
	return text, nil
}

// newAccessJWT makes a JWT access token (RFC 9068 §2).
func (p *Provider) newAccessJWT(k Knobs, i issue, expires time.Time) (string, error) {
	claims := map[string]any{
		"iss": p.issuer(k), "sub": i.grant.user.subject(), "client_id": i.grant.client,
		"aud": cmp.Or(i.target, k.DefaultAudience, p.issuer(k)), "scope": strings.Join(i.scope, " "),
		"iat": p.clock(k).Unix(), "exp": expires.Unix(), "jti": random(), "grant_id": i.grant.id,
	}
	if roles, ok := i.claims["roles"]; ok {
		claims["roles"] = roles
	}
	if len(i.details) > 0 {
		claims["authorization_details"] = i.details // RFC 9396 §9.1
	}
	if i.actor != "" {
		claims["act"] = map[string]any{"sub": i.actor} // RFC 8693 §4.1
	}
	if k.OmitAudience {
		delete(claims, "aud")
	}
	i.bound.confirm(claims)
	if k.AccessTokenSize > 0 {
		claims["padding"] = strings.Repeat("x", k.AccessTokenSize)
	}
	key, err := p.currentKeys().signer("RS256")
	if err != nil {
		return "", err
	}
	return sign(key, "at+jwt", claims, k.OmitKid)
}

func (p *Provider) encrypt(text string) (string, error) {
	key := p.currentKeys().encryption.Public()
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: key.Key, KeyID: key.KeyID},
		(&jose.EncrypterOptions{}).WithType("at+jwt").WithContentType("JWT"))
	if err != nil {
		return "", fmt.Errorf("devidp: encrypt an access token: %w", err)
	}
	sealed, err := encrypter.Encrypt([]byte(text))
	if err != nil {
		return "", fmt.Errorf("devidp: encrypt an access token: %w", err)
	}
	return sealed.CompactSerialize()
}

// newIDToken makes an ID token (OpenID Connect Core §2, §12.2), with the fault that the
// knobs ask for.
func (p *Provider) newIDToken(k Knobs, i issue, access string) (string, error) {
	g, now := i.grant, p.clock(k)
	claims := make(map[string]any)
	if !k.BareIDToken {
		maps.Copy(claims, i.claims)
	}
	digest := sha256.Sum256([]byte(access))
	maps.Copy(claims, map[string]any{
		"iss": p.tokenIssuer(k), "sub": g.user.subject(), "aud": g.client, "azp": g.client, "sid": g.sid,
		"iat": now.Unix(), "exp": now.Add(orDuration(k.IDTokenTTL, 5*time.Minute)).Unix(), "auth_time": g.authTime.Unix(),
		"at_hash": base64.RawURLEncoding.EncodeToString(digest[:16]),
	})
	if g.acr != "" {
		claims["acr"] = g.acr
	}
	if k.Tenant != "" {
		claims["tid"] = k.Tenant
	}
	if i.at == AtLogin || k.NonceOnRefresh {
		claims["nonce"] = g.nonce
	}
	if k.SessionExpiry != 0 {
		ends := g.authTime.Add(k.SessionExpiry)
		claims["session_expiry"] = ends.Unix()
		if k.SessionExpiryMillis {
			claims["session_expiry"] = ends.UnixMilli()
		}
	}
	fault := k.IDTokenFault
	if k.IDTokenFaultAt != "" && k.IDTokenFaultAt != i.at {
		fault = ""
	}
	text, err := p.signFaulty(k, fault, claims)
	if err == nil && text != "" {
		p.books.mint(text, k.keep())
	}
	return text, err
}

// sign makes a compact JWS (RFC 7515 §7.1).
func sign(key jose.JSONWebKey, typ string, claims map[string]any, omitKid bool) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("devidp: write claims: %w", err)
	}
	options := &jose.SignerOptions{}
	if !omitKid {
		options = options.WithHeader("kid", key.KeyID)
	}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key.Key}, options)
	if err != nil {
		return "", fmt.Errorf("devidp: sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("devidp: sign: %w", err)
	}
	return signed.CompactSerialize()
}
