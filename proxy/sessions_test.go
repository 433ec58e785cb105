package proxy

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func (d *desk) devicesOf(t testing.TB, ticket string) []device {
	t.Helper()
	return decode[[]device](t, d.do(t, http.MethodGet, "/bff/sessions", d.by(ticket)...))
}

func TestAUserSeesTheirOwnDevices(t *testing.T) {
	d := newDesk(t)
	first, ticket := d.begin(t, d.grant("alice"))
	second, _, err := d.sessions.Begin(t.Context(), session.Start{
		Grant:  d.grant("alice"),
		Device: session.Device{Browser: "Firefox", System: "Windows", Address: "203.0.113.0/24"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.begin(t, d.grant("bob"))
	elsewhere := d.grant("alice")
	elsewhere.Issuer = "https://other.example.net"
	d.begin(t, elsewhere)
	over, _ := d.begin(t, d.grant("alice"))
	if err := over.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}

	body := readAll(t, d.do(t, http.MethodGet, "/bff/sessions", d.by(ticket)...))
	var raw []map[string]any
	if err := json.Unmarshal([]byte(body), &raw); err != nil {
		t.Fatal(err)
	}
	if len(raw) != 2 {
		t.Fatalf("%s: want the two live sessions of this issuer's alice", body)
	}
	want := []string{"address", "browser", "created", "current", "id", "last_seen"}
	for i, s := range []*session.Session{first, second} {
		var names []string
		for name := range raw[i] {
			names = append(names, name)
		}
		if slices.Sort(names); !slices.Equal(names, want) {
			t.Errorf("members %v, want %v", names, want)
		}
		for _, name := range []string{"created", "last_seen"} {
			if at, err := time.Parse(time.RFC3339, raw[i][name].(string)); err != nil || time.Since(at) > time.Minute {
				t.Errorf("%s is %v: %v", name, raw[i][name], err)
			}
		}
		if raw[i]["current"] != (i == 0) {
			t.Errorf("%v: the browser that asks comes first, and is the current one", raw[i])
		}
		if strings.Contains(body, s.ID().String()) {
			t.Error("the list tells the id under which logs know the session")
		}
	}
	if raw[0]["browser"] != "Unknown browser" || raw[0]["address"] != "" {
		t.Errorf("of a browser that said nothing: %v", raw[0])
	}
	if raw[1]["browser"] != "Firefox on Windows" || raw[1]["address"] != "203.0.113.0/24" {
		t.Errorf("of a browser that is known: %v", raw[1])
	}
	if strings.Contains(body, ticket) || strings.Contains(body, "access-of") {
		t.Error("the list holds a ticket or a token")
	}
}

func TestADeviceIsEndedByItsUserOnly(t *testing.T) {
	d := newDesk(t)
	_, ticket := d.begin(t, d.grant("alice"))
	other, otherTicket := d.begin(t, d.grant("alice"))
	bob, bobTicket := d.begin(t, d.grant("bob"))
	bobs := d.devicesOf(t, bobTicket)[0].ID
	for _, id := range []string{bobs, bob.ID().String(), other.ID().String(), "", "x", bobTicket, "../" + bobs} {
		res := d.do(t, http.MethodDelete, "/bff/sessions/"+strings.ReplaceAll(id, "../", "a/"), d.by(ticket)...)
		wantProblem(t, res, http.StatusNotFound, NotFound)
		wantCookies(t, res, 0)
	}
	if bob.State().Ended != "" || other.State().Ended != "" {
		t.Fatal("a session has ended that nobody named")
	}

	id := d.devicesOf(t, ticket)[1].ID
	res := d.do(t, http.MethodDelete, "/bff/sessions/"+id, d.by(ticket)...)
	if body := readAll(t, res); res.StatusCode != http.StatusNoContent || body != "" || len(res.Header["Set-Cookie"]) > 0 {
		t.Errorf("%s %q %q, want 204 and no cookie", res.Status, body, res.Header["Set-Cookie"])
	}
	if other.State().Ended != session.ByUser {
		t.Errorf("ended: %q, want by its user", other.State().Ended)
	}
	wantProblem(t, d.do(t, http.MethodGet, "/bff/user", d.by(otherTicket)...), http.StatusUnauthorized, SessionExpired)
	if list := d.devicesOf(t, ticket); len(list) != 1 || !list[0].Current {
		t.Errorf("%+v is left, want this browser", list)
	}
	wantProblem(t, d.do(t, http.MethodDelete, "/bff/sessions/"+id, d.by(ticket)...), http.StatusNotFound, NotFound)
}

func TestEndingTheOwnDeviceTakesTheTicket(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	res := d.do(t, http.MethodDelete, "/bff/sessions/"+d.devicesOf(t, ticket)[0].ID, d.by(ticket)...)
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Clear-Site-Data") != `"cache"` {
		t.Errorf("%s, Clear-Site-Data %q", res.Status, res.Header.Get("Clear-Site-Data"))
	}
	wantCookies(t, res, 1)
	if s.State().Ended != session.ByUser {
		t.Errorf("ended: %q", s.State().Ended)
	}
}

func TestAllOtherDevicesEndAtOnce(t *testing.T) {
	d := newDesk(t)
	mine, ticket := d.begin(t, d.grant("alice"))
	bob, _ := d.begin(t, d.grant("bob"))
	var others []*session.Session
	for range 3 {
		s, _ := d.begin(t, d.grant("alice"))
		others = append(others, s)
	}
	for _, query := range []string{"", "?others=false", "?others", "?others=true&others=true", "?others=%zz"} {
		wantProblem(t, d.do(t, http.MethodDelete, "/bff/sessions"+query, d.by(ticket)...), http.StatusBadRequest, BadRequest)
	}
	if n := len(d.devicesOf(t, ticket)); n != 4 {
		t.Fatalf("%d sessions are left, want all four", n)
	}
	res := d.do(t, http.MethodDelete, "/bff/sessions?others=true", d.by(ticket)...)
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("%s, want 204", res.Status)
	}
	wantCookies(t, res, 0)
	for _, s := range others {
		if s.State().Ended != session.ByUser {
			t.Errorf("another one ended: %q", s.State().Ended)
		}
	}
	if mine.State().Ended != "" || bob.State().Ended != "" {
		t.Error("this session, or another user's, has ended")
	}
}

