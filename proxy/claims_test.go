package proxy

import (
	"encoding/json"
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
