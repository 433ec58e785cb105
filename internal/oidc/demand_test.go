package oidc_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestOnlyWhatALoginCanAskForIsADemand(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		acr, age, claims string
		want             map[string]string
	}{
		{"", "", "", nil},
		{"gold", "", "", map[string]string{"acr_values": "gold"}},
		{" gold   urn:x:phr ", "0", "", map[string]string{"acr_values": "gold urn:x:phr", "max_age": "0"}},
		{"gold\r\nX: y", "300", "", map[string]string{"max_age": "300"}},
		{"göld", "-1", "", nil},
		{strings.Repeat("a", 513), "1.5", "[]", nil},
		{"", "soon", "{", nil},
		{"", "99999999999999999999", `{"a":` + strings.Repeat(" ", 1536) + `1}`, nil},
		{"", "400000000", "", nil}, // more than ten years
		{"", "", `{"access_token":{"acrs":null}}`, map[string]string{"claims": `{"access_token":{"acrs":null}}`}},
	} {
		if got := oidc.Demand(row.acr, row.age, row.claims); !maps.Equal(got, row.want) {
			t.Errorf("%q, %q, %q: got %q", row.acr, row.age, row.claims, got)
		}
	}
}

func TestAGrantMeetsADemandOrNot(t *testing.T) {
	t.Parallel()
	now := time.Unix(2_000_000_000, 0)
	c, err := oidc.New(oidc.Config{
		Issuer: "https://id.example.com", ClientID: "app", ClientAuth: oidc.NoSecret, RedirectURL: "https://app.example.com/bff/callback",
		ClockSkew: time.Minute, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	hourAgo := session.Grant{ACR: "gold", AuthTime: now.Add(-time.Hour), IssuedAt: now.Add(-time.Hour)}
	for _, row := range []struct {
		grant  session.Grant
		demand map[string]string
		want   bool
	}{
		{session.Grant{}, nil, true},
		{hourAgo, map[string]string{"acr_values": "gold"}, true},
		{hourAgo, map[string]string{"acr_values": "platinum gold"}, true},
		{hourAgo, map[string]string{"acr_values": "Gold"}, false},
		{hourAgo, map[string]string{"acr_values": "golden"}, false},
		{session.Grant{}, map[string]string{"acr_values": "gold"}, false},
		{hourAgo, map[string]string{"max_age": "3600"}, true},
		{hourAgo, map[string]string{"max_age": "3540"}, true}, // within the clock skew
		{hourAgo, map[string]string{"max_age": "3539"}, false},
		{hourAgo, map[string]string{"max_age": "0"}, false},
		{hourAgo, map[string]string{"max_age": "soon"}, false},
		{session.Grant{ACR: "gold"}, map[string]string{"max_age": "3600"}, false}, // no auth_time
		{session.Grant{AuthTime: now}, map[string]string{"max_age": "0"}, true},
		{hourAgo, map[string]string{"acr_values": "gold", "max_age": "60"}, false},
		{hourAgo, map[string]string{"acr_values": "phr", "max_age": "7200"}, false},
		{hourAgo, map[string]string{"claims": "{}"}, false},
		{session.Grant{IssuedAt: now.Add(-time.Minute)}, map[string]string{"claims": "{}"}, true},
	} {
		if got := c.Meets(&row.grant, row.demand); got != row.want {
			t.Errorf("%q of acr %q, %s ago: %v", row.demand, row.grant.ACR, now.Sub(row.grant.AuthTime), got)
		}
	}
}

func TestADemandWinsAsFarAsItIsStricter(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ configured, demanded, params, want string }{
		{"", "gold", "", "gold"},
		{"", "gold", "none", "gold"},
		{"silver gold", "gold bronze", "", "gold"}, // not what the operator never takes
		{"silver", "gold", "none", "gold"},         // beyond what the operator always wants
	} {
		b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) {
			cfg.AuthorizeParams = map[string]string{"acr_values": row.configured, "max_age": "600"}
		})
		a := attempt()
		a.Params = url.Values{"acr_values": {row.params}}
		a.Demand = map[string]string{"acr_values": row.demanded, "max_age": "300", "claims": `{"id_token":{}}`}
		got := b.ask(a)
		if got.Get("acr_values") != row.want || got.Get("max_age") != "300" || got.Get("claims") != `{"id_token":{}}` {
			t.Errorf("%+v: asks for %v", row, got)
		}
		a.Demand["max_age"] = "900"
		if got := b.ask(a).Get("max_age"); got != "600" {
			t.Errorf("the operator's max_age became %s", got)
		}
	}
}
