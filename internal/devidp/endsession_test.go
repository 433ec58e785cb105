package devidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func (p *party) endSession(form url.Values) reply {
	p.t.Helper()
	return p.get(p.endpoint("/end_session?") + form.Encode())
}

// isSignedIn reports whether the browser has a session at the provider.
func (p *party) isSignedIn() bool {
	p.t.Helper()
	return location(p.t, p.get(p.authorizeURL(url.Values{"prompt": {"none"}}))).Query().Has("code")
}

func TestALogoutWithAHintAsksNothing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		before func(*party)
	}{
		{"at once", func(*party) {}},
		{"with an expired hint", func(p *party) { p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = time.Hour }) }},
		{"with a hint under an old key", func(p *party) {
			if err := p.idp.RotateKeys(); err != nil {
				p.t.Fatal(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{})
			r := p.login()
			row.before(p)
			u := location(t, p.endSession(url.Values{
				"id_token_hint": {r.str("id_token")}, "post_logout_redirect_uri": {afterward}, "state": {"back"}, "client_id": {"app:1"},
			}))
			if u.String() != afterward+"?state=back" {
				t.Errorf("the way back is %s", u)
			}
			if p.isSignedIn() {
				t.Error("still signed in")
			}
			p.mustRefresh(r.str("refresh_token")) // offline access outlives the session
			if s := p.idp.Stats(); s.Logouts != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestTheStateOfALogoutCanComeBackSpoiled(t *testing.T) {
	t.Parallel()
	for fault, fine := range map[devidp.StateFault]func(u *url.URL) bool{
		"":                  func(u *url.URL) bool { return u.Query().Get("state") == "back" },
		devidp.StateMissing: func(u *url.URL) bool { return u.String() == afterward },
		devidp.StateOther:   func(u *url.URL) bool { state := u.Query().Get("state"); return state != "" && state != "back" },
	} {
		p := newParty(t, devidp.Knobs{StateAfterLogout: fault})
		r := p.login()
		u := location(t, p.endSession(url.Values{"id_token_hint": {r.str("id_token")}, "post_logout_redirect_uri": {afterward}, "state": {"back"}}))
		if !fine(u) {
			t.Errorf("%q: the way back is %s", fault, u)
		}
	}
}

func TestALogoutWithTheSessionsNameAsksNothing(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	sid, ok := payload(t, p.login().str("id_token"))["sid"].(string)
	if !ok {
		t.Fatal("no sid")
	}
	location(t, p.endSession(url.Values{"logout_hint": {sid}, "client_id": {"app:1"}, "post_logout_redirect_uri": {afterward}}))
	if p.isSignedIn() {
		t.Error("still signed in")
	}
}

func TestALogoutWithoutAHintAsks(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	p.login()
	r := p.endSession(url.Values{"client_id": {"app:1"}, "post_logout_redirect_uri": {afterward}, "state": {"back"}})
	if r.status != http.StatusOK || !strings.Contains(r.text, "Sign out?") {
		t.Fatalf("status %d\n%s", r.status, r.text)
	}
	request := strings.ReplaceAll(between(t, r.text, `name="request" value="`, `"`), "&#43;", "+")
	if r := p.post("/sign-out", url.Values{"request": {request}, "cancel": {"yes"}}); r.status != http.StatusOK || !p.isSignedIn() {
		t.Errorf("cancelled: status %d", r.status)
	}
	if u := location(t, p.post("/sign-out", url.Values{"request": {request}, "confirm": {"yes"}})); u.String() != afterward+"?state=back" {
		t.Errorf("the way back is %s", u)
	}
	if p.isSignedIn() {
		t.Error("still signed in")
	}
}

func TestTheLogoutIsNoOpenRedirector(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	token := p.login().str("id_token")
	for _, row := range []struct {
		name string
		form url.Values
	}{
		{"an unregistered address", url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {"https://evil.example/"}}},
		{"one letter more", url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {afterward + "x"}}},
		{"no client", url.Values{"post_logout_redirect_uri": {afterward}}},
		{"another client", url.Values{"post_logout_redirect_uri": {afterward}, "client_id": {"other"}}},
		{"clients that disagree", url.Values{"id_token_hint": {token}, "client_id": {"other"}}},
		{"a hint that is none", url.Values{"id_token_hint": {"e30.e30.e30"}}},
		{"hints that disagree", url.Values{"id_token_hint": {token}, "logout_hint": {"another"}}},
		{"a state twice", url.Values{"id_token_hint": {token}, "state": {"a", "b"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if r := p.endSession(row.form); r.status != http.StatusBadRequest || r.header.Get("Location") != "" {
				t.Errorf("status %d, Location %q", r.status, r.header.Get("Location"))
			}
			if !p.isSignedIn() {
				t.Fatal("signed out by a bad request")
			}
		})
	}
	if r := p.post("/sign-out", url.Values{"request": {"https://evil.example/"}, "confirm": {"yes"}}); r.status != http.StatusBadRequest {
		t.Errorf("a forged confirmation: status %d, Location %q", r.status, r.header.Get("Location"))
	}
}

func TestAForgedHintEndsNothing(t *testing.T) {
	t.Parallel()
	for _, fault := range []devidp.Fault{devidp.ForeignKey, devidp.WrongKey, devidp.AlgNone, devidp.HMACPublicKey, devidp.BrokenSignature, devidp.WrongIssuer} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			p := newParty(t, devidp.Knobs{IDTokenFault: fault})
			token := p.login().str("id_token")
			if r := p.endSession(url.Values{"id_token_hint": {token}}); r.status != http.StatusBadRequest || !p.isSignedIn() {
				t.Errorf("status %d", r.status)
			}
		})
	}
}

func TestNobodySignedInIsSentOnAtOnce(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	if r := p.endSession(nil); r.status != http.StatusOK || !strings.Contains(r.text, "Signed out") {
		t.Errorf("status %d", r.status)
	}
	location(t, p.endSession(url.Values{"client_id": {"app:1"}, "post_logout_redirect_uri": {afterward}}))
}
