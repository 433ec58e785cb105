package devidp

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// responseModes are the ways back to the client (Form Post Response Mode §2, JARM §2.3).
func responseModes() []string {
	return []string{"query", "form_post", "jwt", "query.jwt", "form_post.jwt"}
}

// sendBack answers the client through the browser, with state and iss (RFC 9207 §2).
func (p *Provider) sendBack(w http.ResponseWriter, k Knobs, a *authRequest, values url.Values) {
	if state := k.StateInCallback.spoil(a.state); state != "" {
		values.Set("state", state)
	}
	switch k.IssInCallback {
	case IssMissing:
	case IssWrong:
		values.Set("iss", "https://evil.example")
	default:
		values.Set("iss", p.issuer(k))
	}
	if strings.HasSuffix(a.mode, "jwt") {
		signed, err := p.signAnswer(k, a, values)
		if err != nil {
			p.errorPage(w, http.StatusInternalServerError, "The answer cannot be signed.")
			return
		}
		values = url.Values{"response": {signed}}
	}
	if strings.HasPrefix(a.mode, "form_post") {
		p.formBack(w, a.redirectURI, values)
		return
	}
	w.Header().Set("Location", withQuery(a.redirectURI, values))
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// spoil returns the state that comes back, "" for none.
func (f StateFault) spoil(state string) string {
	switch f {
	case StateMissing:
		return ""
	case StateOther:
		return random()
	}
	return state
}

// signAnswer makes a signed authorization response (JARM §2.1).
func (p *Provider) signAnswer(k Knobs, a *authRequest, values url.Values) (string, error) {
	claims := map[string]any{"aud": a.client.ID, "exp": p.clock(k).Add(time.Minute).Unix()}
	for name := range values {
		claims[name] = values.Get(name)
	}
	key, err := p.currentKeys().signer("RS256")
	if err != nil {
		return "", err
	}
	return sign(key, "JWT", claims, k.OmitKid)
}

// postAtOnce sends the form of a page when it has loaded.
const postAtOnce = "document.forms[0].submit()"

// formBack answers with a page whose form goes to the client by itself (Form Post Response
// Mode §2).
func (p *Provider) formBack(w http.ResponseWriter, target string, values url.Values) {
	var b strings.Builder
	b.WriteString(`<!doctype html><title>One moment</title><form method="post" action="` + html.EscapeString(target) + `">`)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		b.WriteString("\n" + `<input type="hidden" name="` + html.EscapeString(name) + `" value="` + html.EscapeString(values.Get(name)) + `">`)
	}
	b.WriteString("\n<button>Go on</button></form><script>" + postAtOnce + "</script>\n")
	digest := sha256.Sum256([]byte(postAtOnce))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; script-src 'sha256-"+
		base64.StdEncoding.EncodeToString(digest[:])+"'; form-action"+origin(target))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write([]byte(b.String())) // the browser has left, and misses it
}
