package config

import "strings"

// confides says what a route's upstream gets that nobody else may read, "" for nothing.
func (rt *Route) confides() string {
	switch {
	case rt.Token == Passthrough || rt.AllowBearer || rt.SendsToken():
		return "tokens"
	case rt.UpstreamAuth != UpstreamAuth{}:
		return "credentials"
	}
	return ""
}

// checkCredentials looks at what goes to the upstream in Authorization that is no token of
// the gateway's.
func (r *reader) checkCredentials(path string, rt *Route) {
	bearer := path + ".allow_bearer"
	switch {
	case !rt.AllowBearer || !r.sound(bearer, path+".upstream", path+".files", path+".access", path+".token"):
	case rt.Files != "":
		r.problem(bearer, "is for an upstream, and files have none: take it out")
	case rt.Access == Public && rt.Token != UserOrClientToken:
		r.problem(bearer, "is for routes that ask for a ticket, and access public asks for none: write token: passthrough instead")
	}

	auth := path + ".upstream_auth"
	user, password, whole := auth+".basic.user", auth+".basic.password", auth+".authorization"
	a := &rt.UpstreamAuth
	if *a == (UpstreamAuth{}) || !r.sound(user, password, whole, path+".token", path+".access", path+".upstream", path+".files") {
		return
	}
	switch {
	case rt.Files != "":
		r.problem(auth, "is for an upstream, and files have none: take it out")
	case rt.SendsToken() || rt.Token == Passthrough:
		r.problem(auth, "stands where the token would: write token: none, too")
	case a.User.IsZero() && !a.Password.IsZero():
		r.problem(password, "has no user: write user, too; for a key that is no password write authorization")
	case !a.User.IsZero() && !a.Authorization.IsZero():
		r.problem(whole, "is there beside basic: write one of the two")
	case strings.Contains(a.User.Reveal(), ":"):
		r.problem(user, "the value has a colon, which ends a user's name: write the password apart")
	}
}

// registered are the claims of an assertion that the gateway itself writes.
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// checkAssertion looks at the signed word about the user.
func (r *reader) checkAssertion(path string, rt *Route) {
	at := path + ".assertion"
	header, claims := at+".header", at+".claims"
	a := &rt.Assertion
	if !r.sound(header, claims, path+".access", path+".upstream", path+".files") || a.Header == "" && a.Audience == "" && len(a.Claims) == 0 {
		return
	}
	switch {
	case a.Header == "":
		r.problem(at, "has no header to be sent in: write one, such as header: X-Identity")
	case !tokenPattern.MatchString(a.Header):
		r.problem(header, "%s is no name of a header: write letters, digits and hyphens", shown(a.Header))
	case ownedHeader(a.Header):
		r.problem(header, "the gateway sets or drops this header itself: write another one, such as X-Identity")
	case rt.Files != "":
		r.problem(at, "is for an upstream, and files have none: take it out")
	case rt.Access == Public:
		r.problem(at, "is about the user, and access public asks for none: write access: required or optional, or take it out")
	}
	for _, name := range sortedKeys(rt.SetHeaders) {
		if a.Header != "" && twin(name) == twin(a.Header) {
			r.problem(header, "headers.set sets it, too: write another one")
		}
	}
	r.checkTwice(claims, a.Claims)
	for i, name := range a.Claims {
		for _, own := range registered {
			if name == own {
				r.problem(element(claims, i), "is in every assertion, as the gateway writes it: take it out")
			}
		}
	}
}
