package devidp

import (
	"net/url"
	"slices"
	"strings"
)

// issueToClient answers with a token of the client's own (client credentials, RFC 6749
// §4.4). There is no user, so there is no ID token, and no refresh token (§4.4.3).
func (p *Provider) issueToClient(client Client, form url.Values) (map[string]any, error) {
	if client.Secret == "" && client.Auth == "" {
		return nil, refuse("unauthorized_client", "a public client has no credentials")
	}
	k := p.turned()
	target, refusal := k.target(form.Get("audience"), form["resource"])
	if refusal != nil {
		return nil, refusal
	}
	scope := strings.Fields(form.Get("scope"))
	if refusal := k.judgeBareScope(scope); refusal != nil {
		return nil, refusal
	}
	details, refusal := k.readDetails(form.Get("authorization_details"))
	if refusal != nil {
		return nil, refusal
	}
	_, body, err := p.accessAnswer(k, issue{
		grant: &grant{id: random(), client: client.ID, user: User{Login: client.ID}, began: p.clock(k)},
		scope: k.narrow(scope), target: target, details: details, bound: client.bound,
	})
	if err == nil {
		p.books.count(func(s *Stats) { s.ClientTokens++ })
	}
	return body, err
}

// judgeBareScope judges the scopes of a token that comes without a login.
func (k Knobs) judgeBareScope(named []string) *Refusal {
	for _, s := range named {
		switch {
		case s == "openid", s == "offline_access":
			return refuse("invalid_scope", s+" is for logins")
		case k.Scopes != nil && !slices.Contains(k.Scopes, s):
			return refuse("invalid_scope", "an unknown scope")
		}
	}
	return nil
}
