package devidp

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// page is what page.html shows: people to choose from, a question, or a sentence.
type page struct {
	Title, Text, Alert string
	Style              template.CSS
	Action             string // of the form; empty for none
	Request            string
	People             []person
	SignOut            bool
	Frames             []string // of clients, for their front-channel logout
	Onward             string   // where the page goes on to by itself; empty for nowhere
}

// signInPage shows the form. Its client is named, so that a user sees where the login leads.
func (p *Provider) signInPage(w http.ResponseWriter, id string, a *authRequest, alert string) {
	status := http.StatusOK
	if alert != "" {
		status = http.StatusBadRequest
	}
	p.show(w, status, a.redirectURI, page{
		Title: "Sign in", Text: "Choose who you are for " + a.client.ID + ".", Alert: alert,
		Action: p.path + "/sign-in", Request: id, People: p.people(a.loginHint),
	})
}

func (p *Provider) errorPage(w http.ResponseWriter, status int, text string) {
	p.show(w, status, "", page{Title: "That did not work", Alert: text})
}

// show writes a page that loads nothing and runs no script. Its form may lead to target
// only: browsers hold the redirects after a form to its policy, too.
func (p *Provider) show(w http.ResponseWriter, status int, target string, content page) {
	content.Style = template.CSS(pageStyle) //nolint:gosec // embedded, not from outside
	parsed, err := template.New("page").Parse(pageText)
	if err != nil {
		http.Error(w, "The page cannot be read.", http.StatusInternalServerError)
		return
	}
	var body bytes.Buffer
	if err := parsed.Execute(&body, content); err != nil {
		http.Error(w, "The page cannot be written.", http.StatusInternalServerError)
		return
	}
	digest := sha256.Sum256([]byte(pageStyle))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "+
		"style-src 'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'; form-action 'self'"+origin(target)+content.framed())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser has left, and misses it
}

// framed is what the policy has to let in for the frames.
func (c page) framed() string {
	if c.Frames == nil {
		return ""
	}
	var policy strings.Builder
	policy.WriteString("; frame-src")
	for _, frame := range c.Frames {
		policy.WriteString(origin(frame))
	}
	return policy.String()
}

// origin returns the origin of a registered address, with a space before it.
func origin(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return ""
	}
	return " " + u.Scheme + "://" + u.Host
}
