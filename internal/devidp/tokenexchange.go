package devidp

import (
	"cmp"
	"net/url"
	"strings"
)

// Names of the token exchange (RFC 8693 §2.1, §3).
const (
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // the name of a grant, no token
	typeAccessToken    = "urn:ietf:params:oauth:token-type:access_token"   //nolint:gosec // the name of a type, no token
)

// tradeToken answers with a token for which the subject token was traded (RFC 8693). It is
// the same user's, and dies with the same grant.
func (p *Provider) tradeToken(client Client, form url.Values) (map[string]any, error) {
	switch {
	case form.Get("subject_token_type") != typeAccessToken:
		return nil, refuse("invalid_request", "subject_token_type is the one of access tokens")
	case form.Has("requested_token_type") && form.Get("requested_token_type") != typeAccessToken:
		return nil, refuse("invalid_request", "only access tokens are issued here")
	case form.Has("actor_token") != form.Has("actor_token_type"),
		form.Has("actor_token") && form.Get("actor_token_type") != typeAccessToken:
		return nil, refuse("invalid_request", "actor_token_type is the one of access tokens, and goes with an actor_token")
	}
	k := p.turned()
	target, refusal := k.target(form.Get("audience"), form["resource"])
	if refusal != nil {
		return nil, refusal
	}
	subject, err := p.subjectOf(k, client, form.Get("subject_token"))
	if err != nil {
		return nil, err
	}
	if subject.bound.key != "" && subject.bound.key != client.bound.key {
		return nil, refuse("invalid_request", "the subject token is bound to a key that was not proven")
	}
	scope := subject.scope
	if form.Has("scope") {
		scope = strings.Fields(form.Get("scope"))
		if refusal := k.judgeBareScope(scope); refusal != nil {
			return nil, refusal
		}
	}
	details, refusal := k.readDetails(form.Get("authorization_details"))
	if refusal != nil {
		return nil, refusal
	}
	actor, err := p.actorOf(k, client, form)
	if err != nil {
		return nil, err
	}
	_, body, err := p.accessAnswer(k, issue{actor: actor, details: details, grant: subject.grant, claims: subject.grant.user.Claims, scope: k.narrow(scope), target: target, bound: client.bound})
	if err != nil {
		return nil, err
	}
	p.books.count(func(s *Stats) { s.TokenExchanges++ })
	body["issued_token_type"] = cmp.Or(k.IssuedTokenType, typeAccessToken)
	return body, nil
}

// actorOf is who acts for the user, by a token of the client's own; "" if nobody does.
func (p *Provider) actorOf(k Knobs, client Client, form url.Values) (string, error) {
	if !form.Has("actor_token") {
		return "", nil
	}
	t, err := p.subjectOf(k, client, form.Get("actor_token"))
	if err != nil || t.grant.user.Login != client.ID {
		return "", refuse("invalid_request", "the actor token is unknown, dead or not the client's own")
	}
	return client.ID, nil
}

// subjectOf finds a subject token that is alive.
func (p *Provider) subjectOf(k Knobs, client Client, text string) (*accessToken, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.access[text]
	if t == nil || t.dead || t.grant.dead || t.grant.client != client.ID || !p.clock(k).Before(t.expires) {
		return nil, refuse("invalid_request", "the subject token is unknown, dead or another client's")
	}
	return t, nil
}
