package proxy

import (
	"html/template"
	"net/http"
	"net/url"
)

// begunHere reports whether the user, or a page of this application, started a navigation.
//
// The attack: another page sends the browser into a login, so that its user is signed in
// without a word, or as somebody whom the attacker chose at the provider. FAPI 2.0 §5.3.3.1
// wants the user to know in what context a login began. A sibling domain is somebody else,
// too. Browsers without fetch metadata name the page in Referer, or nobody.
func (g *Gateway) begunHere(r *http.Request, from request) bool {
	if from.metadata {
		return from.sameOrigin || one(r.Header, "Sec-Fetch-Site") == "none"
	}
	page, err := url.Parse(one(r.Header, "Referer"))
	return err == nil && page.Scheme+"://"+page.Host == g.origin
}

// confirm asks whether a login was meant. Whoever says so comes back from a page of ours.
func (g *Gateway) confirm(w http.ResponseWriter, query url.Values) error {
	query.Del(resumeParam) // its work is done
	// For begunHere; it goes to nobody else.
	w.Header().Set("Referrer-Policy", "same-origin")
	return g.pages.show(w, http.StatusOK, g.pages.still, "confirm.html", struct {
		Style       template.CSS
		Host, Login string
	}{g.pages.style, g.cfg.PublicURL.Host, g.base + "/login?" + query.Encode()})
}
