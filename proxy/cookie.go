package proxy

import (
	"cmp"
	"errors"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// defaultStem is what our cookies are called, without prefix.
const defaultStem = "cloakroom"

// defaultAbsolute is the ticket's Max-Age where the configuration has none.
const defaultAbsolute = 168 * time.Hour

// maxTickets bounds how many values of the ticket's name are tried in one request.
const maxTickets = 16

// The gateway has three kinds of cookies:
//
//	ticket    __Host-Http-cloakroom             Path=/    Strict   names the session
//	login     __Host-Http-cloakroom-login       Path=/    Lax      binds attempts to the browser
//	attempt   __Secure-cloakroom-attempt-…      Path=/bff Lax      one login attempt, sealed
//
// On loopback http browsers refuse the prefixes, so they are left out there, and so is
// Secure. A configured name of the ticket names the other two as well: several gateways
// on one host, where a port is no border between cookies, stay apart.
const (
	hostPrefix    = "__Host-Http-"
	pathPrefix    = "__Secure-"
	loginSuffix   = "-login"
	attemptSuffix = "-attempt-"
)

func (g *Gateway) secureCookies() bool { return g.cfg.PublicURL.Scheme == "https" }

// cookiePrefixes are what stands before the names of host-only cookies and of those with
// a path.
func (g *Gateway) cookiePrefixes() (host, path string) {
	if g.secureCookies() {
		return hostPrefix, pathPrefix
	}
	return "", ""
}

func (g *Gateway) ticketName() string {
	switch {
	case g.cfg.Cookie.Name != "":
		return g.cfg.Cookie.Name
	case g.secureCookies():
		return hostPrefix + defaultStem
	}
	return defaultStem
}

func (g *Gateway) loginCookieName() string {
	host, _ := g.cookiePrefixes()
	return host + cookieStem(g.ticketName()) + loginSuffix
}

// attemptPrefix is what the names of all attempts begin with.
func (g *Gateway) attemptPrefix() string {
	_, path := g.cookiePrefixes()
	return path + cookieStem(g.ticketName()) + attemptSuffix
}

// cookieStem is name without the prefixes that mean something to browsers.
func cookieStem(name string) string {
	for _, prefix := range []string{hostPrefix, "__Http-", "__Host-", pathPrefix} {
		if stem, found := strings.CutPrefix(name, prefix); found && stem != "" {
			return stem
		}
	}
	return name
}

// ownCookie reports whether name is one of the gateway's own cookies: no upstream gets
// it, and none may set it. It allocates nothing.
func (g *Gateway) ownCookie(name string) bool {
	ticket := g.ticketName()
	if name == ticket {
		return true
	}
	stem := cookieStem(ticket)
	host, path := g.cookiePrefixes()
	if rest, found := strings.CutPrefix(name, host); found {
		if rest, found = strings.CutPrefix(rest, stem); found && rest == loginSuffix {
			return true
		}
	}
	if rest, found := strings.CutPrefix(name, path); found {
		rest, found = strings.CutPrefix(rest, stem)
		return found && strings.HasPrefix(rest, attemptSuffix)
	}
	return false
}

// setTicket gives the browser its ticket.
func (g *Gateway) setTicket(w http.ResponseWriter, value string) {
	maxAge := 0
	if !g.cfg.Cookie.UntilBrowserCloses {
		maxAge = int(cmp.Or(g.cfg.AbsoluteTimeout, defaultAbsolute) / time.Second)
	}
	g.setCookie(w, g.ticketName(), value, "/", g.ticketSameSite(), maxAge)
}

// clearTicket takes the ticket from the browser, under the attributes that it was set with.
func (g *Gateway) clearTicket(w http.ResponseWriter) {
	g.setCookie(w, g.ticketName(), "", "/", g.ticketSameSite(), clearCookie)
}

func (g *Gateway) ticketSameSite() http.SameSite {
	if g.cfg.Cookie.Lax {
		return http.SameSiteLaxMode
	}
	return http.SameSiteStrictMode
}

// clearCookie is the maxAge that takes a cookie away.
const clearCookie = -1

// setCookie is the one way in which the gateway sets a cookie: never with a Domain, never
// for scripts, and under https never for plain http. maxAge is in seconds; zero keeps the
// cookie until the browser closes.
func (g *Gateway) setCookie(w http.ResponseWriter, name, value, path string, sameSite http.SameSite, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is missing on loopback http only.
		Name: name, Value: value, Path: path, MaxAge: maxAge,
		Secure: g.secureCookies(), HttpOnly: true, SameSite: sameSite,
	})
}

// openTicket returns the live session whose ticket the request carries. The errors are
// session.ErrNoSession, *session.EndedError and *session.StoreError.
//
// A sibling domain can plant a cookie of the ticket's name beside the real one where the
// prefix does not forbid it, and the order is the planter's to choose. So every value is
// tried: what does not open counts for nothing, and cannot push the real one out.
func (g *Gateway) openTicket(r *http.Request) (*session.Session, error) {
	err, tried := error(session.ErrNoSession), 0
	for value := range cookieValues(r.Header, g.ticketName()) {
		if tried++; tried > maxTickets {
			break
		}
		s, e := g.cfg.Sessions.Open(r.Context(), value)
		if e == nil {
			return s, nil
		}
		if weight(e) > weight(err) {
			err = e
		}
	}
	return nil, err
}

// weight orders the ways in which a ticket fails to open: not knowing outweighs an end,
// and an end a ticket that names nothing.
func weight(err error) int {
	switch {
	case unknowable(err):
		return 2
	case errors.Is(err, session.ErrNoSession):
		return 0
	}
	return 1
}

// unknowable reports whether err from openTicket leaves open whether there is a session.
func unknowable(err error) bool {
	if errors.Is(err, session.ErrNoSession) {
		return false
	}
	_, ended := errors.AsType[*session.EndedError](err)
	return !ended
}

// carriesTicket reports whether the request has a cookie of the ticket's name, good or not.
func (g *Gateway) carriesTicket(r *http.Request) bool {
	for range cookieValues(r.Header, g.ticketName()) {
		return true
	}
	return false
}

// cookieValues gives the values of all cookies of that name, in the order of the header.
// It allocates nothing: every request comes through here.
func cookieValues(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for pair := range cookiePairs(h) {
			n, value, _ := strings.Cut(pair, "=")
			if strings.TrimRight(n, " \t") != name {
				continue
			}
			if !yield(strings.Trim(strings.TrimSpace(value), `"`)) {
				return
			}
		}
	}
}

// cookiePairs gives the name=value pairs of all Cookie headers (RFC 6265 §4.2.1).
func cookiePairs(h http.Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if pair = strings.TrimSpace(pair); pair != "" && !yield(pair) {
					return
				}
			}
		}
	}
}
