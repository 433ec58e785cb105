package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// classOf says what an error code of a token endpoint means (RFC 6749 §5.2, OpenID Connect
// Core §3.1.2.6, RFC 8707 §2, and what real providers add). It decides by the code alone:
// descriptions are for people and change. ok is false for a code that nobody knows.
func classOf(code string) (class session.Class, ok bool) {
	switch code {
	case "too_many_requests", "slow_down", "temporarily_unavailable", "server_error":
		return session.Transient, true
	case "invalid_client", "unauthorized_client", "unsupported_grant_type",
		"incorrect_client_credentials", // GitHub
		"invalid_request",
		"use_dpop_nonce", "invalid_dpop_proof": // RFC 9449: no proof was sent, or no good one
		return session.Operator, true
	case "mfa_required", // Auth0
		"interaction_required", "login_required", "consent_required", "account_selection_required":
		return session.Interaction, true
	case "access_denied", "unauthorized":
		return session.Denied, true
	case "invalid_grant",
		"bad_refresh_token": // GitHub
		return session.Refused, true
	case invalidDetails, // RFC 9396 §5
		"invalid_scope",
		"scope_not_granted": // Hydra
		return session.BadScope, true
	case "invalid_target":
		return session.BadTarget, true
	}
	return session.Transient, false
}

// classify puts the answer of a token endpoint into a class; nil means that it is good.
func (a *answer) classify(special map[string]session.Class) *session.RefreshError {
	if failed := a.failed(special); failed != nil {
		return failed
	}
	return a.unusable()
}

// failed puts an answer into a class; nil means that it is good as far as its error
// goes. The order of the lines is their precedence. special holds codes that mean
// something else at this provider.
//
// A status decides only where it says that nobody looked at the request properly. A 4xx
// without an error code came from a proxy or a firewall and refuses nothing.
func (a *answer) failed(special map[string]session.Class) *session.RefreshError {
	code := a.code()
	switch {
	case a.status/100 == 3:
		return failure(session.Transient, "", "redirected to "+redirectHost(a.header))
	case a.flaw == brokeOff && a.good() && a.text("refresh_token") != "":
		// Nothing is lost: the new refresh token is in our hands.
		return failure(session.Transient, "", "the answer breaks off behind the refresh token")
	case a.cut, a.flaw == brokeOff && a.good():
		return failure(session.Unknown, "", "the answer breaks off")
	case a.status == http.StatusRequestTimeout, a.status == http.StatusTooManyRequests, a.status >= 500:
		return failure(session.Transient, code, "")
	case code != "":
		return a.refusal(code, special)
	case !a.good():
		return failure(session.Transient, "", "no error code in the answer")
	case a.flaw != sound:
		return failure(session.Transient, "", "no JSON object in the answer")
	case a.has("error"):
		return failure(session.Transient, "", "an error without a code in the answer")
	}
	return nil
}

// unusable says what keeps a good answer's access token from being used.
func (a *answer) unusable() *session.RefreshError {
	kind := a.text("token_type")
	switch {
	case !sendable(a.text("access_token")):
		return failure(session.Transient, "", "no access_token in the answer")
	case (a.bound || a.has("token_type")) && !strings.EqualFold(kind, a.tokenType()):
		return failure(session.Operator, "", fmt.Sprintf("the token_type is not %s but %q", a.tokenType(), kind))
	}
	return nil
}

// sendable reports whether a token can stand in an Authorization header: visible ASCII
// (RFC 6749 §A.12, without the space).
func sendable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}

// elsewhere reports whether the access token names an audience and t's is not among them
// (line 22). A token without aud, and one that cannot be read, pass: nothing is known.
func (a *answer) elsewhere(t session.Target) *session.RefreshError {
	if t.Audience == "" && t.Resource == "" {
		return nil
	}
	named, ok := jwtClaims(a.text("access_token")).list("aud")
	if ok && len(named) == 0 || slices.Contains(named, t.Audience) && t.Audience != "" || slices.Contains(named, t.Resource) && t.Resource != "" {
		return nil
	}
	return failure(session.BadTarget, "", "the access token is for another audience than was asked for")
}

// refusal is the class of an error code.
func (a *answer) refusal(code string, special map[string]session.Class) *session.RefreshError {
	if class, ok := special[code]; ok {
		return failure(class, code, "")
	}
	class, _ := classOf(code)
	if a.bound && code == "use_dpop_nonce" {
		class = session.Transient // the nonce that was demanded has gone stale on the way
	}
	if code == "invalid_grant" && a.wantsUser() {
		class = session.Interaction
	}
	failed := failure(class, code, "")
	if class == session.Interaction {
		failed.Demand = a.demand()
	}
	return failed
}

// wantsUser reports whether an invalid_grant of Entra ID means that a login mends it: the
// code is the same as that of a dead token.
func (a *answer) wantsUser() bool {
	switch a.text("suberror") {
	case "basic_action", "additional_action", "message_only", "consent_required", "user_password_expired":
		return true
	}
	return a.has("claims")
}

// demand is what the login that mends an Interaction has to ask for.
func (a *answer) demand() map[string]string {
	age := a.text("max_age")
	if age == "" && a.has("max_age") {
		age = string(a.members["max_age"])
	}
	wanted := a.text("claims") // Entra sends the object as a string
	if wanted == "" && a.has("claims") {
		wanted = string(a.members["claims"])
	}
	return Demand(a.text("acr_values"), age, wanted)
}

func failure(class session.Class, code, detail string) *session.RefreshError {
	failed := &session.RefreshError{Class: class, Code: code}
	if detail != "" {
		failed.Err = errors.New(detail)
	}
	return failed
}

func redirectHost(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return "somewhere on the same host"
	}
	return fmt.Sprintf("host %q", short(u.Host))
}

// explain fills in what the operator may know of a failure: what the provider said of it,
// cleaned of tokens, and how long it wants to be left alone.
func (c *Client) explain(failed *session.RefreshError, a *answer, form url.Values) {
	limited := a.status == http.StatusTooManyRequests || failed.Code == "too_many_requests" || failed.Code == "slow_down"
	failed.RetryAfter = retryAfter(a.header, limited, c.now())
	detail := []string{fmt.Sprintf("HTTP status %d", a.status)}
	if failed.Err != nil {
		detail = append(detail, failed.Err.Error())
	}
	for _, name := range []string{"error_description", "suberror", "trace_id", "correlation_id"} {
		if s := a.text(name); s != "" {
			detail = append(detail, name+" "+s)
		}
	}
	if a.has("error_codes") {
		detail = append(detail, "error_codes "+string(a.members["error_codes"]))
	}
	failed.Code = c.cleanText(failed.Code, form, a)
	failed.Err = errors.New(c.cleanText(strings.Join(detail, "; "), form, a))
}
