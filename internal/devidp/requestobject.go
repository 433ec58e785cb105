package devidp

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const requestObjectType = "oauth-authz-req+jwt"

// carried puts what a signed request says in the place of what stands beside it in the
// browser's address bar. The problem is for a page.
func (p *Provider) carried(ctx context.Context, form url.Values, k Knobs) (_ url.Values, problem string) {
	if !form.Has("request") || k.RequestObjects == "" {
		if k.RequestObjects == Demanded {
			return nil, "Sign the request (RFC 9101)."
		}
		return form, ""
	}
	p.mu.Lock()
	client, ok := p.clients[form.Get("client_id")]
	p.mu.Unlock()
	if !ok {
		return nil, "No client has this client_id."
	}
	inner, err := p.opened(ctx, client, form, k)
	if err != nil {
		return nil, err.Error()
	}
	return inner, ""
}

// opened returns what a signed request says (RFC 9101 §6), held to the letter.
func (p *Provider) opened(ctx context.Context, client Client, form url.Values, k Knobs) (url.Values, error) {
	bad := func(why string) (url.Values, error) { return nil, refuse("invalid_request_object", why) }
	if k.RequestObjects == "" {
		return nil, refuse("request_not_supported", "")
	}
	for name := range form {
		if !slices.Contains([]string{"request", "client_id", "response_type", "scope", "client_secret", "client_assertion", "client_assertion_type"}, name) {
			return bad(name + " stands beside the request")
		}
	}
	signed, err := jose.ParseSignedCompact(form.Get("request"), []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return bad("no JWT, or of an algorithm that is not taken here")
	}
	header := signed.Signatures[0].Protected
	keys, err := p.keysOf(ctx, client, header.KeyID)
	if err != nil {
		return bad(err.Error())
	}
	i := slices.IndexFunc(keys, func(key jose.JSONWebKey) bool { _, err := signed.Verify(key.Key); return err == nil })
	if i < 0 {
		return bad("signed with no key of the client's")
	}
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != requestObjectType {
		return bad("typ is not " + requestObjectType)
	}
	return p.readObject(signed.UnsafePayloadWithoutVerification(), client, k)
}

// readObject judges the claims of a request whose signature is good, and makes a form of them.
func (p *Provider) readObject(payload []byte, client Client, k Knobs) (url.Values, error) {
	bad := func(why string) (url.Values, error) { return nil, refuse("invalid_request_object", why) }
	var claims map[string]json.RawMessage
	var own struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		Expires  int64  `json:"exp"`
		Since    int64  `json:"nbf"`
	}
	if json.Unmarshal(payload, &claims) != nil || json.Unmarshal(payload, &own) != nil {
		return bad("the claims cannot be read")
	}
	expires, since, now := time.Unix(own.Expires, 0), time.Unix(own.Since, 0), p.clock(k)
	switch {
	case own.Issuer != client.ID || own.Audience != p.issuer(k):
		return bad("iss is not the client, or aud is not the issuer")
	case own.ID == "":
		return bad("jti is missing")
	case !now.Before(expires) || since.After(now.Add(10*time.Second)) || expires.Sub(since) > time.Hour:
		return bad("it has expired, is of the future, or lives for longer than an hour")
	case claims["sub"] != nil || claims["request"] != nil || claims["request_uri"] != nil:
		return bad("it has sub, request or request_uri")
	}
	form := url.Values{}
	for name, raw := range claims {
		if slices.Contains([]string{"iss", "aud", "jti", "iat", "nbf", "exp"}, name) {
			continue
		}
		var text string
		var list []string
		switch {
		case json.Unmarshal(raw, &text) == nil:
			form.Set(name, text)
		case name == "resource" && json.Unmarshal(raw, &list) == nil:
			form[name] = list
		default:
			form.Set(name, strings.TrimSpace(string(raw)))
		}
	}
	return form, nil
}