func TestWhoIsNotSignedInHasNoDevices(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	id := d.devicesOf(t, ticket)[0].ID
	calls := [][2]string{
		{http.MethodGet, "/bff/sessions"},
		{http.MethodDelete, "/bff/sessions?others=true"},
		{http.MethodDelete, "/bff/sessions/" + id},
	}
	for _, call := range calls {
		wantProblem(t, d.do(t, call[0], call[1], script...), http.StatusUnauthorized, NoSession)
		for name, header := range map[string][]string{
			"another site": {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
			"a sibling":    {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
			"no proof":     {},
		} {
			res := d.do(t, call[0], call[1], append(header, "Cookie", d.cookie(ticket))...)
			t.Run(name, func(t *testing.T) { wantProblem(t, res, http.StatusForbidden, CSRFFailed) })
		}
		d.forget(t)
		d.store.away.Store(true)
		res := d.do(t, call[0], call[1], d.by(ticket)...)
		wantProblem(t, res, http.StatusServiceUnavailable, StoreUnavailable)
		wantCookies(t, res, 0)
		d.store.away.Store(false)
	}
	if s.State().Ended != "" {
		t.Error("the session has ended")
	}
}

func TestTheDevicesAreAPageForAPerson(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	if _, _, err := d.sessions.Begin(t.Context(), session.Start{Grant: d.grant("alice"), Device: session.Device{Browser: "<b>Fire&fox", Address: "2001:db8::/48"}}); err != nil {
		t.Fatal(err)
	}
	other := d.devicesOf(t, ticket)[1].ID
	res := d.do(t, http.MethodGet, "/bff/sessions", append(tab("none"), "Cookie", d.cookie(ticket))...)
	body := readAll(t, res)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s %s", res.Status, res.Header.Get("Content-Type"))
	}
	for _, part := range []string{
		"<h1>Your devices</h1>", "Unknown browser", "This browser", "&lt;b&gt;Fire&amp;fox", "from 2001:db8::/48",
		`data-end="` + other + `"`, `id="others"`, `<html lang="en">`, "<main", `role="status"`,
		html.EscapeString("/bff/logout?sid=" + s.State().Proof),
	} {
		if !strings.Contains(body, part) {
			t.Errorf("the page has no %s:\n%s", part, body)
		}
	}
	if strings.Contains(body, "<b>") || regexp.MustCompile(`(?i)(src=|@import|https?://|\son[a-z]+=)`).MatchString(body) {
		t.Errorf("the page lets markup through, or loads something:\n%s", body)
	}
	policy := res.Header.Get("Content-Security-Policy")
	for element, source := range map[string]string{"style": "style-src ", "script": "script-src "} {
		inline := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(body)
		if inline == nil || !strings.Contains(policy, source+hashSource(inline[1])+";") {
			t.Errorf("the policy %q does not name the %s that the page has", policy, element)
		}
	}
}

func TestThePageOfDevicesSendsToTheLogin(t *testing.T) {
	d := newDesk(t)
	res := d.do(t, http.MethodGet, "/bff/sessions", tab("none")...)
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusFound || got != "/bff/login?returnUrl=%2Fbff%2Fsessions" {
		t.Errorf("%s to %q, want 302 to the login and back", res.Status, got)
	}
	// A link on another site leaves the Strict ticket at home: first the hop.
	if got := hopTarget(t, d.do(t, http.MethodGet, "/bff/sessions", tab("cross-site")...)); got != "/bff/sessions" {
		t.Errorf("hops to %q", got)
	}
}

func TestLookingAtTheDevicesIsActivityUnlessAScriptPolls(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	before := s.Seen()
	for _, path := range []string{"/bff/sessions", "/bff/user"} {
		d.do(t, http.MethodGet, path, append(d.by(ticket), "X-Bff-Background", "1")...)
		if !s.Seen().Equal(before) {
			t.Errorf("%s in the background extends the session", path)
		}
	}
	d.do(t, http.MethodGet, "/bff/sessions", d.by(ticket)...)
	if s.Seen().Equal(before) {
		t.Error("to look at the devices does not extend the session")
	}
}
