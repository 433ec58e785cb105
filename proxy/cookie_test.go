package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// cookieGateway is a gateway that only makes cookies.
func cookieGateway(t *testing.T, public string, c Cookie) *Gateway {
	t.Helper()
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	return &Gateway{base: "/bff", cfg: Config{PublicURL: u, Cookie: c, Now: time.Now}}
}

func TestCookiesAreNamedAsBrowsersDemand(t *testing.T) {
	for _, row := range []struct {
		public, name           string
		ticket, login, attempt string
	}{
		{"https://app.example.com", "", "__Host-Http-cloakroom", "__Host-Http-cloakroom-login", "__Secure-cloakroom-attempt-"},
		{"http://localhost:8080", "", "cloakroom", "cloakroom-login", "cloakroom-attempt-"},
		{"https://app.example.com", "__Host-shop", "__Host-shop", "__Host-Http-shop-login", "__Secure-shop-attempt-"},
		{"https://app.example.com", "shop", "shop", "__Host-Http-shop-login", "__Secure-shop-attempt-"},
		{"http://127.0.0.1", "shop", "shop", "shop-login", "shop-attempt-"},
	} {
		g := cookieGateway(t, row.public, Cookie{Name: row.name})
		if got := g.ticketName(); got != row.ticket {
			t.Errorf("%s %q: ticket %q, want %q", row.public, row.name, got, row.ticket)
		}
		if got := g.loginCookieName(); got != row.login {
			t.Errorf("%s %q: login %q, want %q", row.public, row.name, got, row.login)
		}
		if got := g.attemptPrefix(); got != row.attempt {
			t.Errorf("%s %q: attempt %q, want %q", row.public, row.name, got, row.attempt)
		}
		for _, name := range []string{row.ticket, row.login, row.attempt + "X"} {
			if !g.ownCookie(name) {
				t.Errorf("%s %q: %q is not taken for our own", row.public, row.name, name)
			}
		}
		for _, name := range []string{"", "theme", row.ticket + "x", "x" + row.ticket, row.login + "x", "cloakroo"} {
			if g.ownCookie(name) {
				t.Errorf("%s %q: %q is taken for our own", row.public, row.name, name)
			}
		}
	}
}

func TestGatewaysOnOneHostCanStayApart(t *testing.T) {
	one := cookieGateway(t, "http://localhost:8080", Cookie{Name: "shop"})
	two := cookieGateway(t, "http://localhost:8081", Cookie{Name: "desk"})
	for _, name := range []string{one.ticketName(), one.loginCookieName(), one.attemptPrefix() + "X"} {
		if two.ownCookie(name) {
			t.Errorf("%q belongs to both", name)
		}
	}
}

func TestTheTicketCookieKeepsToTheRules(t *testing.T) {
	for _, row := range []struct {
		public string
		cookie Cookie
		want   string
	}{
		{"https://app.example.com", Cookie{}, "__Host-Http-cloakroom=V; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict"},
		{"https://app.example.com", Cookie{Lax: true}, "__Host-Http-cloakroom=V; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax"},
		{"https://app.example.com", Cookie{UntilBrowserCloses: true}, "__Host-Http-cloakroom=V; Path=/; HttpOnly; Secure; SameSite=Strict"},
		{"http://localhost:8080", Cookie{}, "cloakroom=V; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"},
	} {
		g := cookieGateway(t, row.public, row.cookie)
		w := httptest.NewRecorder()
		g.setTicket(w, "V")
		g.clearTicket(w)
		got := w.Header()["Set-Cookie"]
		if len(got) != 2 || got[0] != row.want {
			t.Errorf("Set-Cookie: %q, want %q", got, row.want)
			continue
		}
		cleared := strings.NewReplacer("=V;", "=;", "Max-Age=604800", "Max-Age=0").Replace(row.want)
		if row.cookie.UntilBrowserCloses {
			cleared = strings.Replace(cleared, "; HttpOnly", "; Max-Age=0; HttpOnly", 1)
		}
		if got[1] != cleared {
			t.Errorf("clearing: %q, want %q", got[1], cleared)
		}
	}
}

