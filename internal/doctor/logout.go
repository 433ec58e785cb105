package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// logout looks at both directions: what a logout here does at the provider, and how one at
// the provider comes here.
func (e *exam) logout(ctx context.Context, c *chart, m *metadata) {
	e.revocation(c, m)
	e.endSession(ctx, c, m)
	if !m.told {
		return
	}
	own := e.cfg.PublicURL.String() + e.cfg.BasePath
	switch {
	case m.Backchannel && m.BackchannelSession:
		c.pass("provider.backchannel_logout", "announced; register "+own+"/backchannel-logout, with the session required")
	case m.Backchannel:
		c.pass("provider.backchannel_logout", "announced, without the sid of a session: a logout there ends the user's sessions on all devices; register "+own+"/backchannel-logout")
	case m.Frontchannel:
		c.pass("provider.backchannel_logout", "only the front channel is announced; register "+own+"/frontchannel-logout")
	default:
		c.pass("provider.backchannel_logout", "not announced: a session that ends at the provider ends here with its next refresh")
	}
}

func (e *exam) revocation(c *chart, m *metadata) {
	const check = "provider.revocation"
	switch {
	case !e.cfg.Provider.RevokeOnLogout:
		c.pass(check, "a logout revokes nothing, as configured; the refresh token lives on at the provider until it expires")
	case m.RevocationEndpoint == "":
		c.warn(check, "the provider names no revocation endpoint (RFC 7009): after a logout the refresh token lives on there until it expires",
			"switch it on there, or write provider.endpoints.revocation; if there is none, write provider.revoke_on_logout: false to say so")
	default:
		c.pass(check, "a logout revokes the refresh token")
	}
}

// endSession looks at where a logout sends the browser.
func (e *exam) endSession(ctx context.Context, c *chart, m *metadata) {
	const check = "provider.logout"
	strategy := e.cfg.Provider.Logout
	if strategy == "auto" && m.EndSessionEndpoint == "" {
		strategy = e.known.LogoutFallback
	}
	switch {
	case strategy == "local":
		c.pass(check, "a logout ends the session here and leaves the one at the provider, as configured")
	case strategy == "":
		c.warn(check, "the provider names no end_session_endpoint: after a logout its own session lives on, and the next login may pass without a question",
			"write provider.preset or provider.endpoints.end_session; if there is none, write provider.logout: local to say so")
	case strategy == "oidc" && m.EndSessionEndpoint == "":
		c.fail(check, "provider.logout is oidc, and the provider names no end_session_endpoint", "write provider.endpoints.end_session, or another strategy")
	default:
		c.pass(check, "a logout goes on to the provider ("+strategy+")")
		e.afterLogout(ctx, c)
	}
}

// afterLogout asks for the provider's logout as a browser that is not signed in, once with
// the address to return to and, if that is refused, once without.
func (e *exam) afterLogout(ctx context.Context, c *chart) {
	const check = "provider.post_logout_url"
	client, err := oidc.New(e.Provider)
	if err != nil {
		return // told by probe
	}
	if _, err := client.AuthorizationURL(ctx, oidc.AuthRequest{State: "s", Nonce: "n", Verifier: "v"}); err != nil {
		return // the metadata cannot be used, as was told
	}
	target := client.LogoutURL(nil, "doctor")
	if target == "" || e.known.NeedsIDTokenHint {
		return
	}
	with, err := e.visit(ctx, target)
	switch {
	case err != nil:
		found, remedy := explain(err, "provider.ca_file")
		c.warn(check, "the provider's logout cannot be reached: "+found, remedy)
	case with.status < http.StatusBadRequest:
		c.pass(check, "the provider's logout takes "+e.Provider.PostLogoutURL)
	case with.status >= http.StatusInternalServerError:
		c.warn(check, fmt.Sprintf("the provider's logout fails, status %d%s", with.status, textOf(with)), "look at the provider's log")
	default:
		if without, err := e.visit(ctx, withoutParams(target, "post_logout_redirect_uri", "returnTo", "logout_uri", "state")); err != nil || without.status >= http.StatusBadRequest {
			return // it refuses who is not signed in, whatever the address
		}
		c.warn(check, fmt.Sprintf("the provider's logout refuses %s, status %d%s", e.Provider.PostLogoutURL, with.status, textOf(with)),
			"register it there as the client's post_logout_redirect_uri")
	}
}

func (e *exam) visit(ctx context.Context, address string) (*answer, error) {
	return e.web.ask(ctx, &http.Client{Transport: e.web.transport, CheckRedirect: noRedirect}, http.MethodGet, address)
}

func withoutParams(address string, names ...string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	query := u.Query()
	for _, name := range names {
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
