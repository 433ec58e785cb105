package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// DemandUnmet is the code of a *LoginError if the login did not bring what it was asked for.
// Providers that cannot bring it answer the same code (OpenID Connect Core Error Code
// unmet_authentication_requirements 1.0).
const DemandUnmet = "unmet_authentication_requirements"

// Bounds of what somebody may demand of a login, in bytes. It travels in URLs and, sealed, in
// a value that is no longer than a cookie.
const (
	maxACR    = 512
	maxClaims = 1536
)

// Demand is what the next login is to ask for, as parameters of the authorization request:
// acr_values, max_age in seconds, and claims (OpenID Connect Core §3.1.2.1, §5.5). What the
// provider or an API said that cannot be asked for is left out; nil if nothing remains.
func Demand(acrValues, maxAge, claims string) map[string]string {
	demand := make(map[string]string)
	if acr := strings.Fields(acrValues); len(acrValues) <= maxACR && len(acr) > 0 && printable(acrValues) {
		demand["acr_values"] = strings.Join(acr, " ")
	}
	if _, err := maxAgeOf(maxAge); err == nil && maxAge != "" {
		demand["max_age"] = maxAge
	}
	if strings.HasPrefix(claims, "{") && len(claims) <= maxClaims && json.Valid([]byte(claims)) {
		demand["claims"] = claims
	}
	if len(demand) == 0 {
		return nil
	}
	return demand
}

// printable reports whether s is printable ASCII, as an acr value is (RFC 9470 §3).
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// Meets reports whether a login has brought what is demanded. As with times in ID tokens,
// clocks may differ by the client's ClockSkew: what a callback takes is not refused at
// once by the next request. The claims of a demand stand in access tokens, which nobody here
// reads: a login that is younger than ClockSkew has asked for them, and an older one has not.
func (c *Client) Meets(g *session.Grant, demand map[string]string) bool {
	age, err := maxAgeOf(demand["max_age"])
	if err != nil {
		return false
	}
	d := asked{acr: strings.Fields(demand["acr_values"]), maxAge: age, limited: demand["max_age"] != ""}
	now, skew := c.now(), c.cfg.ClockSkew
	if demand["claims"] != "" && now.After(g.IssuedAt.Add(skew)) {
		return false
	}
	return d.check(g.ACR, g.AuthTime, now, skew) == nil
}

// asked is what an ID token must prove because the login asked for it. A user can strike
// a parameter from the authorization request, so that what was asked for is worth nothing
// until it is checked.
type asked struct {
	acr     []string      // one of them; none: any
	maxAge  time.Duration // since the user was seen
	limited bool          // there is a maxAge
	claims  string        // JSON; what comes of it is the API's to judge
}

// asked reads it from the configuration and the request.
func (c *Client) asked(a AuthRequest) (asked, error) {
	configured := strings.Fields(c.cfg.AuthorizeParams["acr_values"])
	d := asked{acr: configured, claims: a.Demand["claims"]}
	if demanded := strings.Fields(a.Demand["acr_values"]); len(demanded) > 0 {
		d.acr = narrowed(demanded, configured)
	} else if len(configured) == 0 {
		d.acr = strings.Fields(a.Params.Get("acr_values"))
	}
	for _, s := range []string{c.cfg.AuthorizeParams["max_age"], a.Params.Get("max_age"), a.Demand["max_age"]} {
		if s == "" {
			continue
		}
		age, err := maxAgeOf(s)
		if err != nil {
			return asked{}, err
		}
		if !d.limited || age < d.maxAge {
			d.maxAge, d.limited = age, true
		}
	}
	return d, nil
}

// narrowed are those of the demanded values that the operator takes at any login. If he
// takes none of them, they are for more than a login, and stand as they are.
func narrowed(demanded, configured []string) []string {
	both := slices.DeleteFunc(slices.Clone(demanded), func(acr string) bool { return !slices.Contains(configured, acr) })
	if len(both) == 0 {
		return demanded
	}
	return both
}

// maxAgeOf reads a max_age: seconds, at most ten years of them.
func maxAgeOf(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > uint64(farthest/time.Second) {
		return 0, fmt.Errorf("max_age %q is no number of seconds", short(s))
	}
	return time.Duration(n) * time.Second, nil
}

// unmetError says what a login did not bring.
type unmetError string

func (e unmetError) Error() string { return string(e) }

// unmet is the code of a login that failed with err.
func unmet(err error) string {
	if _, ok := errors.AsType[unmetError](err); ok {
		return DemandUnmet
	}
	return ""
}

// check judges what the login asked for (§3.1.3.7, 12 and 13).
func (d asked) check(acr string, authTime, now time.Time, skew time.Duration) error {
	switch {
	case len(d.acr) > 0 && !slices.Contains(d.acr, acr):
		return unmetError(fmt.Sprintf("acr is %q, and %q was asked for", short(acr), d.acr))
	case !d.limited:
		return nil
	case authTime.IsZero():
		return unmetError("auth_time is missing, though max_age was asked for")
	case now.After(authTime.Add(d.maxAge + skew)):
		return unmetError(fmt.Sprintf("the user was seen %s ago, and max_age is %s", now.Sub(authTime).Round(time.Second), d.maxAge))
	}
	return nil
}
