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
)

//go:embed web/problem.html web/hop.html web/page.css
var web embed.FS

// pages are what a person sees of the gateway itself. They load nothing, run no script
// and can be framed by nobody; their one style is named by its hash.
type pages struct {
	problemPage *template.Template
	hopPage     string // with one %s each for style and target, twice
	style       template.CSS
	policy      string
}

func newPages() (*pages, error) {
	style, err := web.ReadFile("web/page.css")
	if err != nil {
		return nil, fmt.Errorf("proxy: pages: %w", err)
	}
	hop, err := web.ReadFile("web/hop.html")
	if err != nil {
		return nil, fmt.Errorf("proxy: pages: %w", err)
	}
	page, err := template.ParseFS(web, "web/problem.html")
	if err != nil {
		return nil, fmt.Errorf("proxy: pages: %w", err)
	}
	sum := sha256.Sum256(style)
	return &pages{
		problemPage: page,
		hopPage:     string(hop),
		style:       template.CSS(style), //nolint:gosec // our own file
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

// write answers with a page.
func (p *pages) write(w http.ResponseWriter, status int, page []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
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
	var b bytes.Buffer
	if err := p.problemPage.Execute(&b, v); err != nil {
		return fmt.Errorf("proxy: page: %w", err)
	}
	return p.write(w, v.Status, b.Bytes())
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
func (g *Gateway) hop(w http.ResponseWriter, _ *http.Request, target string) error {
	ownHeaders(w.Header())
	to := html.EscapeString(target)
	return g.pages.write(w, http.StatusOK, fmt.Appendf(nil, g.pages.hopPage, g.pages.style, to))
}
