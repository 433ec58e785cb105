package proxy

import (
	"net/http"
	"strings"
)

// bringsBearer reports whether a request is a machine client's: it has no ticket, and a
// bearer token of its own (RFC 6750 §2.1).
//
// The CSRF rule has nothing to say of such a request. A page elsewhere can make a browser
// send the cookies that it has, and even the password that it was once given for a Basic
// challenge, but never a bearer token: only a script can write one, and across origins only
// after a preflight that allows it. A token that the script has is no right of the victim's.
func (g *Gateway) bringsBearer(r *http.Request) bool {
	return hasBearer(r.Header) && !g.carriesTicket(r)
}

// hasBearer reports whether the headers have one bearer token and no other credential.
func hasBearer(h http.Header) bool {
	lines := h["Authorization"]
	if len(lines) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	return strings.EqualFold(scheme, "Bearer") && isToken68(strings.TrimLeft(token, " "))
}

// isToken68 reports whether s is a token68 (RFC 9110 §11.2), as bearer tokens are.
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		c := body[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("-._~+/", c) < 0 {
			return false
		}
	}
	return body != ""
}
