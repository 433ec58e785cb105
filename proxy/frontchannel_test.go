package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/session"
)

// framedBy is what a browser sends of a frame on a page of the provider.
var framedBy = []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"}

func (d *desk) frontChannel(t testing.TB, query string) *http.Response {
	t.Helper()
	return d.do(t, http.MethodGet, "/bff/frontchannel-logout"+query, framedBy...)
}

func TestTheProvidersFrameEndsTheSessionItNames(t *testing.T) {
	d := newDesk(t)
	begin := func(issuer, sid string) *session.Session {
		g := d.grant("alice")
		g.Issuer, g.ProviderSession, g.RefreshToken = issuer, sid, "RT"
		s, _ := d.begin(t, g)
		return s
	}
	const issuer = "https://idp.example.net"
	named, twin := begin(issuer, "S1"), begin(issuer, "S1")
	other, foreign, without := begin(issuer, "S2"), begin("https://other.example", "S1"), begin(issuer, "")

	is := url.QueryEscape(issuer)
	var same string
	for name, query := range map[string]string{
		"nothing":       "",
		"iss alone":     "?iss=" + is,
		"sid alone":     "?sid=S1",
		"empty sid":     "?iss=" + is + "&sid=",
		"a wrong iss":   "?iss=https://evil.example&sid=S1",
		"another slash": "?iss=" + is + "%2F&sid=S1",
		"another case":  "?iss=" + strings.ToUpper(is) + "&sid=S1",
		"a wrong sid":   "?iss=" + is + "&sid=s1",
		"two sids":      "?iss=" + is + "&sid=S1&sid=S1",
		"a bad query":   "?iss=" + is + "&sid=%zz",
	} {
		res := d.frontChannel(t, query)
		body := readAll(t, res)
		if res.StatusCode != http.StatusOK || same != "" && body != same {
			t.Errorf("%s: %s %s", name, res.Status, body)
		}
		same = body
	}
	for _, s := range []*session.Session{named, twin, other, foreign, without} {
		if why := s.State().Ended; why != "" {
			t.Fatalf("a session has ended that nobody named: %s", why)
		}
	}

	res := d.frontChannel(t, "?iss="+is+"&sid=S1")
	if body := readAll(t, res); res.StatusCode != http.StatusOK || body != same {
		t.Errorf("%s: the answer tells that a session was there:\n%s", res.Status, body)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
	if got := res.Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, "; frame-ancestors https://idp.example.net") {
		t.Errorf("framable by %q", got)
	}
	wantCookies(t, res, 0)
	for _, s := range []*session.Session{named, twin} {
		if got := s.State().Ended; got != session.FrontChannel {
			t.Errorf("ended: %q, want by the front channel", got)
		}
		if st := s.State(); st.Outbox == nil || len(st.Outbox.Revoke) != 1 {
			t.Error("its refresh token is not going to be revoked")
		}
	}
	for _, s := range []*session.Session{other, foreign, without} {
		if why := s.State().Ended; why != "" {
			t.Errorf("another session has ended: %s", why)
		}
	}
}

func TestAFrontChannelLogoutThatCannotBeDoneSaysSo(t *testing.T) {
	d := newDesk(t)
	g := d.grant("alice")
	g.ProviderSession = "S1"
	s, _ := d.begin(t, g)
	d.store.away.Store(true)
	wantProblem(t, d.frontChannel(t, "?iss=https://idp.example.net&sid=S1"), http.StatusServiceUnavailable, StoreUnavailable)
	d.store.away.Store(false)
	if s.State().Ended != "" {
		t.Error("the session has ended")
	}
}
