package proxy

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed web/*.html web/page.css web/sessions.js
var web embed.FS

// pages are what a person sees of the gateway itself. They load nothing from elsewhere; the
// one style and the one script are named by their hashes.
type pages struct {
	templates *template.Template
	hopPage   string // with one %s each for style and target, twice
	style     template.CSS
	script    template.JS // of the list of sessions

	// Content-Security-Policy of a page that runs no script and that nobody frames, of one
	// that pages of ours may frame, of the list of sessions, and of the page that the provider
	// frames.
	still, within, lively, framed string
}

// newPages reads the pages. provider is the origin that may frame one of them.
func newPages(provider string) (*pages, error) {
	var files [3]string
	for i, name := range []string{"page.css", "sessions.js", "hop.html"} {
		b, err := web.ReadFile("web/" + name)
		if err != nil {
			return nil, fmt.Errorf("proxy: pages: %w", err)
		}
		files[i] = string(b)
	}
	templates, err := template.ParseFS(web, "web/problem.html", "web/sessions.html", "web/signedout.html", "web/confirm.html")
	if err != nil {
		return nil, fmt.Errorf("proxy: pages: %w", err)
	}
	style, script := files[0], files[1]
	policy := "default-src 'none'; style-src " + hashSource(style) + "; base-uri 'none'; form-action 'none'; "
	return &pages{
		templates: templates,
		hopPage:   files[2],
		style:     template.CSS(style), //nolint:gosec // our own file
		script:    template.JS(script), //nolint:gosec // our own file
		still:     policy + "frame-ancestors 'none'",
		within:    policy + "frame-ancestors 'self'",
		lively:    policy + "script-src " + hashSource(script) + "; connect-src 'self'; frame-ancestors 'none'",
		framed:    policy + "frame-ancestors " + provider,
	}, nil
}

// hashSource names an inline style or script in a Content-Security-Policy (CSP3 §2.3.1).
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// originOf is the origin of a URL as a policy names it; what is no URL names nobody.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}

// show answers with a page of the templates. A window that opened the page, or that it was
// opened from, gets no hold of it.
func (p *pages) show(w http.ResponseWriter, status int, policy, name string, view any) error {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, view); err != nil {
		return fmt.Errorf("proxy: page %s: %w", name, err)
	}
	w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	return write(w, status, policy, b.Bytes())
}

// write answers with a page.
func write(w http.ResponseWriter, status int, policy string, page []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	if _, err := w.Write(page); err != nil {
		return fmt.Errorf("proxy: write page: %w", err)
	}
	return nil
}

// view is what the page of a problem shows.
type view struct {
	Style        template.CSS
	Status       int
	Code         Code
	Title, Text  string
	Link, Action string
}

// problem answers with the page of a problem, whose headers are set already.
func (p *pages) problem(w http.ResponseWriter, g *Gateway, problem *Problem) error {
	v := view{Style: p.style, Status: problem.answer(), Code: problem.Code, Text: problem.Detail}
	var advice string
	v.Title, advice = words(problem.Code)
	if v.Text == "" {
		v.Text = advice
	}
	switch problem.Code {
	case NoSession, SessionExpired, LoginFailed, AccessDenied:
		v.Link, v.Action = g.loginURL("/"), "Sign in"
	default:
		v.Link, v.Action = "/", "Go to the start page"
	}
	if problem.LoginURL != "" {
		v.Link, v.Action = problem.LoginURL, "Sign in"
	}
	return p.show(w, v.Status, p.still, "problem.html", v)
}

// devices answers with the list of sessions.
func (p *pages) devices(w http.ResponseWriter, base, signOut string, list []device) error {
	return p.show(w, http.StatusOK, p.lively, "sessions.html", struct {
		Style         template.CSS
		Script        template.JS
		Base, SignOut string
		Devices       []device
	}{p.style, p.script, base, signOut, list})
}

// signedOut answers the provider's frame. It does not say whether there was anything to end.
func (p *pages) signedOut(w http.ResponseWriter) error {
	return p.show(w, http.StatusOK, p.framed, "signedout.html", struct{ Style template.CSS }{p.style})
}

// words say what a code means to a person, and what to do.
func words(c Code) (title, advice string) {
	switch c {
	case NoSession:
		return "You are not signed in", "This page needs a sign-in."
	case SessionExpired:
		return "Your session has ended", "Please sign in again."
	case InteractionRequired, StepUpRequired:
		return "One more step", "The sign-in service wants to see you again."
	case LoginFailed:
		return "The sign-in did not work", "Please start it again. If it fails again, tell the people who run this site."
	case AccessDenied, InsufficientScope, ClaimRequired:
		return "No access", "Your account may not open this page."
	case CSRFFailed:
		return "Stopped for your safety", "This request came from another site. Open the page from here instead."
	case NotFound:
		return "Nothing here", "Check the address, or go to the start page."
	case BadRequest:
		return "That address does not work", "Check the link that brought you here."
	case MethodNotAllowed:
		return "That does not work here", "The page does not take this kind of request."
	case BodyTooLarge:
		return "Too large", "What was sent is larger than this site takes."
	case RefreshThrottled:
		return "One moment", "That was asked for a moment ago. Please wait a few seconds."
	case UpstreamTimeout, UpstreamUnreachable:
		return "The application does not answer", "Please try again in a moment."
	case IDPUnavailable, StoreUnavailable:
		return "Back in a moment", "A part of this site does not answer. You have not been signed out."
	case ScopeNotAvailable, WrongAudience, GatewayMisconfigured:
	}
	return "Something is set up wrongly", "The people who run this site find the reason in their log."
}

// hop answers a tiny page that navigates on to target. That navigation begins on our own
// page, so that a Strict ticket comes along, which it does not on a link from another
// site. target must be local and checked.
//
// It has no Cross-Origin-Opener-Policy: a sign-in in a window of its own comes through here,
// and would lose the page that opened it and waits for its word.
func (g *Gateway) hop(w http.ResponseWriter, r *http.Request, target string) error {
	g.ownHeaders(w.Header())
	policy := g.pages.still
	if framed(r) { // a silent login, in a page of ours
		policy = g.pages.within
	}
	to := html.EscapeString(target)
	return write(w, http.StatusOK, policy, fmt.Appendf(nil, g.pages.hopPage, g.pages.style, to))
}
