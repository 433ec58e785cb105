package devidp

import (
	"maps"
	"net/http"
	"slices"
)

// serveUserInfo answers with the user's claims (OpenID Connect Core §5.3). The token comes
// in the Authorization header and nowhere else: in a URL or a form it would be logged.
func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	k := p.turned()
	if r.Form.Has("access_token") || len(r.Header.Values("Authorization")) > 1 {
		bearerError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	token, proven, ok := bearerOf(r)
	if !ok {
		bearerError(w, http.StatusUnauthorized, "")
		return
	}
	p.offerNonce(w, k)
	key := ""
	if proven {
		var err error
		if key, err = p.proven(k, r, token); err != nil {
			proofChallenge(w, err)
			return
		}
	}
	p.mu.Lock()
	a := p.access[token]
	good := a != nil && !a.dead && p.clock(k).Before(a.expires)
	p.mu.Unlock()
	switch {
	case !good, a.bound.certificate != "" && a.bound.certificate != thumbprint(certificateOf(r)), a.bound.key != key:
		bearerError(w, http.StatusUnauthorized, "invalid_token")
		return
	case !slices.Contains(a.scope, "openid"):
		bearerError(w, http.StatusForbidden, "insufficient_scope")
		return
	}
	claims := make(map[string]any)
	maps.Copy(claims, a.grant.user.Claims)
	claims["sub"] = a.grant.user.subject()
	switch k.UserInfoFault {
	case UserInfoWrongSub:
		claims["sub"] = "mallory"
	case UserInfoError:
		http.Error(w, "Turned on by a knob.", http.StatusInternalServerError)
		return
	case UserInfoArray:
		writeJSON(w, http.StatusOK, []any{claims})
		return
	}
	writeJSON(w, http.StatusOK, claims)
}

// bearerError answers as RFC 6750 §3 says.
func bearerError(w http.ResponseWriter, status int, code string) {
	challenge := `Bearer realm="devidp"`
	if code != "" {
		challenge += `, error="` + code + `"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(status)
}
