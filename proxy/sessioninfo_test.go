package proxy

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// script is what a script of our own page sends along.
var script = []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}

// by adds a ticket to what a script sends.
func (d *desk) by(ticket string) []string {
	return append(slices.Clone(script), "Cookie", d.cookie(ticket))
}

func readAll(t testing.TB, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func decode[T any](t testing.TB, res *http.Response) (v T) {
	t.Helper()
	body := readAll(t, res)
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

// wantProblem checks an error of the gateway's own.
func wantProblem(t testing.TB, res *http.Response, status int, code Code) {
	t.Helper()
	if got := res.Header.Get("Cloakroom-Error"); res.StatusCode != status || got != string(code) {
		t.Errorf("%s %q, want %d %s: %s", res.Status, got, status, code, readAll(t, res))
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q, want no-store", got)
	}
}

func wantCookies(t testing.TB, res *http.Response, n int) {
	t.Helper()
	if got := res.Header["Set-Cookie"]; len(got) != n {
		t.Errorf("%d cookies are set, want %d: %q", len(got), n, got)
	}
}

func TestTheSessionEndpointTellsAnonymousBrowsersSo(t *testing.T) {
	d := newDesk(t)
	res := d.do(t, http.MethodGet, "/bff/session")
	want := `{"authenticated":false,"expires_in":null,"idle_expires_in":null,"limit":null,"access_token_expires_in":null,` +
		`"login_url":"/bff/login","logout_url":null,"auth_time":null,"acr":null,"claims":null}` + "\n"
	if got := readAll(t, res); res.StatusCode != http.StatusOK || got != want {
		t.Errorf("%s %s, want 200 %s", res.Status, got, want)
	}
	wantCookies(t, res, 0)
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
}

func TestTheSessionEndpointTellsWhatThereIs(t *testing.T) {
	d := newDesk(t)
	g := d.grant("alice")
	g.AuthTime, g.ACR = time.Unix(1_700_000_000, 0), "urn:mfa"
	g.Claims = map[string]any{"sub": "alice", "iss": "x", "nonce": "n", "at_hash": "h", "roles": []any{"a", "b"}, "level": json.Number("3"), "gone": nil}
	s, ticket := d.begin(t, g)
	got := decode[sessionInfo](t, d.do(t, http.MethodGet, "/bff/session", d.by(ticket)...))
	switch {
	case !got.Authenticated, got.LoginURL != "/bff/login":
		t.Errorf("%+v", got)
	case *got.ExpiresIn < 604_790 || *got.ExpiresIn > 604_800:
		t.Errorf("expires_in %d, want about 168 hours", *got.ExpiresIn)
	case *got.IdleExpiresIn < 28_790 || *got.IdleExpiresIn > 28_800:
		t.Errorf("idle_expires_in %d, want about 8 hours", *got.IdleExpiresIn)
	case *got.Limit != "idle":
		t.Errorf("limit %q", *got.Limit)
	case *got.AccessTokenExpiresIn < 3_590 || *got.AccessTokenExpiresIn > 3_600:
		t.Errorf("access_token_expires_in %d, want about an hour", *got.AccessTokenExpiresIn)
	case *got.LogoutURL != "/bff/logout?sid="+s.State().Proof:
		t.Errorf("logout_url %q", *got.LogoutURL)
	case *got.AuthTime != 1_700_000_000, *got.ACR != "urn:mfa":
		t.Errorf("auth_time %d, acr %q", *got.AuthTime, *got.ACR)
	case len(got.Claims) != 3 || got.Claims["sub"] != "alice" || got.Claims["level"] != 3.0:
		t.Errorf("claims %v, want sub, roles and level", got.Claims)
	}
}

func TestTheSessionEndpointTellsWhichLimitBites(t *testing.T) {
	d := newDesk(t)
	for left, want := range map[time.Duration]string{time.Hour: "provider", 24 * time.Hour: "idle"} {
		g := d.grant("alice")
		g.Ceiling = time.Now().Add(left)
		_, ticket := d.begin(t, g)
		got := decode[sessionInfo](t, d.do(t, http.MethodGet, "/bff/session", d.by(ticket)...))
		if *got.Limit != want {
			t.Errorf("limit %q, want %q", *got.Limit, want)
		}
		if n := *got.ExpiresIn; n > int64(left/time.Second) || n < int64(left/time.Second)-10 {
			t.Errorf("expires_in %d of a session that the provider gave %v", n, left)
		}
	}
}

func TestAskingForTheSessionIsNoActivity(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	before := s.Seen()
	for _, path := range []string{"/bff/session", "/bff/user?slide=false"} {
		if res := d.do(t, http.MethodGet, path, d.by(ticket)...); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, res.Status)
		}
		if !s.Seen().Equal(before) {
			t.Errorf("%s extends the session", path)
		}
	}
	d.do(t, http.MethodGet, "/bff/user", d.by(ticket)...)
	if s.Seen().Equal(before) {
		t.Error("/bff/user does not extend the session")
	}
}