func TestCookieValuesAreFoundHoweverTheHeaderIsWritten(t *testing.T) {
	for _, row := range []struct {
		header []string
		want   string
	}{
		{nil, "[]"},
		{[]string{"a=1"}, "[1]"},
		{[]string{"b=2; a=1"}, "[1]"},
		{[]string{"a=1; a=2", "a=3"}, "[1 2 3]"},
		{[]string{`a="1";a=2;;  a =3 ;`}, "[1 2 3]"},
		{[]string{"aa=1; a; A=2; =a"}, "[]"},
		{[]string{"a=1=2"}, "[1=2]"},
	} {
		var got []string
		for v := range cookieValues(http.Header{"Cookie": row.header}, "a") {
			if v != "" {
				got = append(got, v)
			}
		}
		if fmt.Sprint(got) != row.want {
			t.Errorf("%q: %v, want %s", row.header, got, row.want)
		}
	}
}

func TestFindingACookieAllocatesNothing(t *testing.T) {
	g := cookieGateway(t, "https://app.example.com", Cookie{})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "theme=dark; __Host-Http-cloakroom=V; x=y")
	if n := testing.AllocsPerRun(100, func() {
		if !g.carriesTicket(r) || !g.ownCookie("__Host-Http-cloakroom-login") {
			t.Error("not found")
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestAForgedTicketNeverWinsNorBreaks(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	forged := strings.Repeat("A", len(ticket))
	for _, header := range [][]string{
		{d.cookie(ticket)},
		{d.cookie(forged) + "; " + d.cookie(ticket)},
		{d.cookie(ticket) + "; " + d.cookie(forged)},
		{d.cookie(""), d.cookie(forged), d.cookie(ticket)},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = header
		if got, err := d.gateway.openTicket(r); err != nil || got.ID() != s.ID() {
			t.Errorf("openTicket: %v, want the session of the real ticket", err)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", d.cookie(forged))
	if _, err := d.gateway.openTicket(r); weight(err) != 0 {
		t.Errorf("a forged ticket alone: %v, want no session", err)
	}
}

func TestAnEndedTicketBesideALiveOneIsForgotten(t *testing.T) {
	d := newDesk(t)
	old, oldTicket := d.begin(t, d.grant("alice"))
	live, ticket := d.begin(t, d.grant("alice"))
	if err := old.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", d.cookie(oldTicket)+"; "+d.cookie(ticket))
	if got, err := d.gateway.openTicket(r); err != nil || got.ID() != live.ID() {
		t.Errorf("openTicket: %v, want the live session", err)
	}
}

func TestAForgedTicketHidesNoEnd(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	if err := s.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	forged := d.cookie("forged")
	for _, cookies := range []string{forged + "; " + d.cookie(ticket), d.cookie(ticket) + "; " + forged} {
		if _, err := d.gateway.openTicket(requestWith(t, cookies)); weight(err) != 1 {
			t.Errorf("openTicket: %v, want the end of the session", err)
		}
	}
	_, ticket = d.begin(t, d.grant("alice"))
	d.forget(t)
	d.store.away.Store(true)
	for _, cookies := range []string{forged + "; " + d.cookie(ticket), d.cookie(ticket) + "; " + forged} {
		if _, err := d.gateway.openTicket(requestWith(t, cookies)); !unknowable(err) {
			t.Errorf("openTicket: %v, want to be told that the store is away", err)
		}
	}
}

func TestTheTicketCookieIsSmall(t *testing.T) {
	d := newDesk(t)
	grant := d.grant("alice")
	grant.IDToken = session.Token(strings.Repeat("x", 30<<10))
	_, ticket := d.begin(t, grant)
	w := httptest.NewRecorder()
	d.gateway.setTicket(w, ticket)
	if got := w.Header().Get("Set-Cookie"); len(got) >= 300 {
		t.Errorf("Set-Cookie has %d bytes, want fewer than 300", len(got))
	}
}
