package doctor

import (
	"errors"
	"net/url"
	"strings"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// pushedRequests compares what the provider wants of authorization requests with what the
// gateway does (RFC 9126 §5).
func (e *exam) pushedRequests(c *chart, m *metadata) {
	const check = "provider.par"
	switch usage := e.Provider.PAR; {
	case usage == oidc.Never && m.NeedsPAR:
		c.fail(check, "the provider takes pushed authorization requests only (RFC 9126), and provider.par is never", "take provider.par out")
	case usage == oidc.Never:
		c.pass(check, "authorization requests are not pushed, as provider.par says")
	case m.PAREndpoint != "":
		c.pass(check, "authorization requests are pushed")
	case e.Provider.Profile == oidc.FAPI2: // profile says so
	case usage == oidc.Always, m.NeedsPAR:
		c.fail(check, "authorization requests are to be pushed (RFC 9126), and the provider names no pushed_authorization_request_endpoint", "switch it on there, or write provider.endpoints.pushed_authorization_request")
	default:
		c.pass(check, "pushed authorization requests are not offered, and not made")
	}
}

// pushRefused judges what came in the place of a reference to the pushed request. What is
// wrong with the request shows here, and no longer in the browser (RFC 9126 §2.3). What is
// wrong with the client is left to who asks the token endpoint.
func (e *exam) pushRefused(c *chart, err error) (scopesRefused bool) {
	const found = "the provider does not take the pushed request: "
	if failed, ok := errors.AsType[*session.RefreshError](err); ok && failed.Code == "invalid_client" {
		return false
	}
	refused, ok := errors.AsType[*oidc.LoginError](err)
	switch {
	case ok && refused.Code == "invalid_scope":
		return true
	case ok && (refused.Code == "invalid_redirect_uri" || strings.Contains(refused.Err.Error(), "redirect_uri")):
		// There is no code for it that all providers use, so the text has to tell.
		c.fail("provider.redirect_uri", found+plain(err), e.registerRedirect())
	case ok && (refused.Code == "invalid_target" || refused.Code == "invalid_authorization_details" || refused.Code == "unsupported_response_type"):
		return e.refusal(c, url.Values{"error": {refused.Code}, "error_description": {refused.Err.Error()}})
	default:
		c.fail("provider.par", found+plain(err), "allow redirect URI, scopes and parameters for this client there, and look at what follows")
	}
	return false
}

// registerRedirect is what to do where the provider does not know the callback.
func (e *exam) registerRedirect() string {
	return "register exactly " + e.Provider.RedirectURL + " for client " + e.Provider.ClientID + " at the provider, and see that the client is there"
}