func TestAnEndedSessionIsToldOnceAndForAll(t *testing.T) {
	for _, row := range []struct {
		why    session.Reason
		clears int
	}{{session.LoggedOut, 1}, {session.TokenRefused, 1}, {session.Replaced, 0}} {
		d := newDesk(t)
		s, ticket := d.begin(t, d.grant("alice"))
		if err := s.End(t.Context(), row.why); err != nil {
			t.Fatal(err)
		}
		res := d.do(t, http.MethodGet, "/bff/session", d.by(ticket)...)
		if got := decode[sessionInfo](t, res); got.Authenticated || got.Claims != nil {
			t.Errorf("%s: %+v", row.why, got)
		}
		wantCookies(t, res, row.clears)
		res = d.do(t, http.MethodGet, "/bff/user", d.by(ticket)...)
		wantProblem(t, res, http.StatusUnauthorized, SessionExpired)
		wantCookies(t, res, row.clears)
	}
}

func TestAStoreThatIsAwayLogsNobodyOut(t *testing.T) {
	d := newDesk(t)
	_, ticket := d.begin(t, d.grant("alice"))
	d.forget(t)
	d.store.away.Store(true)
	for _, call := range [][2]string{
		{http.MethodGet, "/bff/session"},
		{http.MethodGet, "/bff/user"},
		{http.MethodPost, "/bff/refresh"},
		{http.MethodPost, "/bff/logout"},
	} {
		res := d.do(t, call[0], call[1], d.by(ticket)...)
		wantProblem(t, res, http.StatusServiceUnavailable, StoreUnavailable)
		wantCookies(t, res, 0)
		if res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", call[1])
		}
	}
	d.store.away.Store(false)
	if got := decode[sessionInfo](t, d.do(t, http.MethodGet, "/bff/session", d.by(ticket)...)); !got.Authenticated {
		t.Error("the ticket is worth nothing after the outage")
	}
}

func TestTheUserEndpointIsAListOfClaims(t *testing.T) {
	d := newDesk(t)
	g := d.grant("alice")
	g.SessionState = "state.salt"
	g.Claims = map[string]any{
		"sub": "alice", "iss": "https://idp", "aud": "app", "exp": json.Number("1"), "iat": json.Number("1"), "nonce": "n", "c_hash": "c",
		"roles": []any{"a,b", "c"}, "email_verified": true, "updated_at": json.Number("1700000000"),
		"address": map[string]any{"country": "DE"}, "empty": []any{}, "null": nil,
	}
	s, ticket := d.begin(t, g)
	body := readAll(t, d.do(t, http.MethodGet, "/bff/user", d.by(ticket)...))
	var got []claim
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := []claim{
		{"address", `{"country":"DE"}`},
		{"email_verified", "true"},
		{"roles", "a,b"},
		{"roles", "c"},
		{"sub", "alice"},
		{"updated_at", "1700000000"},
		{"bff:session_expires_in", 28799.0},
		{"bff:logout_url", "/bff/logout?sid=" + s.State().Proof},
		{"bff:session_state", "state.salt"},
	}
	for i := range got {
		if got[i].Type == "bff:session_expires_in" {
			if n, ok := got[i].Value.(float64); ok && n > 28_790 && n <= 28_800 {
				got[i].Value = 28799.0
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if strings.Contains(body, "access-of-alice") {
		t.Error("the answer has the access token in it")
	}
}

func TestTheUserEndpointRefusesAnonymousBrowsersWithoutARedirect(t *testing.T) {
	d := newDesk(t)
	res := d.do(t, http.MethodGet, "/bff/user")
	wantProblem(t, res, http.StatusUnauthorized, NoSession)
	wantCookies(t, res, 0)
	res = d.do(t, http.MethodGet, "/bff/user", "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none")
	wantProblem(t, res, http.StatusUnauthorized, NoSession)
	if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
		t.Errorf("a navigation gets %q, want a page", got)
	}
}

func TestNoOtherSiteReadsOrMovesTheSession(t *testing.T) {
	d := newDesk(t)
	s, ticket := d.begin(t, d.grant("alice"))
	for name, header := range map[string][]string{
		"another site":  {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"a sibling":     {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"an old one":    {"Origin", "https://evil.example"},
		"without proof": {},
	} {
		for _, call := range [][2]string{
			{http.MethodGet, "/bff/session"},
			{http.MethodGet, "/bff/user"},
			{http.MethodPost, "/bff/refresh"},
			{http.MethodPost, "/bff/logout"},
		} {
			res := d.do(t, call[0], call[1], append(slices.Clone(header), "Cookie", d.cookie(ticket))...)
			if t.Run(name+call[1], func(t *testing.T) { wantProblem(t, res, http.StatusForbidden, CSRFFailed) }); len(res.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s, %s: sets cookies", name, call[1])
			}
		}
	}
	if s.State().Ended != "" {
		t.Error("the session has ended")
	}
}

func TestTheEndpointsTakeTheirOwnMethodsOnly(t *testing.T) {
	d := newDesk(t)
	for path, allow := range map[string]string{
		"/bff/login": "GET", "/bff/callback": "GET", "/bff/user": "GET", "/bff/session": "GET", "/bff/refresh": "POST", "/bff/logout": "GET, POST",
		"/bff/sessions": "DELETE, GET", "/bff/sessions/x": "DELETE", "/bff/frontchannel-logout": "GET",
	} {
		method := http.MethodPost
		if strings.Contains(allow, method) {
			method = http.MethodPut
		}
		res := d.do(t, method, path, script...)
		wantProblem(t, res, http.StatusMethodNotAllowed, MethodNotAllowed)
		if got := res.Header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", path, got, allow)
		}
	}
	wantProblem(t, d.do(t, http.MethodGet, "/bff/refresh", script...), http.StatusMethodNotAllowed, MethodNotAllowed)
}
