package proxy

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"
)

func TestAMachineClientsOwnTokenPassesWhereThereIsNoTicket(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{{
		Path: "/api/", Upstream: up.url, AllowBearer: true, Require: Require{Claims: map[string][]string{"sub": {"nobody"}}},
		SetHeaders: map[string]string{"X-User": "{claims.sub}", "X-Key": "fixed"}, Assertion: Assertion{Header: "X-Who"},
	}})
	res := f.send(t, "POST", "/api/orders", "Authorization: bearer a-b.c_d~e+f/g==", "X-User: mallory", "X-Key: forged", "X-Who: forged", "Content-Length: 0")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, text(t, res))
	}
	got := up.last(t).Header
	if v := got["Authorization"]; len(v) != 1 || v[0] != "bearer a-b.c_d~e+f/g==" {
		t.Errorf("Authorization is %q", v)
	}
	for _, name := range []string{"X-User", "X-Key", "X-Who"} {
		if v := got[name]; v != nil {
			t.Errorf("%s is %q: the gateway vouches for nobody here", name, v)
		}
	}
}

func TestOnlyABearerTokenAloneStandsInForATicket(t *testing.T) {
	up := api(t, nil)
	f := open(t, []Route{
		{Path: "/api/", Upstream: up.url, AllowBearer: true},
		{Path: "/closed/", Upstream: up.url},
	})
	s, ticket := f.signIn(t, time.Hour)
	const bearer = "Authorization: Bearer own"
	for _, row := range []struct {
		name, path string
		code       Code
		lines      []string
	}{
		{"a route that allows none", "/closed/", NoSession, []string{bearer}},
		{"a password", "/api/", NoSession, []string{"Authorization: Basic dXNlcjpwdw=="}},
		{"Negotiate", "/api/", NoSession, []string{"Authorization: Negotiate abc"}},
		{"no token", "/api/", NoSession, []string{"Authorization: Bearer"}},
		{"an empty token", "/api/", NoSession, []string{"Authorization: Bearer  "}},
		{"padding alone", "/api/", NoSession, []string{"Authorization: Bearer =="}},
		{"two tokens in a line", "/api/", NoSession, []string{"Authorization: Bearer a, Bearer b"}},
		{"two lines", "/api/", NoSession, []string{bearer, bearer}},
		{"a ticket that names nothing", "/api/", NoSession, []string{bearer, "Cookie: " + f.cookie("x"), "X-CSRF: 1"}},
		{"a ticket from another site", "/api/", CSRFFailed, []string{bearer, "Cookie: " + f.cookie(ticket), "Origin: https://evil.example"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := up.hits()
			mustFail(t, f.get(t, row.path, row.lines...), row.code)
			if up.hits() != before {
				t.Error("it reached the upstream")
			}
		})
	}
	if res := f.get(t, "/api/", bearer, "Cookie: "+f.cookie(ticket), "X-CSRF: 1"); res.StatusCode != http.StatusOK {
		t.Fatalf("%d", res.StatusCode)
	}
	if got := up.last(t).Header.Get("Authorization"); got != "Bearer "+accessToken {
		t.Errorf("with a ticket the upstream gets %q", got)
	}
	if err := s.End(t.Context(), "logout"); err != nil {
		t.Fatal(err)
	}
	mustFail(t, f.get(t, "/api/", bearer, "Cookie: "+f.cookie(ticket), "X-CSRF: 1"), SessionExpired)
}

