package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Require is what a session must have to use a route. The zero Require asks nothing. Who
// lacks a scope or a claim gets a 403, and who has not signed in as the route asks gets a
// login that does; the upstream hears nothing of either.
type Require struct {
	// Scopes that all must have been granted: with the route's own token if that is the
	// user's, else with the login's.
	Scopes []string

	// Claims that all must be there. One of the values has to be the claim's, exactly;
	// of a claim that is a list, one of its elements. Numbers and truth values are
	// compared as JSON writes them. A name with dots that is no claim's is a path through
	// objects: realm_access.roles.
	Claims map[string][]string

	// ACR are authentication context classes. The login must have had one of them, exactly;
	// who lacks it is sent to a login that asks for them, in this order.
	ACR []string

	// MaxAge is how old the login may be, by the auth_time of the provider and with the
	// provider client's clock skew; whole seconds, zero is any age. A login whose time the
	// provider does not tell is too old.
	MaxAge time.Duration
}

// none reports whether nothing is asked.
func (q *Require) none() bool {
	return len(q.Scopes) == 0 && len(q.Claims) == 0 && len(q.ACR) == 0 && q.MaxAge == 0
}

// demand is what the login must have been for this, nil if any will do.
func (q *Require) demand() map[string]string {
	var age string
	if q.MaxAge > 0 {
		age = strconv.FormatInt(int64(q.MaxAge/time.Second), 10)
	}
	return oidc.Demand(strings.Join(q.ACR, " "), age, "")
}

// met returns nil if the session has the scopes and claims that are asked, or the *Problem.
// at is the user's token for the route, if it has one.
func (q *Require) met(st *session.State, at session.AccessToken) error {
	if len(q.Scopes) == 0 && len(q.Claims) == 0 {
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
	demand := q.demand()
	if got := strings.Fields(demand["acr_values"]); !slices.Equal(got, q.ACR) {
		return errors.New("require: acr has a value that no login can be asked for")
	}
	if q.MaxAge != 0 && (q.MaxAge%time.Second != 0 || demand["max_age"] == "") {
		return errors.New("require: max_age is no number of whole seconds that a login can be asked for")
	}
	return nil
}
