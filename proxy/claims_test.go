package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestAHeaderIsWrittenOfClaims(t *testing.T) {
	claims := map[string]any{
		"sub": "alice", "n": json.Number("42"), "yes": true, "nothing": nil, "empty": "", "evil": "a\r\nX-Admin: 1\x00\x7f",
		"roles": []any{"a,b", "ops", "50%"}, "none": []any{}, "odd": []any{"a", nil}, "address": map[string]any{"country": "DE"},
		"https://x/roles": []any{"admin"}, "name": "Zoë, Dr.", "padded": "  x ", "object": map[string]any{"a": json.Number("1")},
	}
	for _, row := range []struct {
		template, want string
		ok             bool
	}{
		{"{claims.sub}", "alice", true},
		{"user-{claims.sub}/{claims.n};{claims.yes}", "user-alice/42;true", true},
		{"plain", "plain", true},
		{"{{claims.sub}", "{claims.sub}", true},
		{`{claims["https://x/roles"]}`, "admin", true},
		{`{claims["address"].country}`, "DE", true},
		{`{claims.address["country"]}`, "DE", true},
		{"{claims.roles}", "a%2Cb,ops,50%25", true},
		{"{claims.evil}", "a%0D%0AX-Admin: 1%00%7F", true},
		{"{claims.name}", "Zoë, Dr.", true},
		{"{claims.padded}", "x", true},
		{"{claims.object}", `{"a":1}`, true},
		{"{claims.missing}", "", false},
		{"x-{claims.missing}", "", false},
		{"{claims.nothing}", "", false},
		{"{claims.empty}", "", false},
		{"{claims.none}", "", false},
		{"{claims.odd}", "", false},
		{"{claims.sub.more}", "", false},
	} {
		p, err := parseTemplate(row.template)
		if err != nil {
			t.Errorf("%s: %v", row.template, err)
			continue
		}
		if got, ok := p.expand(claims); got != row.want || ok != row.ok {
			t.Errorf("%s: %q, %v", row.template, got, ok)
		}
	}
}

func TestABadTemplateIsRefused(t *testing.T) {
	for _, s := range []string{"{claims.sub", "{claims}", "{claims.}", "{sub}", "{}", "{", `{claims["x}`, `{claims[""]}`, "{claims.a..b}", "a\r\nb", "{claims sub}"} {
		if _, err := parseTemplate(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

// FuzzTemplate holds that whatever a template and a claim say, the value is one header.
func FuzzTemplate(f *testing.F) {
	f.Add("{claims.a}", "x")
	f.Add(`{claims["a"]}-{{`, "\r\nX: y")
	f.Fuzz(func(t *testing.T, s, claim string) {
		p, err := parseTemplate(s)
		if err != nil {
			return
		}
		for _, v := range []any{claim, []any{claim, claim}} {
			if got, _ := p.expand(map[string]any{"a": v}); strings.ContainsAny(got, "\r\n\x00") {
				t.Errorf("%q", got)
			}
		}
	})
}

// TestClaimsBeyondAllHeadersAreTheOperatorsMatter signs in somebody with thousands of groups.
func TestClaimsBeyondAllHeadersAreTheOperatorsMatter(t *testing.T) {
	up := api(t, nil)
	f := &fortress{up: up, front: open(t, []Route{
		{Path: "/", Upstream: up.url},
		{Path: "/groups/", Upstream: up.url, SetHeaders: map[string]string{"X-Groups": "{claims.groups}"}},
		{Path: "/signed/", Upstream: up.url, Assertion: Assertion{Header: "X-Who", Claims: []string{"groups"}}},
	}, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })}
	groups := make([]any, 5000)
	for i := range groups {
		groups[i] = fmt.Sprintf("group-of-some-department-%04d", i)
	}
	ticket := f.admit(t, "alice", map[string]any{"groups": groups})
	mine := []string{"Sec-Fetch-Site: same-origin", "Cookie: " + f.cookie(ticket)}
	mustFail(t, f.get(t, "/groups/x", mine...), GatewayMisconfigured)
	mustFail(t, f.get(t, "/signed/x", mine...), GatewayMisconfigured)
	if up.hits() != 0 {
		t.Error("the upstream got it all the same")
	}
	if !strings.Contains(f.log.String(), "route /groups/ sets") || strings.Contains(f.log.String(), "department") {
		t.Errorf("the log does not say which route, or says too much: %s", f.log)
	}
	if res := f.get(t, "/x", mine...); res.StatusCode != http.StatusOK {
		t.Errorf("on another route: %s", res.Status)
	}
	entrance := httptest.NewServer(f.ForwardAuth())
	t.Cleanup(entrance.Close)
	f.addr = entrance.Listener.Addr().String()
	for _, d := range dialects {
		res := f.ask(t, d, question{"GET", "/groups/x", publicHost}, mine...)
		mustFail(t, res, GatewayMisconfigured)
		if res.Header.Get("Authorization") != "" || res.Header.Get("X-Groups") != "" {
			t.Errorf("%s: %v", d, res.Header)
		}
	}
}
