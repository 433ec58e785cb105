package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Require is what a session must have to use a route. The zero Require asks nothing. Who
// lacks something gets a 403, and the upstream hears nothing of it.
type Require struct {
	// Scopes that all must have been granted: with the route's own token if that is the
	// user's, else with the login's.
	Scopes []string

	// Claims that all must be there. One of the values has to be the claim's, exactly;
	// of a claim that is a list, one of its elements. Numbers and truth values are
	// compared as JSON writes them. A name with dots that is no claim's is a path through
	// objects: realm_access.roles.
	Claims map[string][]string
}

// none reports whether nothing is asked.
func (q *Require) none() bool { return len(q.Scopes) == 0 && len(q.Claims) == 0 }

// met returns nil if the session has what is asked, or the *Problem. at is the user's
// token for the route, if it has one.
func (q *Require) met(st *session.State, at session.AccessToken) error {
	if q.none() {
		return nil
	}
	for name, values := range q.Claims {
		if !hasOneOf(claimNamed(st.Grant.Claims, name), values) {
			return &Problem{Code: ClaimRequired, Detail: "Your account does not have what this needs.", Err: fmt.Errorf("proxy: claim %q has none of the values that the route requires", name)}
		}
	}
	if at.Token == "" {
		at = st.Grant.Access[session.Target{}]
	}
	granted := strings.Fields(at.Scope)
	for _, scope := range q.Scopes {
		if !slices.Contains(granted, scope) {
			return &Problem{Code: InsufficientScope, Detail: "This needs a permission that was not granted.", Err: fmt.Errorf("proxy: scope %q was not granted", scope)}
		}
	}
	return nil
}

// claimNamed finds a claim by its name, or by the path to it; nil if there is none.
func claimNamed(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	var value any = claims
	for part := range strings.SplitSeq(name, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[part]
	}
	return value
}

// hasOneOf reports whether a claim is one of the values, or has one of them as an element.
func hasOneOf(claim any, values []string) bool {
	elements, multiple := claim.([]any)
	if !multiple {
		elements = []any{claim}
	}
	return slices.ContainsFunc(elements, func(e any) bool {
		switch e.(type) {
		case map[string]any, []any:
			return false
		}
		text, ok := scalar(e)
		return ok && slices.Contains(values, text)
	})
}

// check finds what can never be met, or asks nobody.
func (q *Require) check(r *Route) error {
	if !q.none() && r.Access != Required {
		return errors.New("require keeps nobody out where access is not required")
	}
	for name, values := range q.Claims {
		if name == "" || len(values) == 0 {
			return fmt.Errorf("require: claim %q has no value that would do", name)
		}
	}
	return nil
}
