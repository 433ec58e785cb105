package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// claim is one element of the answer of GET /bff/user.
type claim struct {
	Type  string `json:"type"`
	Value any    `json:"value"` // a string, but for bff:session_expires_in
}

// user answers GET /bff/user: the claims of the signed-in user as an array of
// {type, value}, and what the gateway adds under bff:. It counts as activity unless
// ?slide=false says otherwise. Without a session it is a 401.
//
// A claim with several values repeats its type; a number or a boolean is written as text,
// an object as its JSON. What only the ID token's receiver needs is left out.
func (g *Gateway) user(w http.ResponseWriter, r *http.Request) error {
	s, err := g.openOwn(r)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("slide") != "false" {
		touch(s, r)
	}
	st := s.State()
	claims := claimsOf(&st.Grant)
	list := make([]claim, 0, len(claims)+3)
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		values, multiple := claims[name].([]any)
		if !multiple {
			values = []any{claims[name]}
		}
		for _, v := range values {
			text, err := claimText(v)
			if err != nil {
				return fmt.Errorf("proxy: claim %s: %w", name, err)
			}
			list = append(list, claim{name, text})
		}
	}
	idle, absolute := s.Limits()
	list = append(list,
		claim{"bff:session_expires_in", wholeSeconds(min(idle, absolute))},
		claim{"bff:logout_url", g.logoutURL(st)})
	if st.Grant.SessionState != "" {
		list = append(list, claim{"bff:session_state", st.Grant.SessionState})
	}
	return writeJSON(w, http.StatusOK, list)
}

// openOwn returns the live session of a request to one of the gateway's own endpoints,
// once it is believed that a page of ours sent it.
func (g *Gateway) openOwn(r *http.Request) (*session.Session, error) {
	if g.carriesTicket(r) {
		if err := g.checkCSRF(r); err != nil {
			return nil, err
		}
	}
	return g.openTicket(r)
}

// protocolClaim reports whether a claim belongs to the ID token as a message and not to the
// user (OpenID Connect Core §2, §3.3.2.11). auth_time, acr, amr and sid are no such claims:
// they tell of the sign-in.
func protocolClaim(name string) bool {
	switch name {
	case "iss", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash":
		return true
	}
	return false
}

// claimsOf returns the claims of the grant that tell of its user.
func claimsOf(g *session.Grant) map[string]any {
	claims := make(map[string]any, len(g.Claims))
	for name, v := range g.Claims {
		if v != nil && !protocolClaim(name) {
			claims[name] = v
		}
	}
	return claims
}

// claimText writes one value of a claim.
func claimText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return v.String(), nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// logoutURL is where a navigation ends the session st.
func (g *Gateway) logoutURL(st *session.State) string {
	return g.base + "/logout?" + url.Values{"sid": {st.Proof}}.Encode()
}

// wholeSeconds rounds down: a client that waits that long has waited long enough.
func wholeSeconds(d time.Duration) int64 { return int64(d / time.Second) }
