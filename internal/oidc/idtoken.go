package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/session"
)

// idToken is an ID token whose signature is good. What it says has still to be judged.
type idToken struct {
	claims
	raw  session.Token
	read *goidc.IDToken
	ends time.Time // when the session that it begins is to be over; zero if it does not say
}

// oldestToken is how old an ID token may be that came fresh from the token endpoint.
const oldestToken = time.Hour

// readIDToken checks an ID token's signature (OpenID Connect Core §3.1.3.7, 6–8), always:
// that it came over TLS from the provider is no substitute. The error wraps errForged,
// errUnknownKey or errNoKeys where the keys have to do with it.
func (c *Client) readIDToken(ctx context.Context, m *metadata, raw session.Token) (*idToken, error) {
	signed := &signature{keys: c.keys, address: m.JWKSURI, algs: m.algorithms()}
	verifier := goidc.NewVerifier(c.cfg.Issuer, signed, &goidc.Config{
		SupportedSigningAlgs: m.algorithms(),
		// Our own checks are stricter, and tell one failure from the other.
		SkipIssuerCheck: true, SkipClientIDCheck: true, SkipExpiryCheck: true,
	})
	read, err := verifier.Verify(ctx, raw.Reveal())
	switch {
	case signed.err != nil:
		return nil, signed.err
	case err != nil:
		return nil, errors.New(maskTokens(err.Error()))
	}
	all, err := readClaims(signed.payload)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	t := &idToken{raw: raw, claims: all, read: read}
	return t, t.checkKind(signed.typ)
}

// signature is the key set as go-oidc asks it, for one token. It keeps what go-oidc drops:
// the cause of a failure, the payload's text and the type.
type signature struct {
	keys    *keySet
	address string
	from    origin
	algs    []string

	payload []byte
	typ     string
	err     error
}

// VerifySignature implements go-oidc's KeySet.
func (s *signature) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	algs := make([]jose.SignatureAlgorithm, len(s.algs))
	for i, alg := range s.algs {
		algs[i] = jose.SignatureAlgorithm(alg)
	}
	jws, err := jose.ParseSignedCompact(token, algs)
	if err != nil {
		return nil, err
	}
	if typ, there := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; there {
		s.typ = fmt.Sprint(typ)
	}
	s.payload, s.err = s.keys.verify(ctx, s.address, s.from, jws)
	return s.payload, s.err
}

// checkKind refuses other tokens that the provider signs with the same keys, put in an ID
// token's place (RFC 8725 §3.11): an explicit type says what they are, a logout token has
// events.
func (t *idToken) checkKind(typ string) error {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	if strings.HasSuffix(typ, "+jwt") && typ != "id_token+jwt" {
		return fmt.Errorf("it is a token of type %q", short(typ))
	}
	if _, there := t.claims["events"]; there {
		return errors.New("it has events, like a logout token")
	}
	return nil
}

// checkIssuer, checkAudience and checkSubject are the checks of OpenID Connect Core
// §3.1.3.7, 2–5, and §2.
func (c claims) checkIssuer(cfg *Config, m *metadata) error {
	iss, _ := c["iss"].(string)
	if _, ours := cfg.nameOf(m, iss); !ours {
		return fmt.Errorf("iss is %q, not %q", short(iss), m.Issuer)
	}
	if tid, _ := c["tid"].(string); len(cfg.Issuers.Tenants) > 0 && cfg.Issuers.of(tid) != iss {
		return fmt.Errorf("tid is %q, not the tenant of iss", short(tid))
	}
	return nil
}

func (c claims) checkAudience(clientID string) error {
	named, ok := c.list("aud")
	if !ok {
		return errors.New("aud is neither a string nor an array of strings")
	}
	mine := false
	for _, name := range named {
		// A token that others may present as well may have come to us from them.
		if name != clientID {
			return fmt.Errorf("aud names %q, whom nobody here trusts", short(name))
		}
		mine = true
	}
	if !mine {
		return errors.New("aud is missing")
	}
	return nil
}

func (t *idToken) checkParty(clientID string) error {
	if azp, there := t.claims["azp"]; there && azp != clientID {
		return fmt.Errorf("azp is not %q", clientID)
	}
	return nil
}

func (c claims) checkSubject() error {
	sub := c.text("sub")
	if sub == "" || len(sub) > 255 {
		return errors.New("sub must have 1 to 255 characters")
	}
	for i := range len(sub) {
		if sub[i] > '~' || sub[i] < ' ' {
			return errors.New("sub is not printable ASCII")
		}
	}
	return nil
}

// checkTimes judges exp, iat and nbf (§3.1.3.7, 9 and 10; RFC 7519 §4.1.5).
func (c claims) checkTimes(now time.Time, skew time.Duration) error {
	exp, ok := c.time("exp")
	switch {
	case !ok:
		return errors.New("exp is missing or no time")
	case !now.Before(exp.Add(skew)):
		return fmt.Errorf("it expired %s ago; is a clock wrong?", now.Sub(exp).Round(time.Second))
	}
	iat, ok := c.time("iat")
	switch {
	case !ok:
		return errors.New("iat is missing or no time")
	case iat.After(now.Add(skew)):
		return fmt.Errorf("it was issued %s in the future; is a clock wrong?", iat.Sub(now).Round(time.Second))
	case iat.Before(now.Add(-oldestToken - skew)):
		return fmt.Errorf("it was issued %s ago", now.Sub(iat).Round(time.Second))
	}
	if _, there := c["nbf"]; there {
		nbf, ok := c.time("nbf")
		if !ok || nbf.After(now.Add(skew)) {
			return errors.New("nbf is in the future or no time; is a clock wrong?")
		}
	}
	return nil
}

// checkAccessToken compares at_hash, if it is there (§3.1.3.8).
func (t *idToken) checkAccessToken(access session.Token) error {
	if _, there := t.claims["at_hash"]; !there {
		return nil
	}
	if err := t.read.VerifyAccessToken(access.Reveal()); err != nil {
		return errors.New("at_hash belongs to another access token")
	}
	return nil
}

// authTime is when the user was seen, zero if the provider does not say.
func (t *idToken) authTime() time.Time {
	seen, _ := t.claims.time("auth_time")
	return seen
}
