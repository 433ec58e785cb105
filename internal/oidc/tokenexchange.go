package oidc

import (
	"context"
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Names of the token exchange (RFC 8693 §2.1, §3).
const (
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // the name of a grant, no token
	typeAccessToken    = "urn:ietf:params:oauth:token-type:access_token"   //nolint:gosec // the name of a type, no token
	typeJWT            = "urn:ietf:params:oauth:token-type:jwt"
)

// ExchangeToken implements session.TokenIssuer: it trades a session's access token for one
// for t (RFC 8693), with the gateway's own as the actor's if there is one. What is no access token, or none of the kind that was asked for, is refused
// as BadTarget; a subject token that is not taken as Refused. A refresh token that comes
// along is not kept. The failure is a *session.RefreshError.
func (c *Client) ExchangeToken(ctx context.Context, subject, actor session.AccessToken, t session.Target) (session.AccessToken, error) {
	form := url.Values{
		"grant_type":           {grantTokenExchange},
		"subject_token":        {subject.Token.Reveal()},
		"subject_token_type":   {typeAccessToken},
		"requested_token_type": {typeAccessToken},
	}
	if actor.Token != "" {
		form.Set("actor_token", actor.Token.Reveal())
		form.Set("actor_token_type", typeAccessToken)
	}
	got, failed := c.issue(ctx, form, t, subject.Key)
	switch {
	case failed != nil && got != nil && got.answer.notUsable():
		failed.Class = session.BadTarget
	case failed != nil && failed.Code == "invalid_request" && failed.Class == session.Operator:
		// So does RFC 8693 §2.2.2 call a subject token that is not valid.
		failed.Class = session.Refused
	case failed == nil:
		failed = got.answer.notAccessToken()
	}
	if failed != nil {
		return session.AccessToken{}, failed
	}
	return got.access, nil
}

// notUsable reports whether a good answer holds a token that no API takes as it is: N_A
// says so by name (RFC 8693 §2.2.1).
func (a *answer) notUsable() bool {
	return a != nil && a.good() && a.flaw == sound && a.code() == "" && a.has("access_token") &&
		a.has("token_type") && !strings.EqualFold(a.text("token_type"), a.tokenType())
}

// notAccessToken refuses what was issued as something else than an access token: an ID
// token or a refresh token on its way to an API would be a leak.
func (a *answer) notAccessToken() *session.RefreshError {
	switch kind := a.text("issued_token_type"); kind {
	case typeAccessToken, typeJWT:
		return nil
	case "":
		return failure(session.BadTarget, "", "the answer to the token exchange has no issued_token_type")
	default:
		return failure(session.BadTarget, "", "the token exchange issued no access token but "+short(kind))
	}
}
