package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// probe lets the gateway's own client ask what it will have to ask: an authorization
// request with prompt=none, and the token endpoint with grants that nobody ever gave.
func (e *exam) probe(ctx context.Context, c *chart, m *metadata) {
	client, err := oidc.New(e.Provider)
	if err != nil {
		c.fail("provider", err.Error(), "correct that key of the configuration")
		return
	}
	request := oidc.AuthRequest{
		State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(),
		Params: url.Values{"prompt": {"none"}},
	}
	target, err := client.AuthorizationURL(ctx, request)
	var scopesRefused bool
	switch {
	case err == nil:
		scopesRefused = e.authorization(ctx, c, client, m, target, request.State)
	case c.failed(): // that is why
		return
	case e.Provider.PAR != oidc.Never && m.PAREndpoint != "":
		scopesRefused = e.pushRefused(c, err)
	default:
		c.fail("provider", plain(err), "the gateway cannot use this provider before that is mended")
		return
	}
	accepted, known := e.credentials(ctx, c, client, request)
	if m.told {
		e.clientAuth(c, m, accepted)
		e.scopes(c, m, scopesRefused)
	}
	e.refreshToken(ctx, c, client, m, accepted || !known)
}

// credentials presents a made-up code. Who does not know the client says so; who does finds
// the code wrong. known is false if the provider did not come to that.
func (e *exam) credentials(ctx context.Context, c *chart, client *oidc.Client, request oidc.AuthRequest) (accepted, known bool) {
	const check = "provider.client_secret"
	_, err := client.Exchange(ctx, "cloakroom-doctor-"+rand.Text(), oidc.AuthRequest{State: request.State, Nonce: request.Nonce, Verifier: request.Verifier})
	if refused, ok := errors.AsType[*oidc.LoginError](err); ok && refused.Code != "" {
		c.pass(check, fmt.Sprintf("the provider knows the client, and refuses the made-up code only (%s)", refused.Code))
		return true, true
	}
	failed, ok := errors.AsType[*session.RefreshError](err)
	switch {
	case !ok:
		c.warn(check, "the provider's answer to a made-up code says nothing of the client: "+plain(err), "look at the provider's log")
		return false, false
	case failed.Class != session.Operator:
		c.warn(check, "the token endpoint could not be asked: "+plain(err), "look at the provider, and ask again later")
		return false, false
	case failed.Code == "unauthorized_client", failed.Code == "unsupported_grant_type":
		c.fail(check, "the client may not use the authorization-code grant: "+plain(err), "allow that grant for the client at the provider")
		return false, true
	case failed.Code == "invalid_dpop_proof" && e.Provider.SenderConstrained == oidc.DPoP:
		c.fail("provider.dpop", "the provider takes none of the gateway's proofs: "+plain(err), "compare the clocks of the two machines, and the token endpoint's address with the one that the provider knows itself by")
		return false, true
	case failed.Code == "use_dpop_nonce", failed.Code == "invalid_dpop_proof":
		c.fail("provider.dpop", "the provider demands DPoP of this client: "+plain(err), "write provider.sender_constrained: dpop, or switch DPoP off for this client there")
		return false, true
	}
	c.fail(check, fmt.Sprintf("the provider refuses client %s: %s", e.cfg.Provider.ClientID, plain(err)),
		"compare client_id, client_secret and client_auth with the client's page at the provider; a secret that has expired or was rotated looks the same")
	return false, true
}

// refreshToken finds out whether logins ask for a refresh token, and whether the client may
// use one. ask is false if the provider does not take the client's word anyway.
func (e *exam) refreshToken(ctx context.Context, c *chart, client *oidc.Client, m *metadata, ask bool) {
	const check = "provider.refresh_token"
	asked := e.asksForRefreshToken()
	if !asked {
		c.warn(check, "no login asks for a refresh token, so that a session has no fresh token once the first has run out", "write offline_access into provider.scopes, or provider.preset")
	}
	switch {
	case ask && e.mayNotRefresh(ctx, c, client), !asked:
	case lacks(m.GrantTypes, "refresh_token"):
		c.warn(check, "the provider does not announce the refresh-token grant (grant_types_supported)", "allow it there; without it a session ends with its first access token")
	case lacks(m.Scopes, "offline_access") && slices.Contains(e.Provider.Scopes, "offline_access"):
		c.warn(check, "the provider does not announce offline_access, by which a login asks for a refresh token", "allow it for this client there, or write the provider's preset if it has another way")
	case !ask:
		c.pass(check, "asked for")
	default:
		c.pass(check, "asked for, and the client may refresh; whether a login gets one shows at the first")
	}
}

// mayNotRefresh presents a refresh token that nobody ever gave. Who lets the client refresh
// finds the token dead; anything else is told.
func (e *exam) mayNotRefresh(ctx context.Context, c *chart, client *oidc.Client) bool {
	const check = "provider.refresh_token"
	grant := &session.Grant{Issuer: client.Filed()[0], ClientID: client.ClientID(), RefreshToken: session.Token("cloakroom-doctor-" + rand.Text())}
	_, err := client.Refresh(ctx, grant, session.Target{})
	failed, ok := errors.AsType[*session.RefreshError](err)
	switch {
	case ok && failed.Class == session.Operator && failed.Code == "invalid_request":
		c.fail(check, "the provider takes a refresh for a malformed request: "+plain(err),
			"allow the refresh-token grant for the client at the provider; if its text speaks of the token, write the provider's preset, since a dead token would end no session")
	case ok && failed.Class == session.Operator:
		c.fail(check, "the client may not refresh: "+plain(err), "allow the refresh-token grant for the client at the provider, and offline access for its API")
	case ok && (failed.Class == session.Transient || failed.Class == session.Unknown):
		c.warn(check, "the token endpoint could not be asked: "+plain(err), "look at the provider, and ask again later")
	default:
		return false
	}
	return true
}

// asksForRefreshToken knows the ways to ask: the scope of OpenID Connect Core §11, that of
// some providers, Google's parameter, and presets whose providers need no asking.
func (e *exam) asksForRefreshToken() bool {
	for _, s := range []string{"offline_access", "offline", "online_access"} {
		if slices.Contains(e.Provider.Scopes, s) {
			return true
		}
	}
	return e.Provider.AuthorizeParams["access_type"] == "offline" || e.known.OnlineLife > 0 || e.known.Name == "cognito"
}

// plain is an error of the provider client without the names of its layers.
func plain(err error) string {
	if failed, ok := errors.AsType[*session.RefreshError](err); ok {
		switch {
		case failed.Code != "" && failed.Err != nil:
			return failed.Code + ", " + quote(failed.Err.Error())
		case failed.Code != "":
			return failed.Code
		case failed.Err != nil:
			return quote(failed.Err.Error())
		}
	}
	if refused, ok := errors.AsType[*oidc.LoginError](err); ok {
		if err = refused.Err; refused.Code != "" {
			return refused.Code + ", " + quote(err.Error())
		}
	}
	return quote(err.Error())
}
