package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// authorization sends the login's request with prompt=none, as a browser without cookies.
// A provider may send a browser to a registered address only (RFC 6749 §3.1.2.4), so that
// an error that comes back to us shows that ours is. scopesRefused says that the error
// was about the scopes.
func (e *exam) authorization(ctx context.Context, c *chart, client *oidc.Client, m *metadata, target, state string) (scopesRefused bool) {
	const check = "provider.redirect_uri"
	end, err := e.walk(ctx, target)
	if err != nil {
		found, remedy := explain(err, "provider.ca_file")
		c.fail("provider.authorization", found, remedy)
		return false
	}
	if end.answer == nil {
		c.pass(check, e.Provider.RedirectURL+" is registered")
		if end.params.Get("state") != state {
			c.fail("provider.authorization", "the provider's answer lacks our state", "look at the provider: every login would be refused here")
		}
		e.answerIssuer(ctx, c, client, m, end.params)
		return e.refusal(c, end.params)
	}
	e.page(ctx, c, target, end.answer)
	return false
}

// page judges a page in the place of a redirect. Some providers show one whatever prompt
// says, so that a page that is no error is compared with that for an address that cannot
// be registered.
func (e *exam) page(ctx context.Context, c *chart, target string, shown *answer) {
	const check = "provider.redirect_uri"
	remedy := e.registerRedirect()
	text := "status " + fmt.Sprint(shown.status) + textOf(shown)
	if shown.status >= http.StatusInternalServerError {
		c.warn("provider.authorization", "the authorization endpoint fails, "+text, "look at the provider's log, and ask again later")
		return
	}
	if shown.status >= http.StatusBadRequest {
		c.fail(check, "the provider shows an error page in the place of coming back, "+text, remedy)
		return
	}
	other, err := e.walk(ctx, withParam(target, "redirect_uri", e.Provider.RedirectURL+"/"+rand.Text()))
	if err == nil && other.answer != nil && other.answer.status >= http.StatusBadRequest {
		c.pass(check, e.Provider.RedirectURL+" is registered: the provider shows its sign-in page, and an error for any other address")
		return
	}
	c.warn(check, "the provider shows a page, whatever the address, "+text, "if that page speaks of an error, "+remedy)
}

// answerIssuer looks at iss in the answer (RFC 9207).
func (e *exam) answerIssuer(ctx context.Context, c *chart, client *oidc.Client, m *metadata, params url.Values) {
	const check = "provider.iss"
	err := client.CheckIssuer(ctx, params.Get("iss"), params.Has("iss"))
	switch {
	case err != nil:
		c.fail(check, plain(err), "mend it at the provider: every login is refused, since another provider's answer would look the same (RFC 9207)")
	case params.Has("iss"):
		c.pass(check, "the provider's answers name their issuer (RFC 9207), which every login checks")
	case m.told:
		c.pass(check, "the provider's answers do not name their issuer (RFC 9207), and it does not announce that they would")
	}
}

// refusal judges the error that came back. That the user is needed is what was to be
// expected.
func (e *exam) refusal(c *chart, params url.Values) (scopesRefused bool) {
	const check = "provider.authorization"
	code, why := params.Get("error"), ""
	if text := params.Get("error_description"); text != "" {
		why = ", " + quote(text)
	}
	switch code {
	case "login_required", "interaction_required", "consent_required", "account_selection_required", "access_denied":
		c.pass(check, "the provider takes the request, and wants the user to sign in ("+code+")")
	case "":
		c.pass(check, "the provider takes the request, and even signs in without a user; what it gave was not used")
	case "invalid_scope":
		return true
	case "unauthorized_client", "unsupported_response_type":
		c.fail(check, "the client may not use the authorization-code flow: "+code+why, "allow that flow for the client at the provider")
	case "invalid_target":
		c.fail(check, "the provider does not know the API that is asked for: "+code+why, "correct provider.audience or provider.resource, or allow the API for this client there")
	case "invalid_authorization_details":
		c.fail(check, "the provider does not grant what routes ask for: "+code+why, "correct routes.authorization_details, or allow their types for this client there")
	case "server_error", "temporarily_unavailable":
		c.warn(check, "the authorization endpoint fails: "+code+why, "look at the provider's log, and ask again later")
	default:
		c.fail(check, "the provider refuses the request: "+code+why, "look at provider.authorize_params, and at the client's settings at the provider")
	}
	return false
}

// landing is where an authorization request ended: at our callback, with parameters, or at
// a page of the provider's.
type landing struct {
	params url.Values
	answer *answer // nil at the callback
}

// walk follows redirects as a browser does that has no cookies yet, until the next would
// leave for the callback, which is not called.
func (e *exam) walk(ctx context.Context, target string) (landing, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return landing{}, err
	}
	client := &http.Client{Transport: e.web.transport, Jar: jar, CheckRedirect: noRedirect}
	for range 10 {
		a, err := e.web.ask(ctx, client, http.MethodGet, target)
		if err != nil {
			return landing{}, err
		}
		where := a.header.Get("Location")
		if a.status/100 != 3 || where == "" {
			return landing{answer: a}, nil
		}
		base, err := url.Parse(target)
		if err != nil {
			return landing{}, err
		}
		next, err := base.Parse(where)
		if err != nil {
			return landing{}, errors.New("the provider redirects to what is no address")
		}
		if params, ours := e.atCallback(next); ours {
			return landing{params: params}, nil
		}
		if next.Scheme != "https" && (next.Scheme != "http" || !loopback(next.Hostname())) {
			return landing{}, fmt.Errorf("the provider redirects to %s://%s", next.Scheme, next.Host)
		}
		target = next.String()
	}
	return landing{}, errors.New("the provider redirects without end")
}

// atCallback reports whether an address is the callback, and returns the parameters of it.
func (e *exam) atCallback(at *url.URL) (url.Values, bool) {
	callback, err := url.Parse(e.Provider.RedirectURL)
	if err != nil || at.Scheme != callback.Scheme || at.Host != callback.Host || at.Path != callback.Path {
		return nil, false
	}
	params := at.Query()
	if more, err := url.ParseQuery(at.Fragment); err == nil && !params.Has("error") {
		maps.Copy(params, more)
	}
	return params, true
}

// textOf is what a page says to its reader, or nothing.
func textOf(a *answer) string {
	text := string(a.body)
	for _, noise := range []string{`(?is)<(script|style|head)\b.*?</(script|style|head)>`, `(?s)<[^>]*>`} {
		text = regexp.MustCompile(noise).ReplaceAllString(text, " ")
	}
	if slices.Contains([]string{"", "“”"}, quote(html.UnescapeString(text))) {
		return ""
	}
	return ", " + quote(html.UnescapeString(text))
}

// withParam puts another value in the place of a query's parameter.
func withParam(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}
