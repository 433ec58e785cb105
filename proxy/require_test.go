package proxy

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestRequirementsAreMetExactly(t *testing.T) {
	claims := map[string]any{
		"sub": "alice", "roles": []any{"admin", "reader", json.Number("7"), []any{"nested"}, nil},
		"email_verified": true, "level": json.Number("3"), "empty": "", "none": nil, "void": []any{},
		"https://example.com/tier": "gold", "realm_access": map[string]any{"roles": []any{"staff"}},
		"a.b": "literal", "a": map[string]any{"b": "path"}, "object": map[string]any{"admin": "x"},
	}
	for _, row := range []struct {
		name string
		one  string
		want bool
	}{
		{"sub", "alice", true},
		{"sub", "Alice", false},
		{"sub", "alic", false},
		{"sub", " alice", false},
		{"roles", "admin", true},
		{"roles", "adm", false},
		{"roles", "admin,reader", false},
		{"roles", `["admin","reader"]`, false},
		{"roles", "7", true},
		{"roles", "nested", false},
		{"roles", `["nested"]`, false},
		{"roles", "", false},
		{"email_verified", "true", true},
		{"email_verified", "1", false},
		{"level", "3", true},
		{"level", "3.0", false},
		{"empty", "", true},
		{"none", "", false},
		{"none", "null", false},
		{"void", "", false},
		{"missing", "", false},
		{"https://example.com/tier", "gold", true},
		{"realm_access.roles", "staff", true},
		{"realm_access.roles.staff", "", false},
		{"realm_access", "roles", false},
		{"a.b", "literal", true},
		{"a.b", "path", false},
		{"object", "admin", false},
		{"object", `{"admin":"x"}`, false},
	} {
		st := &session.State{Grant: session.Grant{Claims: claims}}
		for _, values := range [][]string{{row.one}, {"\x00other", row.one}} {
			q := Require{Claims: map[string][]string{row.name: values}}
			if err := q.met(st, session.AccessToken{}); (err == nil) != row.want {
				t.Errorf("%s of %q: %v", row.name, values, err)
			}
		}
	}
	all := Require{Claims: map[string][]string{"sub": {"alice"}, "roles": {"pilot"}}}
	if all.met(&session.State{Grant: session.Grant{Claims: claims}}, session.AccessToken{}) == nil {
		t.Error("one of two claims was enough")
	}
}

func TestScopesAreThoseOfTheToken(t *testing.T) {
	st := &session.State{Grant: session.Grant{Access: map[session.Target]session.AccessToken{{}: {Token: "t", Scope: "openid read"}}}}
	for _, row := range []struct {
		want  []string
		token session.AccessToken
		met   bool
	}{
		{[]string{"read"}, session.AccessToken{}, true},
		{[]string{"read", "openid"}, session.AccessToken{}, true},
		{[]string{"read", "write"}, session.AccessToken{}, false},
		{[]string{"rea"}, session.AccessToken{}, false},
		{[]string{"write"}, session.AccessToken{Token: "x", Scope: "write"}, true},
		{[]string{"read"}, session.AccessToken{Token: "x", Scope: "write"}, false},
		{[]string{"read"}, session.AccessToken{Token: "x"}, false},
	} {
		q := Require{Scopes: row.want}
		if err := q.met(st, row.token); (err == nil) != row.met {
			t.Errorf("%v of %q: %v", row.want, row.token.Scope, err)
		}
	}
}

func TestWhoLacksSomethingNeverReachesTheAPI(t *testing.T) {
	c := newCounter(t, nil,
		Route{Path: "/admins/", Require: Require{Claims: map[string][]string{"roles": {"root", "admin"}}}},
		Route{Path: "/pilots/", Require: Require{Claims: map[string][]string{"roles": {"pilot"}}}},
		Route{Path: "/traded/", Token: ExchangedToken, Require: Require{Claims: map[string][]string{"roles": {"pilot"}}}},
		Route{Path: "/machine/", Token: ClientToken, Require: Require{Claims: map[string][]string{"roles": {"pilot"}}}},
		Route{Path: "/profile/", Require: Require{Scopes: []string{"profile"}}},
		Route{Path: "/small/", Target: session.Target{Scope: "openid"}, Require: Require{Scopes: []string{"profile"}}},
		Route{Path: "/bare/", Token: NoToken, Require: Require{Scopes: []string{"write"}}},
	)
	g := c.signIn(t)
	for path, code := range map[string]Code{
		"/pilots/": ClaimRequired, "/traded/": ClaimRequired, "/machine/": ClaimRequired,
		"/small/": InsufficientScope, "/bare/": InsufficientScope,
	} {
		wants(t, g.get(t, path), 403, code)
		wants(t, c.stranger().get(t, path), 401, NoSession)
	}
	if s := c.provider.Stats(); c.up.hits() != 0 || s.ClientTokens+s.TokenExchanges != 0 {
		t.Error("who lacks something got to the API, or to a token for it")
	}
	for _, path := range []string{"/admins/", "/profile/"} {
		wants(t, g.get(t, path), 200, "")
	}
}

// New roles come with a refresh, also with the one that the request itself waited for.
func TestRequirementsGoByTheNewestClaims(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/pilots/", Require: Require{Claims: map[string][]string{"roles": {"pilot"}}}})
	g := c.signIn(t)
	wants(t, g.get(t, "/pilots/"), 403, ClaimRequired)
	c.provider.Adjust(promote("pilot"))
	g.expire(t)
	wants(t, g.get(t, "/pilots/"), 200, "")
}

func TestARouteThatAsksTheImpossibleIsRefused(t *testing.T) {
	up := mustURL("http://orders")
	for name, r := range map[string]Route{
		"a requirement of nobody":         {Access: Optional, Require: Require{Scopes: []string{"read"}}},
		"a claim without value":           {Require: Require{Claims: map[string][]string{"a": {}}}},
		"a login that nobody needs":       {Access: Optional, Require: Require{MaxAge: time.Minute}},
		"a login of a strange kind":       {Require: Require{ACR: []string{"gold\n"}}},
		"two kinds of login in one":       {Require: Require{ACR: []string{"gold silver"}}},
		"a login of half a second":        {Require: Require{MaxAge: time.Second / 2}},
		"a login of the future":           {Require: Require{MaxAge: -time.Second}},
		"a claim without name":            {Require: Require{Claims: map[string][]string{"": {"a"}}}},
		"an exchange without a session":   {Access: Public, Token: ExchangedToken},
		"a client's token nobody gets":    {Token: UserOrClientToken},
		"an audience without token":       {Token: NoToken, Target: session.Target{Audience: "a"}},
		"a scope of a stranger's token":   {Access: Public, Target: session.Target{Scope: "a"}},
		"an audience of the client's own": {Access: Public, Token: Passthrough, Target: session.Target{Audience: "a"}},
	} {
		r.Path, r.Upstream = "/", up
		if _, err := newRoute(r, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
