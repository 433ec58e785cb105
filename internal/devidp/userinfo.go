package devidp

import (
	"cmp"
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
	if k.SignedUserInfo {
		p.signedClaims(w, k, a.grant.client, claims)
		return
	}
	writeJSON(w, http.StatusOK, claims)
}

// signedClaims answers with a JWT (OpenID Connect Core §5.3.2).
func (p *Provider) signedClaims(w http.ResponseWriter, k Knobs, client string, claims map[string]any) {
	claims["iss"], claims["aud"] = p.issuer(k), client
	key, err := p.currentKeys().signer(cmp.Or(k.IDTokenAlg, "RS256"))
	if err != nil {
		http.Error(w, "There is no key for this.", http.StatusInternalServerError)
		return
	}
	text, err := sign(key, "JWT", claims, k.OmitKid)
	if err != nil {
		http.Error(w, "The answer cannot be signed.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(text)) // the client has left, and misses it
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
