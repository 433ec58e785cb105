package devidp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertion is a client's word about itself, signed (RFC 7523 §3, OpenID Connect Core §9).
type assertion struct {
	signed *jose.JSONWebSignature
	alg    string
	method ClientAuth

	Issuer  string          `json:"iss"`
	Subject string          `json:"sub"`
	Aud     json.RawMessage `json:"aud"`
	ID      string          `json:"jti"`
	Expiry  int64           `json:"exp"`
	Issued  int64           `json:"iat"`
}

// readAssertion reads an assertion, and believes nothing of it yet.
func readAssertion(form url.Values) (*assertion, error) {
	if form.Get("client_assertion_type") != assertionType {
		return nil, badClient("client_assertion_type is not the one of JWTs")
	}
	signed, err := jose.ParseSignedCompact(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA, jose.HS256})
	if err != nil {
		return nil, badClient("the assertion is no JWT, or of an algorithm that is not taken here")
	}
	a := &assertion{signed: signed, alg: signed.Signatures[0].Protected.Algorithm, method: PrivateKeyJWT}
	if a.alg == string(jose.HS256) {
		a.method = SecretJWT
	}
	if json.Unmarshal(signed.UnsafePayloadWithoutVerification(), a) != nil {
		return nil, badClient("the assertion's claims cannot be read")
	}
	return a, nil
}

// verifyAssertion holds an assertion to the letter, and takes each once.
func (p *Provider) verifyAssertion(r *http.Request, a *assertion, client Client) error {
	k := p.turned()
	if err := p.checkSignature(r.Context(), a, client); err != nil {
		return err
	}
	typ, _ := a.signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string)
	audience, now := p.issuer(k), p.clock(k)
	switch k.AssertionAudience {
	case ForTokenEndpoint:
		audience = p.base + "/token"
	case ForEndpoint:
		audience = strings.TrimSuffix(p.base, p.path) + r.URL.Path
	}
	var aud string // an array is refused: it may name somebody else, who could pass the assertion on
	expires, issued := time.Unix(a.Expiry, 0), time.Unix(a.Issued, 0)
	switch {
	case typ != "" && typ != "JWT" && typ != "client-authentication+jwt":
		return badClient("the assertion has the type of another kind of JWT")
	case a.Issuer != client.ID || a.Subject != client.ID:
		return badClient("iss and sub are not the client")
	case json.Unmarshal(a.Aud, &aud) != nil || aud != audience:
		return badClient("aud is not " + audience + ", as a string")
	case a.Expiry == 0 || !now.Before(expires):
		return badClient("the assertion has expired")
	case a.Issued == 0 || issued.After(now.Add(10*time.Second)):
		return badClient("the assertion is of the future")
	case expires.Sub(issued) > time.Minute:
		return badClient("the assertion lives for longer than a minute")
	case a.ID == "":
		return badClient("the assertion has no jti")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.assertions, func(_ string, until time.Time) bool { return !now.Before(until) })
	if _, used := p.assertions[client.ID+" "+a.ID]; used {
		return badClient("the assertion was used before")
	}
	p.assertions[client.ID+" "+a.ID] = expires
	return nil
}

// checkSignature verifies with the client's secret, or with its keys: where a kid is not among
// those that are known, they are fetched again.
func (p *Provider) checkSignature(ctx context.Context, a *assertion, client Client) error {
	if a.method == SecretJWT {
		if _, err := a.signed.Verify([]byte(client.Secret)); err != nil || client.Secret == "" {
			return badClient("the assertion is signed with another secret")
		}
		return nil
	}
	keys, err := p.keysOf(ctx, client, a.signed.Signatures[0].Protected.KeyID)
	if err != nil {
		return badClient(err.Error())
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != a.alg {
			continue
		}
		if _, err := a.signed.Verify(key.Key); err == nil {
			return nil
		}
	}
	return badClient("the assertion is signed with no key of the client's")
}

// keysOf returns the client's keys with an id.
func (p *Provider) keysOf(ctx context.Context, client Client, id string) ([]jose.JSONWebKey, error) {
	p.mu.Lock()
	set := p.clientKeys[client.ID]
	p.mu.Unlock()
	if found := set.Key(id); len(found) > 0 || client.JWKSURI == "" {
		return found, nil
	}
	set, err := fetchKeys(ctx, client.JWKSURI)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.clientKeys[client.ID] = set
	p.mu.Unlock()
	return set.Key(id), nil
}

// fetchKeys gets a client's keys from where it publishes them, on loopback.
func fetchKeys(ctx context.Context, address string) (set jose.JSONWebKeySet, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return set, fmt.Errorf("the client's keys: %w", err)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return set, fmt.Errorf("the client's keys: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read only
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&set); err != nil {
		return set, fmt.Errorf("the client's keys: %w", err)
	}
	return set, nil
}

// checkKeys reads what a client is registered with.
func (c Client) checkKeys() (set jose.JSONWebKeySet, err error) {
	if c.JWKSURI != "" {
		if _, err := loopback(c.JWKSURI); err != nil {
			return set, fmt.Errorf("devidp: jwks_uri %w", err)
		}
	}
	if c.JWKS != nil {
		if err := json.Unmarshal(c.JWKS, &set); err != nil {
			return set, fmt.Errorf("devidp: the keys of client %q: %w", c.ID, err)
		}
	}
	if slices.ContainsFunc(set.Keys, func(k jose.JSONWebKey) bool { return !k.IsPublic() }) {
		return set, fmt.Errorf("devidp: client %q: a private key is registered; its public half is enough, and the rest is nobody's business", c.ID)
	}
	return set, oneOf("auth of client "+strings.TrimSpace(c.ID), c.Auth, authMethods()...)
}
