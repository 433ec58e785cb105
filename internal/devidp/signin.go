package devidp

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// cookieName must not be one of the gateway's: cookies know no ports, so every server on
// 127.0.0.1 shares them.
const cookieName = "devidp-session"

// browser is a browser in which somebody is signed in at the provider.
type browser struct {
	user     User
	sid      string
	acr      string
	authTime time.Time
}

// cookie carries a session, or takes it away if value is empty. Secure would lose it on
// plain http.
func (p *Provider) cookie(value string) *http.Cookie {
	c := &http.Cookie{ //nolint:gosec // Secure follows the issuer
		Name: cookieName, Value: value, Path: "/", HttpOnly: true,
		Secure: strings.HasPrefix(p.base, "https:"), SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// signedIn returns who is signed in, nil for nobody.
func (p *Provider) signedIn(r *http.Request) *browser {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.browsers[cookie.Value]
}

// remember keeps a request while its sign-in page is on display, for ten minutes.
func (p *Provider) remember(a *authRequest, k Knobs) (id string) {
	id = random()
	p.mu.Lock()
	defer p.mu.Unlock()
	for old, other := range p.pending {
		if p.clock(k).Sub(other.came) > 10*time.Minute {
			delete(p.pending, old)
		}
	}
	p.pending[id] = a
	return id
}

// serveSignIn takes the sign-in page's form: request, and login or cancel.
func (p *Provider) serveSignIn(w http.ResponseWriter, r *http.Request) {
	k := p.turned()
	// Login CSRF: another site must not sign a browser in as the attacker.
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		p.errorPage(w, http.StatusForbidden, "This form came from another site.")
		return
	}
	id := r.PostForm.Get("request")
	p.mu.Lock()
	a := p.pending[id]
	p.mu.Unlock()
	if a == nil {
		p.errorPage(w, http.StatusBadRequest, "This sign-in has ended or was used. Go back to the application and sign in again.")
		return
	}
	if r.PostForm.Has("cancel") {
		p.forget(id)
		p.sendBack(w, k, a, errorValues(refuse("access_denied", "the user cancelled")))
		return
	}
	login := r.PostForm.Get("login")
	if _, ok := p.user(login); !ok {
		p.signInPage(w, id, a, "Nobody here has that name.")
		return
	}
	p.forget(id)
	p.signIn(w, k, a, login, p.signedIn(r))
}

func (p *Provider) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, id)
}

// signIn makes a session, or renews the one that this user has, and sends the code.
func (p *Provider) signIn(w http.ResponseWriter, k Knobs, a *authRequest, login string, before *browser) {
	user, ok := p.user(login)
	if !ok {
		p.errorPage(w, http.StatusInternalServerError, "The knob auto_login names nobody.")
		return
	}
	b := &browser{user: user, sid: random(), authTime: p.clock(k)}
	if before != nil && before.user.Login == login {
		b.sid = before.sid
	}
	if len(a.acrValues) > 0 {
		b.acr = a.acrValues[0]
	}
	cookie := random()
	p.mu.Lock()
	p.browsers[cookie] = b
	p.mu.Unlock()
	p.books.count(func(s *Stats) { s.SignIns++ })
	http.SetCookie(w, p.cookie(cookie))
	p.sendCode(w, k, a, b)
}

// endBrowser ends the session with this sid, and tells the clients: their servers at once, and
// by the frames that it returns for the page.
func (p *Provider) endBrowser(ctx context.Context, sid string) (frames []string) {
	p.mu.Lock()
	for cookie, b := range p.browsers {
		if b.sid == sid {
			delete(p.browsers, cookie)
		}
	}
	p.mu.Unlock()
	p.announceLogout(ctx, sid)
	return p.logoutFrames(sid)
}

// person is a user as the page shows one.
type person struct {
	Login, Name, Email, Initial, Roles string
	Hinted                             bool
}

func (p *Provider) people(hint string) []person {
	var all []person
	for _, u := range p.users {
		name, ok := u.Claims["name"].(string)
		if !ok {
			name = u.Login
		}
		email, ok := u.Claims["email"].(string)
		if !ok {
			email = u.Login
		}
		roles, ok := u.Claims["roles"].([]string)
		if !ok {
			roles = nil
		}
		all = append(all, person{
			Login: u.Login, Name: name, Email: email, Initial: strings.ToUpper(name[:min(1, len(name))]),
			Roles: strings.Join(roles, ", "), Hinted: hint != "" && (hint == u.Login || hint == email),
		})
	}
	slices.SortStableFunc(all, func(x, y person) int {
		switch {
		case x.Hinted == y.Hinted:
			return 0
		case x.Hinted:
			return -1
		}
		return 1
	})
	return all
}
