package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	account = `{"actions":["read"],"type":"account"}`
	payment = `{"amount":12.5,"type":"payment"}`
)

// treasury is a counter with two routes that ask for authorization details (RFC 9396), and one
// that does not.
func treasury(t *testing.T, skew time.Duration) *counter {
	t.Helper()
	c := &counter{up: api(t, nil)}
	c.house = newHouseOf(t, func(cfg *oidc.Config) {
		cfg.AuthorizationDetails, cfg.ClockSkew = []string{account, payment}, skew
	}, func(cfg *Config) {
		cfg.Routes = []Route{
			{Path: "/plain/", Upstream: c.up.url},
			{Path: "/accounts/", Upstream: c.up.url, Target: session.Target{Details: "[" + account + "]"}},
			{Path: "/payments/", Upstream: c.up.url, Target: session.Target{Details: "[" + payment + "]"}},
		}
	})
	return c
}

// grantsDetails turns a provider into one that knows what they are.
func (h *house) grantsDetails() {
	h.provider.Adjust(func(k *devidp.Knobs) { k.DetailTypes = []string{"account", "payment"} })
}

func TestEachRouteGetsTheDetailsThatItAsksFor(t *testing.T) {
	c := treasury(t, 0)
	c.grantsDetails()
	g := c.signIn(t)
	for range 2 {
		for path, want := range map[string]string{"/accounts/": account, "/payments/": payment, "/plain/": account + "," + payment} {
			wants(t, g.get(t, path), 200, "")
			got, err := json.Marshal(tokenOf(t, c.up.last(t))["authorization_details"])
			if err != nil || string(got) != "["+want+"]" {
				t.Errorf("%s got a token for %s, %v", path, got, err)
			}
		}
	}
	if s := c.provider.Stats(); s.Refreshes != 2 {
		t.Errorf("%d refreshes for two tokens", s.Refreshes)
	}
}

// Who signed in before the details could be had gets them by another login.
func TestDetailsThatASessionLacksAreALoginAway(t *testing.T) {
	c := treasury(t, time.Nanosecond)
	b := c.browser(t)
	b.signIn(t, "alice", "/")
	for range 2 {
		wantProblem(t, b.fetch(t, http.MethodGet, "/payments/"), http.StatusUnauthorized, InteractionRequired)
	}
	if res := b.fetch(t, http.MethodGet, "/plain/"); res.StatusCode != http.StatusOK {
		t.Errorf("a route that asks for nothing: %s", res.Status)
	}
	c.grantsDetails()
	login := decode[problemBody](t, b.fetch(t, http.MethodGet, "/payments/")).LoginURL
	b.visit(t, "cross-site", b.atProvider(t, b.startLogin(t, login), "alice"))
	if res := b.fetch(t, http.MethodGet, "/payments/"); res.StatusCode != http.StatusOK || len(c.live(t, "alice")) != 1 {
		t.Errorf("after the login: %s", res.Status)
	}
}

func TestAProviderThatGrantsNoDetailsMakesNoCircle(t *testing.T) {
	c := treasury(t, 0)
	b := c.browser(t)
	b.signIn(t, "alice", "/")
	wantProblem(t, b.visit(t, "same-origin", "/payments/"), http.StatusBadGateway, ScopeNotAvailable)
	if s := c.provider.Stats(); s.AuthorizeRequests != 1 || s.Refreshes != 1 {
		t.Errorf("%+v", s)
	}
}

func TestRoutesAskForTokensThatCanBe(t *testing.T) {
	up := api(t, nil).url
	for want, rt := range map[string]Route{
		"are those of a token":         {Path: "/", Upstream: up, Token: NoToken, Target: session.Target{Details: "[" + account + "]"}},
		"token is no exchange":         {Path: "/", Upstream: up, Target: session.Target{Actor: true}},
		"JSON array of objects":        {Path: "/", Upstream: up, Target: session.Target{Details: account}},
		"each of the authorization de": {Path: "/", Upstream: up, Target: session.Target{Details: `[{}]`}},
	} {
		if err := rt.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one that says %q", err, want)
		}
	}
}

func TestATradedTokenNamesTheGatewayWhereTheRouteSaysSo(t *testing.T) {
	c := newCounter(t, nil,
		Route{Path: "/alone/", Token: ExchangedToken, Target: session.Target{Audience: "orders"}},
		Route{Path: "/acted/", Token: ExchangedToken, Target: session.Target{Audience: "orders", Actor: true}},
	)
	g := c.signIn(t)
	for range 2 {
		for path, actor := range map[string]any{"/alone/": nil, "/acted/": "app"} {
			wants(t, g.get(t, path), 200, "")
			act, _ := tokenOf(t, c.up.last(t))["act"].(map[string]any)
			if act["sub"] != actor {
				t.Errorf("%s: %v acts", path, act["sub"])
			}
		}
	}
	if s := c.provider.Stats(); s.TokenExchanges != 2 || s.ClientTokens != 1 {
		t.Errorf("%+v", s)
	}
}
