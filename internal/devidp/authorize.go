package devidp

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// authRequest is a good authorization request (RFC 6749 §4.1.1, OpenID Connect Core
// §3.1.2.1).
type authRequest struct {
	client      Client
	redirectURI string
	state       string
	mode        string // of the response; empty means query
	nonce       string
	challenge   string // PKCE, S256
	scope       []string
	audience    string
	resource    []string
	details     []detail
	prompt      []string
	maxAge      time.Duration // negative if none was asked for
	acrValues   []string
	loginHint   string
	accessType  string
	jkt         string // thumbprint of the key that the code is bound to (RFC 9449 §10)
	came        time.Time
}

// code is an authorization code.
type code struct {
	request *authRequest
	browser browser // as it was signed in then
	expires time.Time
	grant   *grant // what came of it; nil until it is redeemed
	used    bool
}

// serveAuthorize answers at once where it can, else with the sign-in page.
func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	k := p.turned()
	form, problem := p.pulled(r.Form, k)
	if problem == "" && !r.Form.Has("request_uri") {
		form, problem = p.carried(r.Context(), form, k)
	}
	var a *authRequest
	if problem == "" {
		a, problem = p.readTarget(form)
	}
	if problem != "" {
		// An open redirector would be made of any other answer (RFC 6749 §3.1.2.4).
		p.errorPage(w, http.StatusBadRequest, problem)
		return
	}
	a.came = p.clock(k)
	if k.Push == Demanded && !r.Form.Has("request_uri") {
		p.sendBack(w, k, a, errorValues(refuse("invalid_request", "push the request first (RFC 9126)")))
		return
	}
	if refusal := a.read(form, k); refusal != nil {
		p.sendBack(w, k, a, errorValues(refusal))
		return
	}
	if k.AuthorizeError != "" {
		p.sendBack(w, k, a, errorValues(refuse(k.AuthorizeError, "turned on by a knob")))
		return
	}
	b := p.signedIn(r)
	why := a.needsUser(b, p.clock(k))
	switch {
	case b != nil && (why == "" || k.IgnoreStepUp):
		p.sendCode(w, k, a, b)
	case slices.Contains(a.prompt, "none"):
		p.sendBack(w, k, a, errorValues(refuse(why, "the user is needed")))
	case k.AutoLogin != "":
		p.signIn(w, k, a, k.AutoLogin, b)
	default:
		p.signInPage(w, p.remember(a, k), a, "")
	}
}

// readTarget finds out whom to answer. Its problem is for a page, not for the client.
func (p *Provider) readTarget(form url.Values) (a *authRequest, problem string) {
	if len(form["client_id"]) > 1 || len(form["redirect_uri"]) > 1 {
		return nil, "client_id or redirect_uri came twice."
	}
	p.mu.Lock()
	client, ok := p.clients[form.Get("client_id")]
	p.mu.Unlock()
	if !ok {
		return nil, "No client has this client_id. Register it in devidp.Config.Clients."
	}
	// A URI that only resembles a registered one may be an attacker's: simple string
	// comparison (RFC 9700 §2.1).
	if !slices.Contains(client.RedirectURIs, form.Get("redirect_uri")) {
		return nil, "This redirect_uri is not registered for the client; it must be equal to the letter."
	}
	return &authRequest{client: client, redirectURI: form.Get("redirect_uri"), state: form.Get("state"), mode: form.Get("response_mode")}, ""
}

// read reads and judges the rest of a request.
func (a *authRequest) read(form url.Values, k Knobs) *Refusal {
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return refuse("invalid_request", "a parameter came twice")
		}
	}
	a.nonce, a.challenge, a.loginHint = form.Get("nonce"), form.Get("code_challenge"), form.Get("login_hint")
	a.scope, a.prompt = strings.Fields(form.Get("scope")), strings.Fields(form.Get("prompt"))
	a.audience, a.resource = form.Get("audience"), form["resource"]
	a.jkt = form.Get("dpop_jkt")
	a.acrValues, a.accessType = strings.Fields(form.Get("acr_values")), form.Get("access_type")
	if digest, err := base64.RawURLEncoding.DecodeString(a.challenge); err != nil || len(digest) != 32 || form.Get("code_challenge_method") != "S256" {
		return refuse("invalid_request", "PKCE is required: a code_challenge of method S256")
	}
	switch {
	case form.Has("request"): // nobody has opened it
		return refuse("request_not_supported", "")
	case form.Has("request_uri"):
		return refuse("request_uri_not_supported", "")
	case form.Get("response_type") != "code":
		return refuse("unsupported_response_type", "only code is spoken here")
	case form.Has("response_mode") && !slices.Contains(responseModes(), form.Get("response_mode")):
		return refuse("invalid_request", "there is no such response_mode")
	case k.Scopes != nil && slices.ContainsFunc(a.scope, func(s string) bool { return !slices.Contains(k.Scopes, s) }):
		return refuse("invalid_scope", "a scope that nobody here knows")
	case !slices.Contains(a.scope, "openid"):
		return refuse("invalid_scope", "scope needs openid")
	case a.state == "" || a.nonce == "":
		return refuse("invalid_request", "state and nonce are required")
	case slices.Contains(a.prompt, "none") && len(a.prompt) > 1:
		return refuse("invalid_request", "prompt=none stands alone")
	}
	if refusal := a.readMaxAge(form); refusal != nil {
		return refusal
	}
	var err *Refusal
	if a.details, err = k.readDetails(form.Get("authorization_details")); err != nil {
		return err
	}
	for _, r := range a.resource {
		if _, err := k.target("", []string{r}); err != nil {
			return err
		}
	}
	_, err = k.target(a.audience, nil)
	return err
}

func (a *authRequest) readMaxAge(form url.Values) *Refusal {
	a.maxAge = -1
	if !form.Has("max_age") {
		return nil
	}
	seconds, err := strconv.ParseUint(form.Get("max_age"), 10, 32)
	if err != nil {
		return refuse("invalid_request", "max_age is a number of seconds")
	}
	a.maxAge = time.Duration(seconds) * time.Second
	return nil
}

// needsUser returns the error code that says why a session does not do, "" if it does.
func (a *authRequest) needsUser(b *browser, now time.Time) string {
	switch {
	case b == nil,
		slices.Contains(a.prompt, "login"), slices.Contains(a.prompt, "select_account"),
		a.maxAge >= 0 && now.Sub(b.authTime) >= a.maxAge:
		return "login_required"
	case len(a.acrValues) > 0 && !slices.Contains(a.acrValues, b.acr):
		return "interaction_required"
	}
	return ""
}

// sendCode ends a login well.
func (p *Provider) sendCode(w http.ResponseWriter, k Knobs, a *authRequest, b *browser) {
	text := random()
	p.mu.Lock()
	if len(p.codes) > k.keep() {
		maps.DeleteFunc(p.codes, func(_ string, c *code) bool { return c.used || !p.clock(k).Before(c.expires) })
	}
	p.codes[text] = &code{request: a, browser: *b, expires: p.clock(k).Add(orDuration(k.CodeTTL, 30*time.Second))}
	p.mu.Unlock()
	p.books.mint(text, k.keep())
	p.sendBack(w, k, a, url.Values{"code": {text}})
}

func withQuery(target string, values url.Values) string {
	if strings.Contains(target, "?") {
		return target + "&" + values.Encode()
	}
	return target + "?" + values.Encode()
}

func errorValues(r *Refusal) url.Values {
	values := url.Values{"error": {r.Code}}
	if r.Description != "" {
		values.Set("error_description", r.Description)
	}
	return values
}
