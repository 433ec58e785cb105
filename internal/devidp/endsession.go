package devidp

import (
	"net/http"
	"net/url"
	"slices"
)

// serveEndSession ends the browser's session (OpenID Connect RP-Initiated Logout 1.0 §2).
// A hint that fits the session does it at once; without one the user is asked, since any
// page can send a browser here.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	switch k := p.turned(); {
	case k.Logout == LogoutCognito, k.Logout == NoLogout:
		http.NotFound(w, r)
		return
	case k.LogoutNeedsHint && r.Form.Get("id_token_hint") == "":
		p.errorPage(w, http.StatusBadRequest, "id_token_hint is required.")
		return
	}
	q, problem := p.readLogout(r.Form, p.turned())
	if problem != "" {
		p.errorPage(w, http.StatusBadRequest, problem)
		return
	}
	b := p.signedIn(r)
	switch {
	case b == nil && q.sid == "" && q.sub == "":
		q.next(p, w) // nobody is signed in, and nobody says who was
	case b == nil:
		q.frames = p.endBrowser(r.Context(), q.sid)
		q.next(p, w)
	case q.sid == b.sid || q.sid == "" && q.sub == b.user.subject():
		q.frames = p.endBrowser(r.Context(), b.sid)
		p.books.count(func(s *Stats) { s.Logouts++ })
		q.next(p, w)
	default:
		p.show(w, http.StatusOK, q.target, page{
			Title: "Sign out?", Text: "You are signed in as " + b.user.Login + ".",
			Action: p.path + "/sign-out", Request: q.target, SignOut: true,
		})
	}
}

// serveOwnLogout signs the browser out in a provider's own way: the session is the
// cookie's, nobody is asked, and param names where to go on to. Every page can send a
// browser here, which is the weakness of these ways and not of the gateway.
func (p *Provider) serveOwnLogout(style LogoutStyle, param string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p.turned().Logout != style {
			http.NotFound(w, r)
			return
		}
		p.mu.Lock()
		client, known := p.clients[r.Form.Get("client_id")]
		p.mu.Unlock()
		target := r.Form.Get(param)
		if !known || !slices.Contains(client.PostLogoutRedirectURIs, target) {
			p.errorPage(w, http.StatusBadRequest, "client_id or "+param+" is not registered.")
			return
		}
		q := &logoutRequest{target: target}
		if b := p.signedIn(r); b != nil {
			q.frames = p.endBrowser(r.Context(), b.sid)
			p.books.count(func(s *Stats) { s.Logouts++ })
		}
		q.next(p, w)
	}
}

// serveSignOut takes the confirmation's form.
func (p *Provider) serveSignOut(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		p.errorPage(w, http.StatusForbidden, "This form came from another site.")
		return
	}
	if !r.PostForm.Has("confirm") {
		p.show(w, http.StatusOK, "", page{Title: "Still signed in", Text: "Nothing was changed."})
		return
	}
	q := &logoutRequest{}
	if b := p.signedIn(r); b != nil {
		q.frames = p.endBrowser(r.Context(), b.sid)
		p.books.count(func(s *Stats) { s.Logouts++ })
	}
	target := r.PostForm.Get("request")
	if target != "" && !p.isLogoutTarget(target) {
		p.errorPage(w, http.StatusBadRequest, "You are signed out. The address to go on to is not registered.")
		return
	}
	q.target = target
	q.next(p, w)
}

// logoutRequest is a good logout request.
type logoutRequest struct {
	sid, sub string // of the hint; empty if there was none
	target   string // where to go on to, with state; empty for a page of ours
	frames   []string
}

func (p *Provider) readLogout(form url.Values, k Knobs) (q *logoutRequest, problem string) {
	for _, values := range form {
		if len(values) > 1 {
			return nil, "A parameter came twice."
		}
	}
	q = &logoutRequest{sid: form.Get("logout_hint")}
	client := form.Get("client_id")
	if hint := form.Get("id_token_hint"); hint != "" {
		claims, ok := p.readHint(hint)
		if !ok {
			return nil, "id_token_hint is no ID token of this provider."
		}
		if client != "" && client != claims.Client || q.sid != "" && q.sid != claims.SID {
			return nil, "The hints disagree."
		}
		client, q.sid, q.sub = claims.Client, claims.SID, claims.Subject
	}
	target := form.Get("post_logout_redirect_uri")
	if target == "" {
		return q, ""
	}
	p.mu.Lock()
	registered := p.clients[client].PostLogoutRedirectURIs
	p.mu.Unlock()
	if !slices.Contains(registered, target) {
		return nil, "This post_logout_redirect_uri is not registered for the client, or no client is named."
	}
	q.target = target
	if state := k.StateAfterLogout.spoil(form.Get("state")); state != "" {
		q.target = withQuery(target, url.Values{"state": {state}})
	}
	return q, ""
}

// next goes on to where the client wants the browser, or says that all is done. Frames of
// clients need a page to be on, which goes on by itself.
func (q *logoutRequest) next(p *Provider, w http.ResponseWriter) {
	http.SetCookie(w, p.cookie(""))
	if q.target == "" || q.frames != nil {
		p.show(w, http.StatusOK, "", page{Title: "Signed out", Text: "You can close this window.", Frames: q.frames, Onward: q.target})
		return
	}
	w.Header().Set("Location", q.target)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// isLogoutTarget reports whether an address that came back with a form is a registered
// one, with or without state.
func (p *Provider) isLogoutTarget(target string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		for _, registered := range c.PostLogoutRedirectURIs {
			if target == registered {
				return true
			}
			u, err := url.Parse(target)
			if err == nil && target == withQuery(registered, url.Values{"state": {u.Query().Get("state")}}) {
				return true
			}
		}
	}
	return false
}