// The upstream's own word about a machine's token is none of the gateway's business.
func TestAMachineHearsItsUpstreamsRefusal(t *testing.T) {
	up := api(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", acr_values="gold"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	f := open(t, []Route{{Path: "/api/", Upstream: up.url, AllowBearer: true, Unauthenticated: Login}})
	res := f.get(t, "/api/", "Authorization: Bearer own")
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Cloakroom-Error") != "" || res.Header.Get("Www-Authenticate") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func TestAnUpstreamGetsTheGatewaysOwnCredential(t *testing.T) {
	up := api(t, nil)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("gw:pa:ss"))
	f := open(t, []Route{
		{Path: "/old/", Upstream: up.url, Token: NoToken, Authorization: "Basic Z3c6cGE6c3M=", SetHeaders: map[string]string{"X-User": "{claims.sub}"}},
		{Path: "/open/", Upstream: up.url, Access: Public, Authorization: "ApiKey k"},
		{Path: "/both/", Upstream: up.url, Token: NoToken, Authorization: "ApiKey k", AllowBearer: true},
		{Path: "/none/", Upstream: up.url, Access: Public},
	})
	_, ticket := f.signIn(t, time.Hour)
	me := []string{"Cookie: " + f.cookie(ticket), "X-CSRF: 1"}
	forged := "Authorization: Basic Zm9yZ2Vk"
	for _, row := range []struct {
		name, path, want string
		lines            []string
	}{
		{"Basic", "/old/", basic, append(me, forged)},
		{"a key on a public route", "/open/", "ApiKey k", []string{"Sec-Fetch-Site: same-origin", forged}},
		{"a key beside machines", "/both/", "ApiKey k", me},
		{"a machine beside a key", "/both/", "Bearer own", []string{"Authorization: Bearer own"}},
		{"no credential elsewhere", "/none/", "", []string{forged}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if res := f.get(t, row.path, row.lines...); res.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", res.StatusCode, text(t, res))
			}
			if got := up.last(t).Header.Get("Authorization"); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	before := up.hits()
	mustFail(t, f.get(t, "/old/"), NoSession)
	// As with the client's token: a page elsewhere would use a credential that is not its own.
	mustFail(t, f.get(t, "/open/", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"), CSRFFailed)
	if up.hits() != before {
		t.Error("a refused request reached the upstream")
	}
}

func TestAFrontProxyHandsOnWhatTheRouteSendsInAuthorization(t *testing.T) {
	up := mustURL("http://127.0.0.1:1")
	f := entrance(t, func(c *Config) {
		c.Routes = []Route{
			{Path: "/old/", Upstream: up, Token: NoToken, Authorization: "Basic Z3c6cHc="},
			{Path: "/api/", Upstream: up, AllowBearer: true, SetHeaders: map[string]string{"X-User": "{claims.sub}"}, Assertion: Assertion{Header: "X-Who"}},
			{Path: "/", Upstream: up, Access: Public},
		}
	})
	_, ticket := f.signIn(t, time.Hour)
	me := []string{"Cookie: " + f.cookie(ticket), "X-CSRF: 1", "X-Who: forged"}
	for _, d := range dialects {
		old := f.ask(t, d, question{"GET", "/old/", publicHost}, me...)
		if h := old.Header; old.StatusCode != http.StatusOK || h.Get("Authorization") != "Basic Z3c6cHc=" || len(h["X-Who"]) != 1 || h.Get("X-Who") != "" {
			t.Errorf("%s, Basic: %d %v", d, old.StatusCode, h)
		}
		machine := f.ask(t, d, question{"POST", "/api/", publicHost}, "Authorization: Bearer own", "X-User: mallory", "X-Who: forged")
		if h := machine.Header; machine.StatusCode != http.StatusOK || h.Get("Authorization") != "Bearer own" || len(h["X-User"]) != 1 || h.Get("X-User") != "" || h.Get("X-Who") != "" {
			t.Errorf("%s, a machine: %d %v", d, machine.StatusCode, h)
		}
		user := f.ask(t, d, question{"GET", "/api/", publicHost}, me...)
		if h := user.Header; user.StatusCode != http.StatusOK || h.Get("Authorization") != "Bearer "+accessToken || len(h.Get("X-Who")) < 100 {
			t.Errorf("%s, a user: %d %v", d, user.StatusCode, h)
		}
	}
}
