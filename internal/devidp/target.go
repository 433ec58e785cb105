package devidp

import (
	"net/url"
	"slices"
)

// wanted are the audience and the resources of a login: its tokens are good for one of them
// at a time (RFC 8707 §2).
func (a *authRequest) wanted() []string {
	return slices.DeleteFunc(append([]string{a.audience}, a.resource...), func(s string) bool { return s == "" })
}

// targetOf is the audience of the login's own token: what the token request names, else the
// only one that the login named, else the default one (§2.2).
func (k Knobs) targetOf(a *authRequest, form url.Values) (string, *Refusal) {
	named := form["resource"]
	switch all := a.wanted(); {
	case slices.ContainsFunc(named, func(r string) bool { return !slices.Contains(a.resource, r) }):
		return "", refuse("invalid_target", "the login did not name this resource")
	case len(named) > 0:
		return k.target("", named)
	case a.audience != "":
		return k.target(a.audience, nil)
	case len(all) == 1:
		return k.target("", all)
	}
	return "", nil
}

// target returns the audience that an access token is for, "" for the default one.
func (k Knobs) target(audience string, resource []string) (string, *Refusal) {
	asked := slices.DeleteFunc(append([]string{audience}, resource...), func(s string) bool { return s == "" })
	if len(asked) > 1 {
		return "", refuse("invalid_target", "one audience or resource at a time")
	}
	for _, r := range resource {
		if u, err := url.Parse(r); err != nil || !u.IsAbs() || u.Fragment != "" {
			return "", refuse("invalid_target", "resource is an absolute URI without a fragment")
		}
	}
	switch {
	case len(asked) == 0:
		return "", nil
	case k.Audiences == nil || slices.Contains(k.Audiences, asked[0]):
		return asked[0], nil
	case k.AudienceFallback:
		return "", nil
	}
	return "", refuse("invalid_target", "unknown audience")
}

// judgeResource refuses a resource at a refresh that its login did not name (RFC 8707 §2.2).
func (k Knobs) judgeResource(g *grant, form url.Values) *Refusal {
	if r := form.Get("resource"); k.ResourcesByLogin && r != "" && !slices.Contains(g.resources, r) {
		return refuse("invalid_target", "the login did not name this resource")
	}
	return nil
}
