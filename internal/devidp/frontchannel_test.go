package devidp_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// frame is where the client of these tests wants to hear of a browser's logout.
const frame = "http://localhost:8080/bff/frontchannel-logout"

func newFramedParty(t *testing.T) (p *party, sid string) {
	t.Helper()
	p = newPartyWith(t, devidp.Config{Clients: []devidp.Client{{
		ID: "app:1", Secret: secret, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{afterward}, FrontchannelLogoutURI: frame,
	}}})
	sid, ok := payload(t, p.login().str("id_token"))["sid"].(string)
	if !ok {
		t.Fatal("the ID token has no sid")
	}
	return p, sid
}

func TestALogoutShowsTheFramesOfTheClients(t *testing.T) {
	t.Parallel()
	p, sid := newFramedParty(t)
	want := []string{frame + "?" + url.Values{"iss": {p.idp.URL}, "sid": {sid}}.Encode()}
	form := url.Values{"logout_hint": {sid}, "client_id": {"app:1"}, "post_logout_redirect_uri": {afterward}, "state": {"back"}}
	frames, onward, err := devidp.SignOut(t.Context(), p.http, p.endpoint("/end_session?")+form.Encode())
	if err != nil || onward != afterward+"?state=back" || !slices.Equal(frames, want) {
		t.Errorf("frames %q, want %q; on to %q, %v", frames, want, onward, err)
	}
	page := p.endSession(form)
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "; frame-src http://localhost:8080") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestAUserWhoSignsOutAtTheProviderIsAsked(t *testing.T) {
	t.Parallel()
	p, sid := newFramedParty(t)
	frames, onward, err := devidp.SignOut(t.Context(), p.http, p.endpoint("/end_session"))
	if err != nil || onward != "" || len(frames) != 1 || !strings.HasSuffix(frames[0], "sid="+sid) {
		t.Errorf("frames %q, on to %q, %v", frames, onward, err)
	}
	if p.isSignedIn() {
		t.Error("still signed in")
	}
}
